"""The kinds of failure survive what happens to exceptions here: worker processes and wide handlers."""

import pickle

import pytest

from assets.failures import NotReady, PermanentFailure, QuintetFailure, TransientFailure

KINDS = [TransientFailure, PermanentFailure, NotReady]


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_keeps_its_kind_and_sentence_on_the_way_back_from_a_worker_process(kind):
    returned = pickle.loads(pickle.dumps(kind("bars.dbn ends early: copy it again.")))
    assert type(returned) is kind
    assert str(returned) == "bars.dbn ends early: copy it again."


@pytest.mark.parametrize("kind", KINDS)
def test_one_handler_catches_every_foreseen_failure(kind):
    with pytest.raises(QuintetFailure):
        raise kind("")


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_failure_is_mistaken_for_another(kind):
    others = tuple(other for other in KINDS if other is not kind)
    assert not issubclass(kind, others)

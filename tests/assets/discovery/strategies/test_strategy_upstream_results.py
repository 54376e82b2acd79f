"""Results of another job, in a real ledger."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.ledger.items import Sighting
from assets.discovery.ledger.outcomes import Done, Failed, Skipped
from assets.discovery.ledger.revisions import Content
from assets.discovery.strategies.upstream_results import LedgerUpstream, Output, UpstreamResults
from assets.failures import PermanentFailure
from tests.assets.discovery.ledger.ledger_worlds import World, done, opened, plan, seen
from tests.assets.discovery.strategies.source_worlds import Source, assert_a_second_read_changes_nothing


@pytest.fixture
def upstream(tmp_path):
    connection = opened(tmp_path / "ledger")
    yield World(connection, plan("extract"))
    connection.close()


def downstream(world: World, **params: object) -> Source:
    port = LedgerUpstream(world.connection, lambda path: f'{{"from": "{path}"}}')
    return Source(UpstreamResults(upstream=port), {"job": "papers", "stage": "extract"} | params)


class Listed:
    """Results that are already known."""

    def __init__(self, outputs: list[Output]) -> None:
        self._outputs = outputs

    def outputs(self, job: str, stage: str, after_seq: int, most: int) -> list[Output]:
        return [output for output in self._outputs if output.seq > after_seq][:most]


def redo(world: World, key: str, content: str, payload: object) -> None:
    world.now += 1000
    world.show(seen(key, content))
    world.drain(done(payload))


def test_every_result_is_a_thing_under_the_upstream_key_and_changes_with_the_output(upstream):
    upstream.add("x", "y")
    upstream.drain(done({"title": "A", "n": 1}))
    source = downstream(upstream)
    read = source.read()
    assert read.keys == ["x", "y"]
    assert read.data[0] == {"title": "A", "n": 1}
    assert read.candidates[0].title == "A"
    assert read.candidates[0].content_hash == upstream.stage("x")["output_hash"]
    assert source.cursor == {"seq": upstream.stage("y")["seq"]}
    assert not read.is_complete
    assert_a_second_read_changes_nothing(source)


def test_an_item_that_is_done_again_with_another_output_has_changed(upstream):
    upstream.add("x", "y")
    upstream.drain(done({"n": 1}))
    source = downstream(upstream)
    before = dict(source.read().data[0])
    redo(upstream, "x", "b", {"n": 2})
    (after,) = source.read().candidates
    assert (before, after.key, after.data) == ({"n": 1}, "x", {"n": 2})


def test_the_same_output_again_is_no_change(upstream):
    upstream.add("x")
    upstream.drain(done({"n": 1}))
    source = downstream(upstream)
    (before,) = source.read().candidates
    redo(upstream, "x", "b", {"n": 1})
    (after,) = source.read().candidates
    assert after.content_hash == before.content_hash


@pytest.mark.parametrize("outcome", [Failed("permanent", "broken"), Skipped("too short")])
def test_failed_and_skipped_items_give_nothing(upstream, outcome):
    upstream.add("x")
    upstream.drain(outcome)
    source = downstream(upstream)
    assert source.read().keys == []
    assert_a_second_read_changes_nothing(source)


def test_parts_of_a_result_are_things_of_their_own_and_those_no_more_there_are_deleted(upstream):
    upstream.add("x")
    upstream.drain(done({"links": [{"url": "https://example.com/"}, "b", "c"]}))
    source = downstream(upstream, fan_out="links")
    read = source.read()
    assert read.keys == ["x#0", "x#1", "x#2"]
    assert read.data == [{"url": "https://example.com/"}, {"value": "b"}, {"value": "c"}]
    redo(upstream, "x", "b", {"links": ["a"]})
    changed = {candidate.key: candidate.deleted for candidate in source.read().candidates}
    assert changed == {"x#0": False, "x#1": True, "x#2": True}


def test_a_fan_out_that_finds_nothing_or_one_thing_or_cannot_be_applied(upstream):
    upstream.add("x")
    upstream.drain(done({"one": {"n": 1}, "text": "abc"}))
    assert downstream(upstream, fan_out="absent").read().keys == []
    assert downstream(upstream, fan_out="one").read().keys == ["x#0"]
    with pytest.raises(PermanentFailure, match=r"max_by.*x"):
        downstream(upstream, fan_out="max_by(text, &n)").read()


def test_a_payload_in_a_blob_is_read(upstream):
    upstream.add("x")
    (claim,) = upstream.claim()
    upstream.finish(claim, Done("1", "f" * 64, blob_path="ab/cd", size=200_000))
    assert downstream(upstream).read().data == [{"from": "ab/cd"}]


def test_the_link_and_title_of_the_upstream_item_are_kept_unless_the_result_has_its_own(upstream):
    content = Content('{"n": 1}', "a", url="https://example.com/x", title="Upstream", published_at=7)
    upstream.show(Sighting("x", content))
    upstream.drain(done({"title": "Own"}))
    (candidate,) = downstream(upstream).read().candidates
    assert (candidate.url, candidate.title, candidate.published_at) == ("https://example.com/x", "Own", 7)


@given(crashes=st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=5))
def test_a_crash_anywhere_repeats_and_never_skips(crashes):
    outputs = [Output(seq, f"k{seq}", None, None, None, "h", {"n": seq}) for seq in range(1, 7)]
    source = Source(UpstreamResults(upstream=Listed(outputs)), {"job": "papers", "stage": "extract"})
    for crash_after, is_limited in crashes:
        source.read(crash_after=crash_after, limit=100 if is_limited else None)
    source.read()
    assert set(source.known) == {f"k{seq}" for seq in range(1, 7)}


def test_more_results_than_are_asked_for_at_a_time_are_all_read():
    outputs = [Output(seq, f"k{seq}", None, None, None, "h", {"n": seq}) for seq in range(1, 2502)]
    source = Source(UpstreamResults(upstream=Listed(outputs)), {"job": "papers", "stage": "extract"})
    assert len(source.read(crash_after=2400).keys) == 2400
    assert source.cursor == {"seq": 2000}
    assert len(source.read().keys) == 501

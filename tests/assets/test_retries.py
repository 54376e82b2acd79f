"""Failures meet Dagster's retries: real runs of flaky assets, the waits shortened to nothing."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets import retries
from assets.failures import NotReady, PermanentFailure, TransientFailure
from assets.retries import Patience, translated_failures

AT_ONCE = Patience(retries=2, first_wait=0, longest_wait=0, looks=3, look_every=0)


class Flaky:
    """An asset body that raises what it was given, one after the other, and then succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.attempts = 0

    def __call__(self) -> None:
        self.attempts += 1
        if self.failures:
            raise self.failures.pop(0)


def materialise(body: Callable[[], None], instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    @dg.asset
    def flaky(context: dg.AssetExecutionContext) -> None:
        with translated_failures(context, AT_ONCE):
            body()

    return dg.materialize([flaky], instance=instance, raise_on_error=False)


def step_failure(result: dg.ExecuteInProcessResult) -> Any:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.event_specific_data


def run_tags(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> Mapping[str, str]:
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return run.tags


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def instance_that_retries_runs() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(overrides={"run_retries": {"enabled": True, "max_retries": 2}}) as instance:
        yield instance


@pytest.mark.parametrize(
    "failure",
    [TransientFailure("the store is busy"), ConnectionResetError("cut"), TimeoutError()],
    ids=lambda failure: type(failure).__name__,
)
def test_a_transient_failure_is_tried_again_until_it_has_passed(failure, instance):
    body = Flaky(failure, failure)
    result = materialise(body, instance)
    assert result.success
    assert body.attempts == 3


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (TransientFailure("The store is busy: try again later."), "The store is busy: try again later."),
        (ConnectionRefusedError("no answer from the store"), "no answer from the store"),
        (TimeoutError(), "TimeoutError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_that_does_not_pass_fails_with_its_own_sentence(failure, sentence, instance):
    body = Flaky(*[failure] * 9)
    result = materialise(body, instance)
    assert not result.success
    assert body.attempts == 1 + AT_ONCE.retries
    assert step_failure(result).user_failure_data.description == sentence
    assert retries.RUN_RETRY_TAG not in run_tags(result, instance)


@pytest.mark.parametrize(
    "failure",
    [
        PermanentFailure("bars.dbn holds no trades: ask the vendor."),
        FileNotFoundError("bars.dbn is missing"),
        PermissionError("bars.dbn may not be read"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_permanent_failure_is_tried_once_and_fails_with_its_own_sentence(failure, instance):
    body = Flaky(*[failure] * 9)
    result = materialise(body, instance)
    assert not result.success
    assert body.attempts == 1
    assert step_failure(result).user_failure_data.description == str(failure)


@pytest.mark.parametrize(
    ("failure", "will_retry"),
    [
        (PermanentFailure("bars.dbn holds no trades"), "false"),
        (TransientFailure("the store is busy"), "true"),
        (NotReady("no calendar for 2027"), "true"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_a_permanent_failure_keeps_the_instance_from_starting_the_run_again(
    failure, will_retry, instance_that_retries_runs
):
    result = materialise(Flaky(*[failure] * 9), instance_that_retries_runs)
    assert not result.success
    assert run_tags(result, instance_that_retries_runs)["dagster/will_retry"] == will_retry


def test_what_is_not_ready_is_looked_at_again_until_it_is(instance):
    body = Flaky(*[NotReady("the upload of 2025-10 is under way")] * AT_ONCE.looks)
    result = materialise(body, instance)
    assert result.success
    assert body.attempts == 1 + AT_ONCE.looks


def test_what_never_gets_ready_fails_and_names_what_was_waited_for(instance):
    result = materialise(Flaky(*[NotReady("the upload of 2025-10 is under way")] * 9), instance)
    description = step_failure(result).user_failure_data.description
    assert description == "Still not ready after 4 looks: the upload of 2025-10 is under way"


def test_a_step_that_waits_shows_why_before_it_fails(instance):
    result = materialise(Flaky(NotReady("the upload of 2025-10 is under way")), instance)
    (event,) = [event for event in result.all_events if event.is_step_up_for_retry]
    data: Any = event.event_specific_data
    assert "the upload of 2025-10 is under way" in data.error.cause.message


def test_a_defect_passes_unchanged_and_is_not_tried_again(instance):
    body = Flaky(*[ValueError("bad key")] * 9)
    result = materialise(body, instance)
    assert body.attempts == 1
    assert step_failure(result).user_failure_data is None
    assert "ValueError: bad key" in step_failure(result).error.cause.message


def test_an_interrupt_is_not_taken_for_a_failure(instance):
    context = dg.build_asset_context(instance=instance)
    with pytest.raises(KeyboardInterrupt), translated_failures(context, AT_ONCE):
        raise KeyboardInterrupt


def test_a_generator_that_yields_results_keeps_those_before_the_failure(instance):
    @dg.multi_asset(specs=[dg.AssetSpec("first"), dg.AssetSpec("second")])
    def both(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        with translated_failures(context, AT_ONCE):
            yield dg.MaterializeResult(asset_key="first")
            raise PermanentFailure("the second input is empty")

    result = dg.materialize([both], instance=instance, raise_on_error=False)
    assert not result.success
    assert [event.asset_key for event in result.get_asset_materialization_events()] == [dg.AssetKey("first")]
    assert step_failure(result).user_failure_data.description == "the second input is empty"


def test_a_generator_that_is_closed_early_closes_quietly(instance):
    context = dg.build_asset_context(instance=instance)
    closed = []

    def body() -> Iterator[int]:
        with translated_failures(context, AT_ONCE):
            try:
                yield 1
                yield 2
            finally:
                closed.append(True)

    generator = body()
    assert next(generator) == 1
    generator.close()  # pyright: ignore[reportAttributeAccessIssue] (declared as an iterator, as asset bodies are)
    assert closed == [True]


def test_a_failure_inside_an_asset_check_is_translated_too(instance):
    @dg.asset
    def bars() -> None: ...

    body = Flaky(TransientFailure("the store is busy"))

    @dg.asset_check(asset=bars)
    def every_bar_is_positive(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with translated_failures(context, AT_ONCE):
            body()
        return dg.AssetCheckResult(passed=True)

    assert dg.materialize([bars, every_bar_is_positive], instance=instance).success
    assert body.attempts == 2


def test_a_step_without_a_patience_of_its_own_has_the_default_one(instance, monkeypatch):
    monkeypatch.setattr(retries, "DEFAULT_PATIENCE", Patience(retries=1, first_wait=0))
    body = Flaky(*[TransientFailure("the store is busy")] * 9)

    @dg.asset
    def flaky(context: dg.AssetExecutionContext) -> None:
        with translated_failures(context):
            body()

    assert not dg.materialize([flaky], instance=instance, raise_on_error=False).success
    assert body.attempts == 2


@given(attempts=st.integers(0, 200), first=st.floats(0, 60), longest=st.floats(0, 600))
def test_waits_double_up_to_the_longest_and_their_upper_half_is_random(attempts, first, longest):
    wait = Patience(first_wait=first, longest_wait=longest).wait_before_retry(attempts)
    planned = min(longest, first * 2**attempts)
    assert planned / 2 <= wait <= planned


def test_two_steps_that_fail_together_do_not_come_back_together():
    assert len({Patience().wait_before_retry(3) for _ in range(20)}) > 1

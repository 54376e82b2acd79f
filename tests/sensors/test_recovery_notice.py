"""The notice of a run that makes a failure good, on real runs of a real instance."""

from collections.abc import Iterator

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.notifier import Message, RecordingNotifier
from sensors.alerts import MOST_EARLIER_RUNS, Outcome, made_good, run_recovery_notice

DAYS = dg.StaticPartitionsDefinition(["monday", "tuesday", "wednesday"])

broken: set[str] = set()


def work(name: str) -> None:
    if name in broken:
        raise dg.Failure(description=f"{name} is broken")


@dg.asset(partitions_def=DAYS)
def rows() -> None:
    work("rows")


@dg.asset(partitions_def=DAYS, deps=[rows])
def report() -> None:
    work("report")


@dg.asset_check(asset=rows, blocking=True)
def rows_are_whole() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed="rows_are_whole" not in broken)


@dg.op
def tidy_up() -> None:
    work("tidy_up")


@dg.job
def tidying() -> None:
    tidy_up()


daily = dg.define_asset_job("daily", [rows, report])
DEFS = dg.Definitions(assets=[rows, report], asset_checks=[rows_are_whole], jobs=[daily, tidying])
PICKED = DEFS.resolve_implicit_global_asset_job_def()


@pytest.fixture(autouse=True)
def nothing_is_broken() -> None:
    broken.clear()


class Site:
    """Runs jobs; for each run that succeeds, the sensor is asked."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.notifier = RecordingNotifier()
        self.last_run_id = ""

    def run(
        self,
        day: str | None = "monday",
        *,
        job: str = "daily",
        failing: str | None = None,
        picked: list[dg.AssetsDefinition] | None = None,
        tags: dict[str, str] | None = None,
    ) -> list[Message]:
        """Run a job, or assets that somebody picked; return what the notifier was told of it."""
        broken.clear()
        broken.update({failing} if failing else ())
        result = (PICKED if picked else DEFS.resolve_job_def(job)).execute_in_process(
            instance=self.instance,
            partition_key=day,
            asset_selection=[asset.key for asset in picked] if picked else None,
            tags=tags,
            raise_on_error=False,
        )
        assert result.success == (failing is None)
        self.last_run_id = result.run_id
        return self.look_at(result) if result.success else []

    def look_at(self, result: dg.ExecuteInProcessResult) -> list[Message]:
        run = self.instance.get_run_by_id(result.run_id)
        assert run is not None
        context = dg.build_run_status_sensor_context(
            sensor_name="run_recovery_notice",
            dagster_instance=self.instance,
            dagster_run=run,
            dagster_event=next(event for event in result.all_events if event.is_job_success),
            resources={"notifier": self.notifier},
        )
        known = len(self.notifier.messages)
        run_recovery_notice(context)
        return self.notifier.messages[known:]


@pytest.fixture
def site() -> Iterator[Site]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Site(instance)


def test_a_partition_that_had_failed_and_succeeds_is_told_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUINTET_UI_URL", "http://127.0.0.1:3000/")
    site.run(failing="report")
    failed = site.last_run_id
    (message,) = site.run()
    assert message.subject == "daily recovered for monday"
    assert message.text.splitlines() == [
        f"Run {site.last_run_id} of daily",
        "Partition monday",
        f"It makes good the failed run {failed}.",
    ]
    assert message.link == f"http://127.0.0.1:3000/runs/{site.last_run_id}"
    assert site.run() == []


def test_a_partition_that_never_failed_is_not_told(site: Site) -> None:
    assert site.run() == []
    assert site.run() == []


def test_several_failures_in_a_row_are_made_good_by_one_notice(site: Site) -> None:
    for _ in range(3):
        site.run(failing="rows")
    assert len(site.run()) == 1
    assert site.run() == []


def test_each_time_that_it_fails_again_it_is_told_again(site: Site) -> None:
    for _ in range(2):
        site.run(failing="rows")
        assert len(site.run()) == 1


def test_a_failure_that_nobody_was_told_of_because_of_a_retry_is_not_made_good(site: Site) -> None:
    site.run(failing="rows", tags={"dagster/will_retry": "true"})
    assert site.run(tags={"dagster/retry_number": "1"}) == []


def test_the_failure_of_the_last_retry_is_made_good(site: Site) -> None:
    site.run(failing="rows", tags={"dagster/will_retry": "true"})
    site.run(failing="rows", tags={"dagster/will_retry": "false", "dagster/retry_number": "1"})
    assert len(site.run()) == 1


def test_of_a_backfill_only_the_failure_that_was_told_is_made_good(site: Site) -> None:
    backfill = {"dagster/backfill": "a week"}
    site.run("monday", failing="rows", tags=backfill)
    site.run("tuesday", failing="rows", tags=backfill)
    assert site.run("tuesday") == []
    assert len(site.run("monday")) == 1


def test_another_partition_makes_nothing_good(site: Site) -> None:
    site.run("monday", failing="rows")
    assert site.run("tuesday") == []
    assert len(site.run("monday")) == 1


def test_assets_that_somebody_picks_make_good_what_failed_in_a_job(site: Site) -> None:
    site.run(failing="report")
    (message,) = site.run(picked=[report])
    assert message.subject == "report recovered for monday"


def test_an_asset_that_had_not_failed_makes_nothing_good(site: Site) -> None:
    site.run(failing="report")
    assert site.run(picked=[rows]) == []


def test_what_a_part_has_made_good_the_whole_does_not_make_good_again(site: Site) -> None:
    site.run(failing="report")
    assert len(site.run(picked=[report])) == 1
    assert site.run() == []


def test_a_failed_check_is_made_good_with_its_asset(site: Site) -> None:
    site.run(failing="rows_are_whole", picked=[rows])
    assert len(site.run(picked=[rows])) == 1


def test_a_job_without_assets_is_known_by_its_name(site: Site) -> None:
    site.run(None, job="tidying", failing="tidy_up")
    (message,) = site.run(None, job="tidying")
    assert message.subject == "tidying recovered"
    assert len(message.text.splitlines()) == 2


def test_a_range_is_made_good_by_the_same_range(site: Site) -> None:
    def tags(last: str) -> dict[str, str]:
        return {
            "dagster/asset_partition_range_start": "monday",
            "dagster/asset_partition_range_end": last,
        }

    site.run(None, job="tidying", failing="tidy_up", tags=tags("tuesday"))
    assert site.run(None, job="tidying", tags=tags("wednesday")) == []
    (message,) = site.run(None, job="tidying", tags=tags("tuesday"))
    assert message.subject == "tidying recovered for monday to tuesday"


def test_a_success_that_is_looked_at_late_does_not_make_good_a_later_failure(site: Site) -> None:
    result = DEFS.resolve_job_def("daily").execute_in_process(instance=site.instance, partition_key="monday")
    site.run(failing="rows")
    assert site.look_at(result) == []


def test_a_run_without_a_partition_makes_no_partition_good(site: Site) -> None:
    site.run(None, job="tidying", failing="tidy_up", tags={"dagster/partition": "monday"})
    assert site.run(None, job="tidying") == []


@pytest.mark.parametrize(("job", "told"), [("tidying", 0), ("daily", 1)])
def test_only_so_many_earlier_runs_are_looked_at_and_none_of_other_jobs(
    site: Site, job: str, told: int
) -> None:
    site.run(None, job="tidying", failing="tidy_up")
    for _ in range(MOST_EARLIER_RUNS):
        site.instance.create_run_for_job(
            DEFS.resolve_job_def(job),
            status=dg.DagsterRunStatus.FAILURE,
            tags={"dagster/will_retry": "true"},
        )
    assert len(site.run(None, job="tidying")) == told


@pytest.mark.parametrize("runs_per_tick", [1, 2, 4])
def test_ticks_of_the_running_sensor_tell_once(runs_per_tick: int) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        site, cursor = Site(instance), None
        for number, failing in enumerate(["rows", None, None, "rows", "rows", None, None, None]):
            broken.clear()
            broken.update({failing} if failing else ())
            DEFS.resolve_job_def("daily").execute_in_process(
                instance=instance, partition_key="monday", raise_on_error=False
            )
            if cursor and (number + 1) % runs_per_tick:
                continue
            context = dg.build_sensor_context(
                instance=instance,
                cursor=cursor,
                definitions=DEFS,
                resources={"notifier": site.notifier},
                sensor_name="run_recovery_notice",
            )
            tick = run_recovery_notice.evaluate_tick(context)
            assert not [reaction for reaction in tick.dagster_run_reactions or [] if reaction.error]
            cursor = tick.cursor
        assert [message.subject for message in site.notifier.messages] == ["daily recovered for monday"] * 2


def test_the_sensor_is_stopped_until_somebody_starts_it() -> None:
    assert run_recovery_notice.default_status == dg.DefaultSensorStatus.STOPPED
    assert run_recovery_notice.required_resource_keys == {"notifier"}


OUTCOMES = st.builds(
    Outcome,
    run_id=st.uuids().map(str),
    targets=st.frozensets(st.sampled_from("abc"), min_size=1),
    failed=st.booleans(),
)


@given(st.frozensets(st.sampled_from("abc"), min_size=1), st.lists(OUTCOMES, max_size=6))
def test_a_run_makes_good_exactly_those_of_its_targets_that_failed_last(
    targets: frozenset[str], earlier: list[Outcome]
) -> None:
    last = {target: run for run in reversed(earlier) for target in run.targets}
    open_failures = {last[target].run_id for target in targets & last.keys() if last[target].failed}
    found = made_good(Outcome("now", targets, failed=False), earlier)
    assert (found.run_id in open_failures) if found else not open_failures

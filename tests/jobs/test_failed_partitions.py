"""What is left failed, of real runs on real instances, and the standing check that tells it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import failed_partitions as standing
from jobs.failed_partitions import examination, failed_partitions, with_reasons
from jobs.run_failures import failure_reason
from tests.market_samples import cut, opened_market, tiny_file

pytestmark = pytest.mark.materialise

DAYS = dg.StaticPartitionsDefinition(["monday", "tuesday", "wednesday"])
ITEMS = dg.DynamicPartitionsDefinition(name="items_of_the_test")

broken: set[str] = set()


@dg.asset(partitions_def=DAYS)
def rows(context: dg.AssetExecutionContext) -> None:
    if context.partition_key in broken:
        raise dg.Failure(description=f"The file of {context.partition_key} is cut; fetch it again.")


@dg.asset(partitions_def=DAYS, deps=[rows])
def report() -> None: ...


@dg.asset(partitions_def=ITEMS)
def item(context: dg.AssetExecutionContext) -> None:
    if context.partition_key in broken:
        raise ValueError("no such page")


@dg.multi_asset(
    specs=[dg.AssetSpec("months", partitions_def=DAYS, skippable=True)],
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
)
def months(context: dg.AssetExecutionContext):
    if "engine" in broken:
        raise dg.Failure(description="The engine is gone.", allow_retries=False)
    failed = [f"{key}: no file" for key in context.partition_keys if key in broken]
    for key in context.partition_keys:
        if key not in broken:
            context.log_event(dg.AssetMaterialization("months", partition=key))
    if failed:
        raise dg.Failure(description="\n".join(["Some failed:", *failed]), allow_retries=False)
    return
    yield


@dg.asset
def unpartitioned() -> None:
    raise dg.Failure(description="always")


ASSETS = [rows, report, item, months, unpartitioned]
DEFS = dg.Definitions(
    assets=[*ASSETS, standing.EXAMINED],
    asset_checks=[examination(ASSETS)],
    jobs=[standing.examine_partitions],
    schedules=[standing.examine_partitions_schedule],
)
JOB = DEFS.resolve_implicit_global_asset_job_def()


@pytest.fixture(autouse=True)
def nothing_is_broken() -> None:
    broken.clear()


class Site:
    """An instance on which assets are run, and what is left failed there."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def run(
        self,
        *assets: dg.AssetsDefinition,
        of: str | None = None,
        failing: str | None = None,
        to: str | None = None,
    ) -> str:
        """Materialise a partition, or a range in one run; return the run's id."""
        broken.clear()
        broken.update({failing} if failing else ())
        range_tags = {"dagster/asset_partition_range_start": of, "dagster/asset_partition_range_end": to}
        result = JOB.execute_in_process(
            instance=self.instance,
            asset_selection=[key for asset in assets for key in asset.keys],
            partition_key=None if to else of,
            tags={tag: str(value) for tag, value in range_tags.items()} if to else {},
            raise_on_error=False,
        )
        return result.run_id

    def interrupt(self, asset: dg.AssetsDefinition, of: str, status: dg.DagsterRunStatus) -> None:
        """A run of a partition that got no further than this status."""
        job = JOB.get_subset(asset_selection=set(asset.keys))
        run = self.instance.create_run_for_job(
            job, tags={"dagster/partition": of}, asset_selection=set(asset.keys)
        )
        event = {
            dg.DagsterRunStatus.CANCELED: dg.DagsterEventType.PIPELINE_CANCELED,
            dg.DagsterRunStatus.STARTED: dg.DagsterEventType.PIPELINE_START,
        }[status]
        self.instance.report_dagster_event(dg.DagsterEvent(event.value, job_name=run.job_name), run.run_id)

    @property
    def left(self) -> list[tuple[str, str]]:
        """What is left failed, by asset and partition."""
        return [(failed.asset, failed.partition) for failed in failed_partitions(self.instance, ASSETS)]


@pytest.fixture
def site() -> Iterator[Site]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Site(instance)


def test_a_partition_is_left_failed_until_it_is_made(site: Site) -> None:
    assert site.left == []
    before = datetime.now(UTC)
    run_id = site.run(rows, report, of="monday", failing="monday")
    site.run(rows, report, of="tuesday")
    found = failed_partitions(site.instance, ASSETS)
    # The report behind the rows was not made either.
    assert [(it.asset, it.partition, it.run_id) for it in found] == [
        ("report", "monday", run_id),
        ("rows", "monday", run_id),
    ]
    assert all(before <= it.since <= datetime.now(UTC) for it in found)
    site.run(rows, of="monday")
    assert site.left == [("report", "monday")]
    site.run(report, of="monday")
    assert site.left == []


def test_a_partition_that_had_been_made_is_left_failed_by_a_later_attempt(site: Site) -> None:
    site.run(rows, of="monday")
    site.run(rows, of="monday", failing="monday")
    assert site.left == [("rows", "monday")]


def test_a_partition_that_a_run_is_at_is_not_left(site: Site) -> None:
    site.run(rows, of="monday", failing="monday")
    site.interrupt(rows, "monday", dg.DagsterRunStatus.STARTED)
    assert site.left == []


def test_a_cancelled_attempt_neither_fails_a_partition_nor_makes_it_good(site: Site) -> None:
    site.interrupt(rows, "tuesday", dg.DagsterRunStatus.CANCELED)
    assert site.left == []
    site.run(rows, of="monday", failing="monday")
    for _ in range(2):
        site.interrupt(rows, "monday", dg.DagsterRunStatus.CANCELED)
    assert site.left == [("rows", "monday")]
    site.run(rows, of="monday")
    site.interrupt(rows, "monday", dg.DagsterRunStatus.CANCELED)
    assert site.left == []


def test_what_was_made_outside_of_a_run_is_good_also_after_a_cancelled_attempt(site: Site) -> None:
    site.run(rows, of="monday", failing="monday")
    site.instance.report_runless_asset_event(dg.AssetMaterialization(rows.key, partition="monday"))
    assert site.left == []
    site.interrupt(rows, "monday", dg.DagsterRunStatus.CANCELED)
    assert site.left == []


def test_of_a_deleted_run_nothing_is_left(site: Site) -> None:
    first = site.run(rows, of="monday", failing="monday")
    second = site.run(rows, of="monday", failing="monday")
    site.instance.delete_run(second)
    assert [it.run_id for it in failed_partitions(site.instance, ASSETS)] == [first]
    site.instance.delete_run(first)
    assert site.left == []


def test_of_a_range_in_one_run_only_the_keys_that_failed_are_left_each_with_its_own_reason(
    site: Site,
) -> None:
    run_id = site.run(months, of="monday", to="wednesday", failing="tuesday")
    assert site.left == [("months", "tuesday")]
    (attempt,) = with_reasons(site.instance, failed_partitions(site.instance, ASSETS))
    assert (attempt.run_id, attempt.assets, attempt.reason) == (run_id, ("months",), "no file")


def test_a_range_that_failed_for_no_key_of_its_own_leaves_all_with_the_one_reason(site: Site) -> None:
    site.run(months, of="monday", to="tuesday", failing="engine")
    told = list(with_reasons(site.instance, failed_partitions(site.instance, ASSETS)))
    assert [it.partition for it in told] == ["monday", "tuesday"]
    assert {it.reason for it in told} == {"Step months: The engine is gone."}


def test_keys_that_are_no_partitions_any_more_are_passed_over(site: Site) -> None:
    site.instance.add_dynamic_partitions("items_of_the_test", ["a", "b"])
    for key in ("a", "b"):
        site.run(item, of=key, failing=key)
    assert site.left == [("item", "a"), ("item", "b")]
    site.instance.delete_dynamic_partition("items_of_the_test", "a")
    assert site.left == [("item", "b")]


def test_the_assets_of_one_attempt_are_told_together_the_last_attempt_first(site: Site) -> None:
    site.run(rows, report, of="tuesday", failing="tuesday")
    site.run(rows, report, of="monday", failing="monday")
    told = list(with_reasons(site.instance, failed_partitions(site.instance, ASSETS)))
    assert [(it.partition, it.assets) for it in told] == [
        ("monday", ("report", "rows")),
        ("tuesday", ("report", "rows")),
    ]
    assert told[0].reason == "Step rows: The file of monday is cut; fetch it again."


STEPS = st.lists(st.tuples(st.sampled_from(["monday", "tuesday"]), st.booleans()), max_size=5)


@settings(max_examples=10)
@given(STEPS)
def test_what_is_left_is_what_the_web_ui_draws_red(steps: list[tuple[str, bool]]) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        site = Site(instance)
        for day, fails in steps:
            site.run(rows, of=day, failing=day if fails else None)
        statuses = instance.get_status_by_partition(rows.key, DAYS.get_partition_keys(), DAYS) or {}
        red = [("rows", day) for day, status in statuses.items() if status and status.value == "FAILED"]
        assert site.left == red


def evaluation_of(site: Site) -> tuple[dg.ExecuteInProcessResult, dg.AssetCheckEvaluation]:
    """The run of the standing check, and what the check said."""
    job = DEFS.resolve_job_def("examine_partitions")
    result = job.execute_in_process(instance=site.instance, raise_on_error=False)
    (evaluation,) = result.get_asset_check_evaluations()
    return result, evaluation


def test_the_standing_check_passes_while_nothing_is_left(site: Site) -> None:
    site.run(rows, of="monday")
    result, check = evaluation_of(site)
    assert result.success
    assert check.passed
    assert check.description == "No partition is left failed."
    assert check.metadata["failed_partitions"].value == 0


def test_the_standing_check_fails_its_run_and_says_what_is_left(site: Site) -> None:
    run_id = site.run(rows, report, of="monday", failing="monday")
    result, check = evaluation_of(site)
    assert not result.success
    assert not check.passed
    assert check.description == (
        "1 partition is left failed:\n"
        "monday of report, rows: Step rows: The file of monday is cut; fetch it again."
    )
    # What the alert on its run quotes.
    assert failure_reason(site.instance, result.run_id) == (
        "Step operations__partitions_no_partition_is_left_failed: "
        f"no_partition_is_left_failed of operations/partitions failed: {check.description}"
    )
    assert check.metadata["failed_partitions"].value == 2
    table = check.metadata["left_failed"]
    assert isinstance(table, dg.TableMetadataValue)
    (record,) = table.records
    assert record.data["run"] == run_id
    assert str(record.data["since"]).endswith(" UTC")


def test_the_standing_check_tells_of_so_many_and_counts_all(site: Site, monkeypatch) -> None:
    monkeypatch.setattr(standing, "MOST_ROWS", 2)
    monkeypatch.setattr(standing, "MOST_LINES", 1)
    for day in DAYS.get_partition_keys():
        site.run(rows, of=day, failing=day)
    _, check = evaluation_of(site)
    assert check.description == (
        "3 partitions are left failed:\n"
        "wednesday of rows: Step rows: The file of wednesday is cut; fetch it again.\n"
        "and 2 more"
    )
    table = check.metadata["left_failed"]
    assert isinstance(table, dg.TableMetadataValue)
    assert len(table.records) == 2


def test_the_standing_check_is_stopped_until_somebody_starts_it() -> None:
    schedule = DEFS.resolve_schedule_def("examine_partitions_schedule")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert schedule.job_name == "examine_partitions"


def test_a_month_that_failed_in_a_range_is_left_with_its_own_sentence() -> None:
    with opened_market() as market:
        market.put_tiny("2025-08", "2025-10")
        market.put("2025-09", cut(tiny_file("2025-09")))
        assert not market.run("2025-08", "2025-10").success
        assets = list(market.defs.resolve_all_asset_specs())
        (attempt,) = with_reasons(market.instance, failed_partitions(market.instance, assets))
        assert attempt.partition == "2025-09"
        assert attempt.assets == ("market/month_statistics", "market/session_bars", "market/training_table")
        assert "20250901-20250930" in attempt.reason
        assert "2025-08" not in attempt.reason
        market.put_tiny("2025-09")
        assert market.run("2025-09").success
        assert failed_partitions(market.instance, assets) == []

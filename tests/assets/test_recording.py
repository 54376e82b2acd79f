"""Keys are recorded as they finish: runs of one key and of many, in this process and on the command line."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from assets.recording import Progress, Recorder

MONTHS = dg.MonthlyPartitionsDefinition(start_date="2025-01", end_date="2026-01", fmt="%Y-%m")
RAW, BARS, LABELS = (dg.AssetKey(["market", name]) for name in ("raw_bars", "bars", "labels"))
SETTINGS = dg.AssetKey("settings")
ONE_KEY = {"dagster/partition": "2025-02"}
RANGE = {"dagster/asset_partition_range_start": "2025-01", "dagster/asset_partition_range_end": "2025-03"}


def nothing_happens(_key: str) -> None: ...


def definitions(
    work: Callable[[str], None] = nothing_happens,
    *,
    code_version: str = "1",
    digest: str = "digest",
    check_passes: bool = True,
) -> dg.Definitions:
    """Two assets of one step, recorded key by key after `work`; failed keys are named at the end."""

    @dg.multi_asset(
        specs=[
            dg.AssetSpec(BARS, deps=[RAW, SETTINGS], skippable=True, code_version=code_version),
            dg.AssetSpec(LABELS, deps=[BARS], skippable=True),
        ],
        check_specs=[dg.AssetCheckSpec("every_month_has_bars", asset=BARS, blocking=True)],
        partitions_def=MONTHS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
    )
    def market_month(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        recorder = Recorder(context)
        failed = []
        for month in context.partition_keys:
            try:
                work(month)
            except OSError:
                failed.append(month)
                continue
            for asset_key in (BARS, LABELS):
                yield from recorder.record(
                    asset_key, month, metadata={"dagster/row_count": 41}, data_version=f"{digest} of {month}"
                )
        if context.selected_asset_check_keys:
            yield dg.AssetCheckResult(asset_key=BARS, passed=check_passes)
        if failed:
            raise dg.Failure(f"failed: {', '.join(failed)}")

    return dg.Definitions(
        assets=[market_month, dg.AssetSpec(RAW, partitions_def=MONTHS), dg.AssetSpec(SETTINGS)],
        jobs=[
            dg.define_asset_job("build_market_month", [BARS, LABELS]),
            dg.define_asset_job("build_labels", [LABELS]),
        ],
    )


def launch(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    tags: Mapping[str, str],
    job: str = "build_market_month",
) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance, tags=dict(tags), raise_on_error=False
    )


def recorded(instance: dg.DagsterInstance, asset_key: dg.AssetKey) -> list[str]:
    return sorted(instance.get_materialized_partitions(asset_key))


def newest_materialisation(
    instance: dg.DagsterInstance, asset_key: dg.AssetKey, month: str
) -> dg.AssetMaterialization:
    where = dg.AssetRecordsFilter(asset_key=asset_key, asset_partitions=[month])
    (record,) = instance.fetch_materializations(where, limit=1).records
    assert record.asset_materialization
    return record.asset_materialization


def status(defs: dg.Definitions, instance: dg.DagsterInstance, asset_key: dg.AssetKey, month: str) -> str:
    graph = defs.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    return resolver.get_status(asset_key, month).value


def observe(
    instance: dg.DagsterInstance, version: str, months: Sequence[str] = ("2025-01", "2025-02", "2025-03")
) -> None:
    for month in months:
        tags = {"dagster/data_version": version}
        instance.report_runless_asset_event(dg.AssetObservation(RAW, partition=month, tags=tags))


def write_settings(instance: dg.DagsterInstance, version: str) -> None:
    tags = {"dagster/data_version": version}
    instance.report_runless_asset_event(dg.AssetMaterialization(SETTINGS, tags=tags))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.mark.parametrize("tags", [ONE_KEY, RANGE], ids=["one key", "many keys"])
def test_a_finished_key_is_recorded_with_its_metadata_and_data_version(tags, instance):
    assert launch(definitions(), instance, tags).success
    event = newest_materialisation(instance, LABELS, "2025-02")
    assert event.metadata["dagster/row_count"].value == 41
    assert (event.tags or {})["dagster/data_version"] == "digest of 2025-02"


def test_a_range_of_one_key_records_that_key(instance):
    tags = {
        "dagster/asset_partition_range_start": "2025-02",
        "dagster/asset_partition_range_end": "2025-02",
    }
    assert launch(definitions(), instance, tags).success
    assert recorded(instance, BARS) == recorded(instance, LABELS) == ["2025-02"]


def test_a_failed_key_of_a_range_is_not_recorded_and_the_others_are(instance):
    def work(month: str) -> None:
        if month == "2025-02":
            raise OSError

    result = launch(definitions(work), instance, RANGE)
    assert not result.success
    assert recorded(instance, BARS) == recorded(instance, LABELS) == ["2025-01", "2025-03"]


def test_each_key_is_recorded_before_the_next_one_begins(instance):
    seen = []

    def work(_month: str) -> None:
        seen.append(recorded(instance, LABELS))

    launch(definitions(work), instance, RANGE)
    assert seen == [[], ["2025-01"], ["2025-01", "2025-02"]]


@pytest.mark.parametrize("tags", [ONE_KEY, RANGE], ids=["one key", "many keys"])
def test_an_asset_that_the_run_did_not_select_is_left_alone(tags, instance):
    assert launch(definitions(), instance, tags, job="build_labels").success
    assert recorded(instance, BARS) == []
    assert "2025-02" in recorded(instance, LABELS)


@pytest.mark.parametrize("tags", [ONE_KEY, RANGE], ids=["one key", "many keys"])
def test_a_failed_blocking_check_fails_the_run_and_keeps_the_records(tags, instance):
    assert not launch(definitions(check_passes=False), instance, tags).success
    assert "2025-02" in recorded(instance, LABELS)


def test_a_key_outside_the_run_is_refused_by_name(instance):
    @dg.asset(partitions_def=MONTHS)
    def bars(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        yield from Recorder(context).record(context.asset_key, "2025-09", metadata={}, data_version="1")

    with pytest.raises(ValueError, match="'2025-09' is none of this run's 1 partition keys"):
        dg.materialize([bars], partition_key="2025-02", instance=instance)


def test_a_key_has_the_same_tags_recorded_alone_and_in_a_range():
    tags: list[Mapping[str, str]] = []
    for run_tags in (ONE_KEY, RANGE):
        with dg.DagsterInstance.ephemeral() as instance:
            observe(instance, "etag 1")
            write_settings(instance, "settings 1")
            launch(definitions(), instance, run_tags)
            tags.append(newest_materialisation(instance, BARS, "2025-02").tags or {})
    alone, in_range = tags
    # Dagster writes a digest of its own here for partitioned inputs, and never reads it again.
    version_of_raw = "dagster/input_data_version/market/raw_bars"
    assert alone.keys() == in_range.keys()
    assert {name for name in alone if alone[name] != in_range[name]} <= {version_of_raw}
    assert in_range["dagster/input_data_version/settings"] == "settings 1"


@pytest.mark.parametrize("tags", [ONE_KEY, RANGE], ids=["one key", "many keys"])
class TestTheWebInterfaceShowsAKey:
    """As up to date or not; Dagster judges by the tags of the record."""

    def test_as_fresh_when_it_is_recorded(self, tags, instance):
        observe(instance, "etag 1")
        launch(definitions(), instance, tags)
        assert status(definitions(), instance, BARS, "2025-02") == "FRESH"
        assert status(definitions(), instance, LABELS, "2025-02") == "FRESH"

    def test_as_fresh_when_it_is_recorded_again_with_a_changed_input_from_the_same_step(self, tags, instance):
        launch(definitions(digest="first"), instance, tags)
        launch(definitions(digest="second"), instance, tags)
        assert status(definitions(), instance, LABELS, "2025-02") == "FRESH"

    def test_as_fresh_when_no_input_was_ever_observed(self, tags, instance):
        launch(definitions(), instance, tags)
        assert status(definitions(), instance, BARS, "2025-02") == "FRESH"

    def test_as_fresh_when_an_input_was_looked_at_again_unchanged(self, tags, instance):
        observe(instance, "etag 1")
        launch(definitions(), instance, tags)
        observe(instance, "etag 1")
        assert status(definitions(), instance, BARS, "2025-02") == "FRESH"

    def test_as_stale_when_its_partitioned_input_has_changed(self, tags, instance):
        observe(instance, "etag 1")
        launch(definitions(), instance, tags)
        observe(instance, "etag 2", ["2025-02"])
        assert status(definitions(), instance, BARS, "2025-02") == "STALE"

    def test_as_fresh_when_another_partition_of_its_input_has_changed(self, tags, instance):
        observe(instance, "etag 1")
        launch(definitions(), instance, tags)
        observe(instance, "etag 2", ["2025-03"])
        assert status(definitions(), instance, BARS, "2025-02") == "FRESH"

    def test_as_stale_when_its_unpartitioned_input_has_changed(self, tags, instance):
        write_settings(instance, "settings 1")
        launch(definitions(), instance, tags)
        assert status(definitions(), instance, BARS, "2025-02") == "FRESH"
        write_settings(instance, "settings 2")
        assert status(definitions(), instance, BARS, "2025-02") == "STALE"

    def test_as_stale_when_the_code_has_a_new_version(self, tags, instance):
        launch(definitions(), instance, tags)
        assert status(definitions(code_version="2"), instance, BARS, "2025-02") == "STALE"

    def test_as_stale_when_an_input_changed_while_the_step_worked(self, tags, instance):
        observe(instance, "etag 1")
        launch(definitions(lambda month: observe(instance, "etag 2", [month])), instance, tags)
        assert status(definitions(), instance, BARS, "2025-02") == "STALE"


COMMAND_LINE_DEFINITIONS = """
import os, signal
from tests.assets.test_recording import definitions
import dagster as dg

def work(month):
    if month == os.environ.get("FAILS_AT"):
        raise OSError
    if month == os.environ.get("IS_KILLED_AT"):
        os.kill(os.getpid(), signal.SIGKILL)

defs = dg.Definitions.merge(definitions(work), dg.Definitions(executor=dg.in_process_executor))
"""


@pytest.mark.materialise
@pytest.mark.parametrize(
    ("setting", "exit_status", "finished"),
    [
        ({}, 0, ["2025-01", "2025-02", "2025-03"]),
        ({"FAILS_AT": "2025-02"}, 1, ["2025-01", "2025-03"]),
        ({"IS_KILLED_AT": "2025-03"}, -signal.SIGKILL, ["2025-01", "2025-02"]),
    ],
    ids=["all finish", "one fails", "killed"],
)
def test_the_command_line_records_what_finished_and_says_whether_all_did(
    setting, exit_status, finished, tmp_path: Path
):
    module = tmp_path / "recorded_months.py"
    module.write_text(COMMAND_LINE_DEFINITIONS)
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-f", str(module)]
    command += ["--select", "market/bars,market/labels", "--partition-range", "2025-01...2025-03"]
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, **setting, "PYTHONPATH": root}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == exit_status, ended.stderr
    with dg.DagsterInstance.get() as instance:
        assert recorded(instance, BARS) == recorded(instance, LABELS) == finished


class Clock:
    """A clock that stands still until it is told to move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("seconds_a_key", "line"),
    [
        (0, "1/4 2025-01: 41 rows; 1000.0 a second, 0 s left"),
        (0.25, "1/4 2025-01: 41 rows; 4.0 a second, 1 s left"),
        (25, "1/4 2025-01: 41 rows; 2.4 a minute, 1 min 15 s left"),
        (1800, "1/4 2025-01: 41 rows; 2.0 an hour, 1 h 30 min left"),
    ],
)
def test_a_progress_line_tells_how_many_are_done_the_rate_and_the_time_left(seconds_a_key, line):
    clock = Clock()
    progress = Progress(4, clock)
    clock.now += seconds_a_key
    assert progress.step("2025-01", "41 rows") == line


def test_the_last_progress_line_tells_the_whole_time():
    clock = Clock()
    progress = Progress(2, clock)
    clock.now += 30
    progress.step("2025-01", "41 rows")
    clock.now += 31
    assert progress.step("2025-02", "refused") == "2/2 2025-02: refused; all done in 1 min 1 s"


def test_the_rate_is_taken_over_all_keys_so_far():
    clock = Clock()
    progress = Progress(3, clock)
    clock.now += 10
    progress.step("2025-01", "41 rows")
    clock.now += 50
    assert progress.step("2025-02", "41 rows").endswith("2.0 a minute, 30 s left")

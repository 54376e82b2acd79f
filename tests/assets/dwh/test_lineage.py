"""The lineage and the readings of an output: one entry a run, whose rows add up."""

from datetime import UTC, datetime

import pytest

from assets.dwh.adoption import AdoptedInput
from assets.dwh.coverage import Coverage, Gap, Reading
from assets.dwh.filter_manifests import FilterManifest, FilterOutput, LineageEntry
from assets.dwh.inputs import day_inputs, filter_plan
from assets.dwh.lineage import contributing_readings, lineage, pending_readings
from tests.assets.dwh.transform_runs import DAY, TRANSFORMED, hour, hours, output, transform_run

MORNING = transform_run("r1", hours(0, 12), (hours(3, 4),))
EVENING = transform_run("r2", hours(12, 24))
ADOPTED = AdoptedInput(run_id="a1", path="s3a://old/x/", source_timestamp=hour(6))
INPUTS = day_inputs(DAY, [EVENING, MORNING], [], [ADOPTED])


def entry(run_id: str, window=None, instant: float = 12) -> LineageEntry:
    return LineageEntry(
        run_id="f1",
        transform_run_id=run_id,
        path="s3://b/before",
        source_timestamp=hour(instant),
        time_range=window,
        records_contributed=7,
    )


def published(*entries: LineageEntry) -> FilterManifest:
    gaps = (
        Gap(start=hour(1), end=hour(2), reason="missing_prefix"),
        Gap(start=hour(5), end=hour(6), reason="not_transformed"),
    )
    return FilterManifest(
        run_id="f1",
        status="SUCCESS",
        output=FilterOutput(path="s3://b/f1", record_count=7 * len(entries)),
        lineage=entries,
        coverage=Coverage(gaps=gaps),
    )


def test_every_run_has_one_entry_in_the_order_of_its_id():
    plan = filter_plan(INPUTS, None, "recompute")
    entries = lineage(INPUTS, plan, "f2", {"r1": 3, "a1": 1}, "s3")
    assert entries == (
        LineageEntry(
            run_id="f2",
            transform_run_id="a1",
            path="s3://old/x",
            source_timestamp=hour(6),
            time_range=None,
            records_contributed=1,
        ),
        LineageEntry(
            run_id="f2",
            transform_run_id="r1",
            path=TRANSFORMED.rows("nautilus", DAY, "r1").uri("s3"),
            source_timestamp=hour(12),
            time_range=hours(0, 12),
            records_contributed=3,
        ),
        LineageEntry(
            run_id="f2",
            transform_run_id="r2",
            path=TRANSFORMED.rows("nautilus", DAY, "r2").uri("s3"),
            source_timestamp=hour(24),
            time_range=hours(12, 24),
            records_contributed=0,
        ),
    )


@pytest.mark.parametrize(
    ("categories", "path"),
    [
        ([], None),
        (["nautilus", "savedproject"], "gs://dwh-data/transformed_images"),
        (["savedproject"], TRANSFORMED.rows("savedproject", DAY, "r").uri("gs")),
    ],
)
def test_the_path_is_the_folder_that_holds_the_rows_of_the_day(categories, path):
    run = transform_run("r", outputs=tuple(output("r", category=category) for category in categories))
    inputs = day_inputs(DAY, [run], [], [])
    (only,) = lineage(inputs, filter_plan(inputs, None, "recompute"), "f2", {}, "gs")
    assert only.path == path


def test_rows_that_only_the_output_before_has_keep_their_entry():
    current = published(entry("r1"), entry("old", hours(0, 6)))
    plan = filter_plan(INPUTS, current, "recompute")
    entries = {
        found.transform_run_id: found for found in lineage(INPUTS, plan, "f2", {"old": 2, "r1": 4}, "s3")
    }
    assert entries["old"] == current.lineage[1].model_copy(update={"records_contributed": 2})
    assert (entries["r1"].run_id, entries["r1"].records_contributed) == ("f2", 4)


def test_an_incremental_run_names_itself_only_for_what_it_read():
    current = published(entry("r1"))
    plan = filter_plan(INPUTS, current, "incremental")
    assert plan.mode == "incremental"
    readers = {found.transform_run_id: found.run_id for found in lineage(INPUTS, plan, "f2", {}, "s3")}
    assert readers == {"r1": "f1", "r2": "f2", "a1": "f2"}


def test_rows_that_name_no_run_have_an_entry_of_their_own_so_that_all_rows_add_up():
    plan = filter_plan(INPUTS, published(entry("old")), "recompute")
    contributed = {"": 5, "old": 1, "r2": 2}
    entries = lineage(INPUTS, plan, "f2", contributed, "s3")
    assert sum(found.records_contributed for found in entries) == sum(contributed.values())
    assert entries[0].transform_run_id == ""
    assert entries[0].source_timestamp == datetime(1970, 1, 1, tzinfo=UTC)


def test_runs_that_are_read_and_runs_that_are_carried_cover_the_day():
    current = published(entry("old", hours(0, 6)), entry("older"), entry("r1", hours(0, 12)))
    plan = filter_plan(INPUTS, current, "recompute")
    assert contributing_readings(INPUTS, plan) == (
        Reading("r1", hours(0, 12), (hours(3, 4),)),
        Reading("r2", hours(12, 24)),
        Reading("old", hours(0, 6), (hours(1, 2),)),
    )
    assert contributing_readings(INPUTS, filter_plan(INPUTS, None, "recompute"))[2:] == ()


def test_runs_that_wait_have_read_their_windows():
    waiting = transform_run("p", hours(6, 9), (hours(7, 8),), status="PENDING_APPROVAL")
    assert pending_readings(day_inputs(DAY, [waiting], [], [])) == (
        Reading("p", hours(6, 9), (hours(7, 8),)),
    )

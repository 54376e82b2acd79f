"""Days of dwh beside one another: late rows, windows of a day, and raw data that comes later."""

from datetime import timedelta

import pytest

from assets.dwh.days import prefix_of
from scripts.sample_data.dwh import expected, write_inputs
from tests.assets.dwh.dwh_deployments import (
    DAY,
    FILTERED,
    GREEN,
    SMALL,
    TRANSFORMED,
    checks,
    deployed,
    facts,
    outcomes,
    place,
    sentence,
    table,
)

pytestmark = pytest.mark.materialise

NEXT_DAY = DAY + timedelta(days=1)
# Three windows that are the day, which has 23 hours.
WINDOWS = (
    ("2025-03-09T08:00:00Z", "2025-03-09T12:00:00Z"),
    ("2025-03-09T12:00:00Z", "2025-03-10T00:00:00Z"),
    ("2025-03-10T00:00:00Z", "2025-03-10T07:00:00Z"),
)


def test_late_rows_of_the_next_day_get_into_the_day_before_and_nothing_leaves_it(tmp_path):
    known = expected(DAY, SMALL.rows, days=2)
    with deployed(tmp_path, days=2) as dwh:
        assert dwh.transform(**GREEN).success
        assert dwh.filter().success
        first = set(dwh.frame().unnest("data")["mediaid"])
        files = dwh.tree(f"transformed_images/nautilus/{place(DAY)}")
        second = dwh.transform(NEXT_DAY, **GREEN)
        late = {
            row["day"]: row["rows"]
            for row in table(facts(second, TRANSFORMED, NEXT_DAY)["rows_of_other_days"])
        }
        assert late[DAY.isoformat()] > 0
        (pointer,) = dwh.documents(f"transformed_images/_late/{place(DAY)}/*.json")
        assert pointer["run_id"] == facts(second, TRANSFORMED, NEXT_DAY)["run_id"]
        before = dwh.rows()
        again = dwh.filter()
        assert outcomes(again)["every_transform_output_is_included"]
        assert facts(again, FILTERED)["dagster/row_count"] == known.keys[DAY] + known.null_keys.get(DAY, 0)
        assert set(dwh.frame().unnest("data")["mediaid"]) >= first
        assert len(dwh.rows()) >= len(before)
        assert dwh.tree(f"transformed_images/nautilus/{place(DAY)}").items() >= files.items()


def test_windows_of_a_day_are_runs_of_their_own_and_one_filter_reads_them_all(tmp_path):
    with deployed(tmp_path) as dwh:
        for start, end in WINDOWS:
            assert dwh.transform(window_start=start, window_end=end, drop_rate_red=1.0).success
        filtered = dwh.filter()
        assert len(table(facts(filtered, FILTERED)["inputs"])) == len(WINDOWS)
        windows = [(run["window"]["start"], run["window"]["end"]) for run in dwh.runs()]
        assert windows == list(WINDOWS)
        pieces = {row[0] for row in dwh.frame().select("pk").rows()}
        # The same in one run of the whole day, but for which window a row came from.
        assert dwh.transform(**GREEN).success
        assert dwh.filter().success
        assert {row[0] for row in dwh.frame().select("pk").rows()} == pieces
        assert len(dwh.pointer()["lineage"]) == 1


def test_a_window_of_the_day_leaves_the_rest_as_a_gap(tmp_path):
    with deployed(tmp_path) as dwh:
        start, end = WINDOWS[0]
        assert dwh.transform(window_start=start, window_end=end, drop_rate_red=1.0).success
        gaps = table(checks(dwh.filter())["day_has_no_gaps"].metadata["gaps"].value)
        assert gaps[-1] == {"start": end, "end": WINDOWS[-1][1], "reason": "not_transformed"}


def test_a_window_may_begin_on_the_day_before(tmp_path):
    with deployed(tmp_path, days=2) as dwh:
        result = dwh.transform(NEXT_DAY, window_start=DAY.isoformat(), **GREEN)
        assert facts(result, TRANSFORMED, NEXT_DAY)["records_read"] == 2 * SMALL.rows


def test_a_day_without_raw_data_is_a_success_of_nothing_and_one_gap(tmp_path):
    with deployed(tmp_path) as dwh:
        result = dwh.transform(NEXT_DAY)
        shown = facts(result, TRANSFORMED, NEXT_DAY)
        assert (shown["dagster/row_count"], shown["drop_rate"]) == (0, 0)
        (gap,) = table(shown["gaps"])
        assert (gap["start"], gap["end"]) == ("2025-03-10T07:00:00Z", "2025-03-11T07:00:00Z")
        assert outcomes(result) == {"drop_rate_is_acceptable": True, "every_record_is_accounted_for": True}


def test_a_line_that_comes_later_is_in_the_day_when_it_is_made_again(tmp_path):
    with deployed(tmp_path) as dwh:
        assert dwh.run(TRANSFORMED, FILTERED, config={TRANSFORMED: GREEN}).success
        before = facts(dwh.transform(**GREEN), TRANSFORMED)["records_read"]
        begin = expected(DAY, SMALL.rows).gaps[0][0]
        folder = dwh.bucket / "raw_images" / prefix_of(begin)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "late.json").write_bytes(b"no json\n")
        result = dwh.transform(**GREEN)
        assert facts(result, TRANSFORMED)["records_read"] == before + 1
        reasons = {
            row["reason"]: row["records"] for row in table(facts(result, TRANSFORMED)["records_by_reason"])
        }
        assert reasons["extract_corrupt_json"] >= 1


def test_retention_of_inputs_takes_no_rows_from_a_day(tmp_path):
    with deployed(tmp_path) as dwh:
        assert dwh.run(TRANSFORMED, FILTERED, config={TRANSFORMED: GREEN}).success
        rows = dwh.rows()
        (run,) = dwh.runs()
        for folder in ("nautilus", "savedproject", "_manifests"):
            for path in (dwh.bucket / "transformed_images" / folder / place(DAY)).rglob("*"):
                if path.is_file() and run["run_id"] in str(path):
                    path.unlink()
        assert dwh.filter().success
        assert dwh.rows() == rows
        (line,) = table(facts(dwh.filter(), FILTERED)["inputs"])
        assert (line["run_id"], line["kind"]) == (run["run_id"], "previous")


def test_another_seed_of_the_same_day_replaces_what_the_older_run_gave(tmp_path):
    with deployed(tmp_path) as dwh:
        assert dwh.run(TRANSFORMED, FILTERED, config={TRANSFORMED: GREEN}).success
        write_inputs(dwh.bucket, SMALL, day=DAY, seed=1)
        assert dwh.run(TRANSFORMED, FILTERED, config={TRANSFORMED: GREEN}).success
        known = expected(DAY, SMALL.rows, seed=1)
        assert dwh.frame().height == known.keys[DAY] + known.null_keys.get(DAY, 0)


def test_a_day_whose_manifest_is_damaged_is_built_on_a_good_run_that_the_config_names(tmp_path):
    with deployed(tmp_path) as dwh:
        assert dwh.run(TRANSFORMED, FILTERED, config={TRANSFORMED: GREEN}).success
        rows, good = dwh.rows(), dwh.pointer()["run_id"]
        (pointer,) = dwh.bucket.glob(f"filtered_images/{place(DAY)}/_manifests/latest.json")
        pointer.write_text("{")
        said = sentence(dwh.filter())
        assert "latest.json" in said
        assert "previous_run_id" in said
        assert pointer.read_text() == "{"
        assert dwh.filter(previous_run_id=good).success
        assert dwh.pointer()["input"]["previous_manifest"].endswith(f"manifest-{good}.json")
        assert dwh.rows() == rows

"""The command line of aim under DRY_RUN: it reads everything, says what it would do, and does nothing."""

import re
from pathlib import Path

import pytest

from tests.assets.aim.aim_roots import (
    MANIFEST,
    RUNLIST,
    SALES,
    SQL,
    STATUS,
    TYRES,
    WAREHOUSE,
    Root,
    inputs_in,
    run_in,
)
from tests.resources.waves.loopback import serving

WRITTEN = (STATUS, MANIFEST)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Inputs, and nothing else."""
    return inputs_in(tmp_path)


@pytest.fixture
def done(tmp_path: Path) -> Root:
    """A root after a full run."""
    return run_in(tmp_path)


def said(out: str) -> list[str]:
    """What it would do."""
    return [line.removeprefix("DRY RUN: would ") for line in out.splitlines() if line.startswith("DRY RUN: ")]


def test_a_dry_run_writes_status_and_manifest_and_nothing_else(root):
    before = root.tree()
    ended = root.run(DRY_RUN="true")
    assert ended.code == 0
    assert root.tree(*WRITTEN) == before
    assert root.file(STATUS).exists()
    assert root.file(MANIFEST).exists()
    assert not root.file(WAREHOUSE).exists()
    assert {path.name for path in root.path.iterdir()} == {
        "output", "reference", "runlist", "tyrescore-AWS3-daily-files",
    }  # fmt: skip


def test_a_dry_run_after_a_run_leaves_tables_and_lists_untouched(done):
    before = done.tree(*WRITTEN)
    assert done.run(DRY_RUN="1").code == 0
    assert done.tree(*WRITTEN) == before


def test_the_status_and_manifest_of_a_dry_run(root):
    assert root.run(DRY_RUN="on").code == 0
    assert root.manifest["dry_run"] is True
    assert root.stages == [(number, "dry_run", 0) for number in range(1, 10)]
    assert root.manifest["http_requests"] == []
    status = root.status
    assert (status["state"], status["last_log_line"]) == ("success", "Job Completed Successfully")
    assert (status["output_file"], status["error_summary"]) == (None, None)
    assert status["progress"] == {"attempted": 0, "succeeded": 0, "failed": 0}
    assert "report" not in status


@pytest.mark.parametrize("mode", ["GLOBAL", "PER_SEGMENT"])
def test_a_dry_run_lists_the_sql_files_of_a_real_run(root, mode):
    assert root.run(DRY_RUN="true", AIM_RUN_MODE=mode).code == 0
    planned = root.manifest["sql_files"]
    assert root.run(AIM_RUN_MODE=mode).code == 0
    assert planned == root.manifest["sql_files"]


def test_a_dry_run_says_what_it_would_execute_write_and_ask(root):
    lines = said(root.run(DRY_RUN="true", AIM_BATCH_SIZE="15").out)
    assert "write nexus_tyrescore.CarMakeModelSales (300 rows)" in lines
    assert "write nexus_tyrescore.TyreScore (124 rows)" in lines
    assert "write analytics.events (300 rows)" in lines
    assert "call Waves for 40 CAMs in 3 batches" in lines
    assert "write AIM.AIMData (40 rows)" in lines
    assert "write AIM.AIMData_history (40 rows)" in lines
    for table in (
        "nexus_tyrescore.TyreScore_algorithm_output", "CAM_files.CAM_SKU", "AIM.aim_validation_report",
        "AIM.aim-analysis-table", "AIM.aim_token_fact", "AIM.AIM-override-file",
        "AIM.AIM-override-file-size", "AIM.aim-merchandising-report",
    ):  # fmt: skip
        assert any(line.startswith(f"write {table} (") for line in lines), table
    for name in ("score_tyres", "publish_lists", "merge_cam_sku", "validate_lists", "report_merchandising"):
        assert f"execute {SQL}/{name}.sql" in lines
    assert [line.split("_")[0] for line in lines if line.startswith("write output/")] == [
        "write output/results", "write output/cam", "write output/cost",
    ]  # fmt: skip


def test_a_dry_run_writes_large_numbers_with_digits_alone(root):
    root.give(RUNLIST, "Vehicle,Size\n" + "".join(f"FORD {number},205/55 R16\n" for number in range(1200)))
    lines = said(root.run(DRY_RUN="true").out)
    assert "call Waves for 1200 CAMs in 3 batches" in lines
    assert "write AIM.AIMData (1200 rows)" in lines


def test_a_dry_run_of_segments_of_a_service_says_which_and_how_many_at_most(root):
    given = {"AIM_LIMIT_SEGMENTS": "SUV,Van", "AIM_TOTAL_PER_SEGMENT": "1200"}
    with serving() as server:
        ended = root.run(DRY_RUN="true", AIM_RUN_MODE="PER_SEGMENT", AIM_WAVES_URL=server.url, **given)
    assert "call Waves for up to 1200 CAMs of SUV, Van in batches of 45" in said(ended.out)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, "5 CAMs in 24 batches"),
        ({"AIM_TOTAL_PER_SEGMENT": "2", "AIM_PAGE_SIZE": "1"}, "4 CAMs in 4 batches"),
        ({"AIM_LIMIT_SEGMENTS": "Van,Nowhere", "AIM_TOTAL_PER_SEGMENT": "50"}, "2 CAMs in 2 batches"),
    ],
)
def test_a_dry_run_of_segments_of_the_runlist_counts_what_a_run_asks(root, given, asked):
    mapping = "A,Make,a,p,c,Van\nB,Make,b,p,c,SUV\nC,Make,c,p,c,\n"
    root.give("reference/vehicle_mapping.csv", f"vehicle,CarMake,CarModel,Pod,Category,Segment\n{mapping}")
    cams = "A,195/65R15|A,205/55R16|B,195/65R15|B,205/55R16|B,225/45R17|C,205/55R16|D,205/55R16"
    root.give(RUNLIST, "\n".join(["Vehicle,Size", *cams.split("|")]))
    given |= {"AIM_RUN_MODE": "PER_SEGMENT", "AIM_MIN_SUCCESS_RATIO": "0"}
    lines = said(root.run(DRY_RUN="true", **given).out)
    assert f"call Waves for {asked}" in lines
    assert f"write AIM.AIMData ({asked.split()[0]} rows)" in lines
    done = root.run(**given)
    assert root.status["progress"]["attempted"] == int(asked.split()[0])
    assert f"Processing batch 1/{asked.split()[3]}" in done.out


@pytest.mark.parametrize("mode", ["GLOBAL", "PER_SEGMENT"])
def test_a_dry_run_sends_no_request_not_even_a_login(root, mode):
    with serving(password="a-password") as server:
        ended = root.run(
            DRY_RUN="true", AIM_RUN_MODE=mode, AIM_WAVES_URL=server.url, AIM_SERVICE_PASSWORD="a-password"
        )
        assert ended.code == 0
        assert server.received == []


@pytest.mark.parametrize(
    ("missing", "stage"), [(SALES, "Stage 1: Load Data"), (RUNLIST, "Stage 4: Batch Recommender")]
)
def test_a_missing_input_fails_a_dry_run(root, missing, stage):
    root.file(missing).unlink()
    before = root.tree()
    ended = root.run(DRY_RUN="true")
    assert ended.code == 1
    assert (root.status["state"], root.status["last_log_line"]) == ("failed", f"Failed at {stage}")
    assert root.stages[-1][1:] == ("failed", 0)
    assert root.tree(*WRITTEN) == before


def test_a_broken_feed_fails_a_dry_run(root):
    root.give(TYRES, "ProductId,Grade\n10000001,Premium\n")
    ended = root.run(DRY_RUN="true")
    assert ended.code == 1
    assert f"{TYRES} lacks the columns" in ended.sentence


def test_a_broken_reference_file_fails_a_dry_run(root):
    root.give("reference/product_catalogue.csv", "SKU,Brand\n10000001,Alpha\n")
    ended = root.run(DRY_RUN="true")
    assert ended.code == 1
    assert "reference/product_catalogue.csv lacks the columns" in ended.sentence


def test_a_dry_run_of_a_late_stage_goes_by_the_tables_that_are_there(done):
    ended = done.stage(8, DRY_RUN="true")
    assert ended.code == 0
    assert f"execute {SQL}/build_size_file.sql" in said(ended.out)
    assert done.stage(8, day="2025-06-13", DRY_RUN="true").code == 1


def test_filled_lists_fail_a_dry_run_that_may_not_replace_them(done):
    ended = done.stage(4, DRY_RUN="true", AIM_BQ_WRITE_DISPOSITION="WRITE_EMPTY")
    assert ended.code == 1
    assert "AIM.AIMData has rows" in ended.sentence


def test_a_dry_run_is_refused_where_its_settings_are(root):
    before = root.tree()
    assert root.run(DRY_RUN="true", AIM_BATCH_SIZE="0").code == 2
    assert root.tree() == before


def test_a_real_run_after_a_dry_one_has_a_report_again(root):
    assert root.run(DRY_RUN="true").code == 0
    dry = root.status["run_id"]
    assert root.run().code == 0
    assert root.status["run_id"] != dry
    assert root.status["report"]["units"]["cams_attempted"] == 40
    assert re.fullmatch(r"results_.*\.csv", root.status["output_file"])

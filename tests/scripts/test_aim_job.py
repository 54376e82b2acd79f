"""The command line of aim: what a run leaves behind, and where its settings come from."""

import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from assets.aim.run_ids import is_run_id
from assets.aim.slots import SLOTS
from assets.aim.stages.order import STAGES
from scripts.aim_job import main
from tests.assets.aim.aim_roots import COST_REPORT, DATE, SALES, SQL, TYRES, Root, inputs_in, run_in

MAIN = Path(__file__).parents[2] / "aim-job" / "main.py"


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Inputs, and nothing else."""
    return inputs_in(tmp_path)


@pytest.fixture
def done(tmp_path: Path) -> Root:
    """A root after a full run."""
    return run_in(tmp_path)


def test_the_status_of_a_full_run_has_its_keys_and_says_success(done):
    status = done.status
    assert list(status) == [
        "state", "run_id", "started_at", "ended_at", "heartbeat_ts", "last_log_line", "output_file",
        "error_summary", "progress", "report",
    ]  # fmt: skip
    assert (status["state"], status["error_summary"]) == ("success", None)
    assert status["last_log_line"] == "Job Completed Successfully"
    assert is_run_id(status["run_id"])
    assert status["output_file"] == f"results_{status['run_id']}.csv"
    moments = [datetime.fromisoformat(status[key]) for key in ("started_at", "ended_at", "heartbeat_ts")]
    assert all(moment.utcoffset() == timedelta(0) for moment in moments)
    assert moments[0] <= moments[1] == moments[2]
    published = len(done.published_cams())
    assert status["progress"] == {"attempted": 40, "succeeded": published, "failed": 40 - published}


def test_an_embedded_run_reports_that_it_cost_nothing(done):
    report = done.status["report"]
    assert done.json(COST_REPORT) == report
    assert report == {
        "timestamp": report["timestamp"],
        "run_id": done.status["run_id"],
        "mode": "GLOBAL",
        "units": {"cams_attempted": 40, "cams_succeeded": len(done.published_cams())},
        "usage": {"prompt_token_count": 0, "candidates_token_count": 0, "total_token_count": 0},
        "estimated_cost_gbp": 0.0,
    }
    assert datetime.fromisoformat(report["timestamp"]).utcoffset() == timedelta(0)


def test_the_manifest_of_a_full_run_counts_what_each_stage_published(done):
    manifest = done.manifest
    assert list(manifest) == ["mode", "dry_run", "run_id", "stages", "sql_files", "http_requests"]
    assert (manifest["mode"], manifest["dry_run"], manifest["http_requests"]) == ("local", False, [])
    assert manifest["run_id"] == done.status["run_id"]
    rows = {name: len(table) for name, table in done.tables().items()}
    published = {
        1: rows["nexus_tyrescore.CarMakeModelSales"] + rows["nexus_tyrescore.TyreScore"],
        2: 0,
        3: rows["nexus_tyrescore.TyreScore_algorithm_output"],
        4: rows["AIM.AIMData_history"],
        5: 7,
        6: rows["AIM.aim-analysis-table"],
        7: rows["AIM.aim_token_fact"],
        8: rows["AIM.AIM-override-file"] + rows["AIM.AIM-override-file-size"],
        9: rows["AIM.aim-merchandising-report"],
    }
    assert all(count for number, count in published.items() if number != 2)
    assert done.stages == [(number, "success", count) for number, count in published.items()]
    assert [stage["name"] for stage in manifest["stages"]] == [STAGES[number].name for number in published]
    for stage in manifest["stages"]:
        assert list(stage) == ["stage", "name", "started_at", "ended_at", "outcome", "rows"]
        assert datetime.fromisoformat(stage["started_at"]) <= datetime.fromisoformat(stage["ended_at"])


def test_the_manifest_names_each_sql_file_once_with_its_true_size_and_digest(done):
    files = done.manifest["sql_files"]
    names = [file["file"] for file in files]
    assert len(names) == len(set(names)) > 10
    # All that there are, but for the one that reads the events of a cloud.
    folder = MAIN.parents[1] / SQL
    assert {f"{SQL}/{path.name}" for path in folder.iterdir()} - set(names) == {
        f"{SQL}/collect_ga4_event_items.sql"
    }
    assert names.index(f"{SQL}/score_tyres.sql") < names.index(f"{SQL}/merge_cam_sku.sql")
    for file in files:
        content = (MAIN.parents[1] / file["file"]).read_bytes()
        assert (file["size"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_results_file_holds_the_published_lists_in_runlist_order(done):
    content = done.file(f"output/{done.status['output_file']}").read_bytes()
    assert content.endswith(b"\n")
    assert b"\r" not in content
    header, *rows = csv.reader(content.decode().splitlines())
    assert header == ["Vehicle", "Size", *SLOTS]
    columns = ", ".join(header)
    assert [tuple(row) for row in rows] == done.query(
        f'SELECT {columns} FROM "AIM"."AIMData_history" ORDER BY position'
    )
    assert sorted(tuple(row) for row in rows) == done.table("AIM.AIMData")


def test_the_cam_sku_file_has_blanks_for_empty_slots_and_the_moment_of_the_run_date(done):
    name = f"output/cam_sku_{done.status['run_id']}.csv"
    header, *rows = csv.reader(done.file(name).read_text().splitlines())
    assert header == ["Vehicle", "Size", *SLOTS, "last_modified"]
    assert {row[-1] for row in rows} == {"2025-06-10T05:00:00+00:00"}  # 06:00 in London in summer
    lists = csv.reader(done.file(f"output/{done.status['output_file']}").read_text().splitlines())
    assert [row[:-1] for row in rows] == [
        ["" if cell == "-" else cell for cell in row] for row in list(lists)[1:]
    ]


def test_a_run_prints_a_line_per_stage_and_the_origin_of_every_setting(root):
    ended = root.run("--stage", "1", "--stage", "2", AIM_BATCH_SIZE="7")
    assert ended.code == 0
    assert re.search(r"^Stage 1: Load Data: \d+ rows in \d+\.\d s$", ended.out, re.MULTILINE)
    assert re.search(r"^Stage 2: Placeholder: 0 rows in \d+\.\d s$", ended.out, re.MULTILINE)
    assert "  AIM_BATCH_SIZE=7 (env)\n" in ended.out
    assert "  AIM_MIN_SUCCESS_RATIO=0.8 (default)\n" in ended.out


def test_stages_are_carried_out_in_ascending_order_each_once(root):
    assert root.run("--stage", "3", "--stage", "1", "--stage", "3", "--stage", "2").code == 0
    assert [number for number, _, _ in root.stages] == [1, 2, 3]


def test_stages_run_one_by_one_leave_the_tables_of_a_run_of_all(root, done_tables):
    for number in STAGES:
        assert root.stage(number).code == 0
    assert root.tables() == done_tables


@pytest.fixture
def done_tables(tmp_path: Path) -> dict[str, list]:
    return run_in(tmp_path / "other").tables()


def test_without_a_run_date_it_is_today_in_london(root):
    for feed in (SALES, TYRES):
        root.file(feed).unlink()
    london = ZoneInfo("Europe/London")
    before = datetime.now(london).date()
    ended = subprocess.run(
        [sys.executable, MAIN, "--stage", "1"],
        check=False,
        env=_environment(root),
        capture_output=True,
        text=True,
    )
    after = datetime.now(london).date()
    assert ended.returncode == 1
    assert any(f"No CarMakeModelSales feed for {day} " in ended.stderr for day in (before, after))


def test_flags_beat_json_and_json_beats_the_environment(root):
    root.give_config(RUN_MODE="PER_SEGMENT", BATCH_SIZE=11, TOTAL_OVERALL="12")
    ended = root.run("--stage", "2", "--run-mode", "global", AIM_BATCH_SIZE="9", AIM_PAGE_SIZE="8")
    for line in (
        "AIM_RUN_MODE=GLOBAL (flag)",
        "AIM_BATCH_SIZE=11 (json)",
        "AIM_TOTAL_OVERALL=12 (json)",
        "AIM_PAGE_SIZE=8 (env)",
        "AIM_PARALLEL_BATCHES=4 (default)",
    ):
        assert f"  {line}\n" in ended.out


def test_the_json_configuration_is_passed_over_when_it_is_told_so(root):
    root.give_config(BATCH_SIZE=11)
    assert "AIM_BATCH_SIZE=500 (default)" in root.stage(2, IGNORE_GCS_CONFIG="yes").out


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        ({"BATCH_SIZE": "abc"}, "BATCH_SIZE"),
        ({"SEASON": "Spring"}, "SEASON"),
        ({"BATCHSIZE": 3}, "BATCHSIZE"),
        ({"MIN_SUCCESS_RATIO": None}, "MIN_SUCCESS_RATIO"),
        ([], "config/aim-config.json"),
    ],
)
def test_what_is_wrong_in_the_json_configuration_is_a_warning(root, content, warning):
    root.give("config/aim-config.json", json.dumps(content))
    ended = root.stage(2, AIM_BATCH_SIZE="9")
    assert ended.code == 0
    assert re.search(rf"^warning: .*{warning}", ended.err, re.MULTILINE)
    assert "AIM_BATCH_SIZE=9 (env)" in ended.out


def test_feeds_may_have_another_folder_and_extension(root):
    for feed in (SALES, TYRES):
        content = root.file(feed).read_bytes()
        root.give(feed.replace("tyrescore-AWS3-daily-files", "feeds/daily").replace(".csv", ".txt"), content)
        root.file(feed).unlink()
    given = {"TYRESCORE_PREFIX": "feeds//daily/", "TYRESCORE_FILE_EXTENSION": ".txt"}
    assert root.stage(1, **given).code == 0
    assert root.stages == [(1, "success", 424)]


def test_the_run_treats_the_best_ranked_cams_only(done):
    cams = done.published_cams()
    assert done.stage(4, AIM_TOTAL_OVERALL="3", AIM_MIN_SUCCESS_RATIO="0.1").code == 0
    assert done.status["progress"]["attempted"] == 3
    assert done.published_cams() == cams[: done.status["progress"]["succeeded"]]


@pytest.mark.parametrize(
    "setting",
    [
        {"AIM_SEASON": "winter"},
        {"AIM_GOLDILOCKS_ZONE_PCT": "50"},
        {"AIM_PRICE_FLUCT_UPPER": "1.0", "AIM_PRICE_FLUCT_LOWER": "1.0"},
    ],
)
def test_the_rules_of_lists_reach_the_ranker(done, setting):
    before = done.table("AIM.AIMData")
    assert done.stage(4, **setting).code == 0
    assert done.table("AIM.AIMData") != before


def test_masked_dates_keep_their_rows_without_metrics(done):
    report = '"AIM"."aim-merchandising-report"'
    rows = len(done.table("AIM.aim-merchandising-report"))
    done.give_config(MASKED_DATES=[["2025-05-01", "2025-05-25"], ["2025-06-05", "2025-06-05"]])
    assert done.stage(9).code == 0
    assert len(done.table("AIM.aim-merchandising-report")) == rows
    dates = "SELECT DISTINCT Date::TEXT FROM {} WHERE {} ORDER BY 1"
    masked = [day for (day,) in done.query(dates.format(report, "TotalUsers IS NULL"))]
    shown = [day for (day,) in done.query(dates.format(report, "TotalUsers IS NOT NULL"))]
    assert masked[0] <= "2025-05-25" < shown[0]
    assert masked[-1] == "2025-06-05" not in shown
    assert all(day <= "2025-05-25" for day in masked[:-1])


def test_a_dotenv_file_fills_what_the_environment_leaves_open(root):
    (root.path.parent / ".env").write_text("AIM_BATCH_SIZE=3\nAIM_PAGE_SIZE=4\n", "utf-8")
    ended = root.stage(2, AIM_BATCH_SIZE="9", AIM_PAGE_SIZE=" ")
    assert "AIM_BATCH_SIZE=9 (env)" in ended.out
    assert "AIM_PAGE_SIZE=4 (env)" in ended.out


def test_the_command_works_from_any_folder_without_a_cloud_library(root, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    # What lies beside the caller is neither code nor SQL of the job.
    decoy = elsewhere / SQL
    decoy.mkdir(parents=True)
    (decoy / "score_tyres.sql").write_text("SELECT nonsense", "utf-8")
    (elsewhere / "assets" / "__init__.py").write_text("raise ImportError('a decoy')", "utf-8")
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['main.py', '--run-date', '{DATE}']\n"
        f"try: runpy.run_path({str(MAIN)!r}, run_name='__main__')\n"
        "finally:\n"
        "    cloud = ('google.cloud', 'google.auth', 'boto3', 'botocore', 'dagster_gcp', 'dagster_aws')\n"
        "    found = sorted(name for name in sys.modules if name.startswith(cloud))\n"
        "    assert not found, found\n"
    )
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program],
        check=False,
        cwd=elsewhere,
        env=_environment(root, AIM_LOCAL_ROOT=os.path.relpath(root.path, elsewhere)),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert root.status["state"] == "success"
    assert {path.name for path in elsewhere.iterdir()} == {"assets"}


class Terminal(io.StringIO):
    """A screen."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_and_a_file_gets_the_lines(done, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.chdir(done.path.parent)
    environment = {"AIM_MODE": "local", "AIM_LOCAL_ROOT": "root"}
    with redirect_stdout(io.StringIO()) as file, redirect_stderr(Terminal()) as screen:
        assert main(["--run-date", DATE, "--stage", "4", "--run-mode", "GLOBAL"], environment) == 0
    assert "Stage 4: Batch Recommender: " in file.getvalue()
    assert "\x1b" not in file.getvalue()
    assert "batches" in screen.getvalue()
    assert "1/1" in screen.getvalue()
    assert "Stage 4" not in screen.getvalue()
    assert "warning: " in screen.getvalue()


def test_a_reader_of_the_lines_that_goes_away_does_not_stop_the_run(done):
    with subprocess.Popen(
        [sys.executable, MAIN, "--run-date", DATE, "--stage", "4"],
        env=_environment(done),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
    assert done.status["state"] == "success", errors
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def _environment(root: Root, **given: str) -> dict[str, str]:
    """What a child needs of this process's environment, and settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    settings = {"AIM_MODE": "local", "AIM_LOCAL_ROOT": str(root.path), "AIM_RUN_MODE": "GLOBAL"}
    return kept | settings | given

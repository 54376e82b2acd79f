"""The command line of aim: what it refuses before it begins, and what ends a run that has begun."""

from pathlib import Path

import pytest

from resources.object_store import exclusive_folder
from tests.assets.aim.aim_roots import (
    CONFIG,
    MANIFEST,
    RUNLIST,
    SALES,
    STATUS,
    TYRES,
    WAREHOUSE,
    Root,
    command,
    inputs_in,
    run_in,
)
from tests.assets.aim.endless_line import EndlessLine

FEED_TABLES = ("nexus_tyrescore.CarMakeModelSales", "nexus_tyrescore.TyreScore")


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Inputs, and nothing else."""
    return inputs_in(tmp_path)


@pytest.fixture
def done(tmp_path: Path) -> Root:
    """A root after a full run."""
    return run_in(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--run-date", "10.06.2025"], "'10.06.2025' is no date"),
        (["--run-date", "2025-02-30"], "'2025-02-30' is no date"),
        (["--run-date", "20250610"], "'20250610' is no date"),
        (["--run-date", "2025-W24-2"], "'2025-W24-2' is no date"),
        (["--run-date", "2024-12-31"], "2024-12-31 is before 2025-01-01"),
        (["--stage", "0"], "'0' is no stage; give a number from 1 to 9"),
        (["--stage", "10"], "'10' is no stage"),
        (["--stage", "x"], "'x' is no stage"),
        (["--stage", "-1"], "--stage"),
        (["--stage"], "--stage"),
        (["--run-mode", "GLOBE"], "AIM_RUN_MODE on the command line: 'GLOBE' is not allowed"),
        (["--colour"], "--colour"),
        (["--run-dat", "2025-06-10"], "--run-dat"),
        (["today"], "today"),
    ],
)
def test_wrong_usage_is_exit_2_and_writes_nothing(root, arguments, named):
    before = root.tree()
    ended = root.run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert named in ended.sentence
    assert root.tree() == before


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AIM_MODE", "demo"),
        ("AIM_RUN_MODE", "GLOBL"),
        ("AIM_SEASON", "Spring"),
        ("AIM_BATCH_SIZE", "0"),
        ("AIM_BATCH_SIZE", "501"),
        ("AIM_BATCH_SIZE", "many"),
        ("AIM_PARALLEL_BATCHES", "17"),
        ("AIM_TOTAL_OVERALL", "0"),
        ("AIM_MIN_SUCCESS_RATIO", "1.1"),
        ("AIM_REQUEST_TIMEOUT_S", "0"),
        ("AIM_GOLDILOCKS_ZONE_PCT", "wide"),
        ("AIM_BQ_WRITE_DISPOSITION", "WRITE_SOMETHING"),
        ("DRY_RUN", "perhaps"),
        ("AIM_MASKED_DATES", "2025-11-09:2025-10-27"),
        ("AIM_WAVES_URL", "ftp://waves.example"),
        ("AIM_RUNLIST_PATH", "/etc/x"),
        ("AIM_RUNLIST_PATH", "../x"),
        ("AIM_RUNLIST_PATH", "a/../b"),
        ("AIM_RUNLIST_PATH", "gs://bucket/key.csv"),
        ("AIM_RUNLIST_PATH", "C:\\x"),
        ("AIM_RUNLIST_PATH", "."),
        ("TYRESCORE_PREFIX", "/feeds"),
        ("AIM_PRIORITY_RUNLIST_GCS_URI", "runlist/a.csv"),
        ("AIM_TABLE_ID", "AIM.Data"),
    ],
)
def test_a_setting_that_is_not_allowed_is_exit_2_and_writes_nothing(root, variable, value):
    before = root.tree()
    ended = root.run(**{variable: value})
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    assert variable in ended.sentence
    assert repr(value) in ended.sentence
    assert root.tree() == before


def test_a_password_in_the_address_of_the_service_is_refused_and_not_repeated(root):
    ended = root.run(AIM_WAVES_URL="https://shop:a-s3cret@waves.example")
    assert ended.code == 2
    assert "AIM_WAVES_URL in the environment: 'https://…@waves.example' is not allowed" in ended.sentence
    assert "a-s3cret" not in ended.out + ended.err


def test_a_local_root_that_is_not_there_is_exit_2_and_is_not_made(tmp_path):
    missing = tmp_path / "missing"
    ended = command("--stage", "2", AIM_MODE="local", AIM_LOCAL_ROOT=str(missing))
    assert ended.code == 2
    assert f"AIM_LOCAL_ROOT: {missing} is no folder" in ended.sentence
    assert not missing.exists()


def test_the_cloud_is_the_default_and_needs_its_settings(root):
    ended = root.run(AIM_MODE=" ")
    assert ended.code == 2
    needed = "AIM_MODE=cloud needs PROJECT_ID, AIM_BUCKET_NAME, AIM_WAVES_URL, TYRESCORE_BUCKET"
    assert needed in ended.sentence
    given = {"PROJECT_ID": "a-project", "AIM_BUCKET_NAME": "b", "AIM_BASE_URL": "https://waves.example"}
    assert "needs TYRESCORE_BUCKET;" in root.run(AIM_MODE="Cloud", **given).sentence


def test_a_dotenv_file_that_is_no_text_is_exit_2(root):
    (root.path.parent / ".env").write_bytes(b"AIM_BRAND_ENHANCER=Citro\xebn\n")
    before = root.tree()
    ended = root.stage(2)
    assert ended.code == 2
    assert ".env cannot be read" in ended.sentence
    assert root.tree() == before


def without(content: bytes, row: int) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join(lines[:row] + lines[row + 1 :])


def with_rows(content: bytes, *rows: str) -> bytes:
    return content + "".join(f"{row}\n" for row in rows).encode()


BROKEN_TYRES = {
    "empty": (lambda _: b"", ["is empty", "send the whole file again"]),
    "header only": (lambda content: content.splitlines()[0] + b"\n", ["is empty: it has no row"]),
    "missing column": (
        lambda content: content.replace(b"WetGrip", b"WetGripp", 1).replace(b"Wet Grip", b"x", 1),
        ["lacks the column WetGrip", "send it again"],
    ),
    "twice the column": (
        lambda content: content.replace(b"Price", b"Grade", 1),
        ["lacks the column Price"],
    ),
    "no header": (lambda content: without(content, 0), ["lacks the columns"]),
    "wrong type": (
        lambda content: content.replace(b"\n1", b"\nabc1"),
        ["rows were rejected", "line 2, which has ProductId", "not 7 or 8 digits", "send it again"],
    ),
    "mixed encodings": (
        lambda content: with_rows(content, *["x"] * 5) + "Citroën\n".encode("latin-1") * 5,
        ["rows were rejected", "more than the 1 % that is tolerated"],
    ),
    "foreign header": (lambda content: b"Caf\xe9," + content, ["has no readable header: line 1", "UTF-8"]),
    "a page for people": (lambda _: b"<!doctype html>\n<title>503</title>\n", ["lacks the columns"]),
}


@pytest.mark.parametrize("fault", BROKEN_TYRES)
def test_a_broken_feed_fails_the_stage_and_changes_neither_table(done, fault):
    spoil, clauses = BROKEN_TYRES[fault]
    content = done.file(TYRES).read_bytes()
    before = {table: done.table(table) for table in FEED_TABLES}
    # The other feed is a good one, and another one than was loaded.
    done.give(SALES, without(done.file(SALES).read_bytes(), 0))
    done.give(TYRES, spoil(content))
    ended = done.run()
    assert ended.code == 1
    assert TYRES in ended.sentence
    assert all(clause in ended.sentence for clause in clauses), ended.sentence
    assert "Traceback" not in ended.err
    assert {table: done.table(table) for table in FEED_TABLES} == before
    assert done.stages == [(1, "failed", 0)]
    status = done.status
    assert (status["state"], status["last_log_line"]) == ("failed", "Failed at Stage 1: Load Data")
    assert ended.sentence.endswith(status["error_summary"])
    assert status["output_file"] is None
    assert "report" not in status


@pytest.mark.parametrize(("feed", "kind"), [(SALES, "CarMakeModelSales"), (TYRES, "TyreScore")])
def test_a_missing_feed_fails_the_stage_and_says_which_file_is_waited_for(root, feed, kind):
    root.file(feed).rename(root.file(feed.replace("20250610", "20250611")))
    root.give(f"tyrescore-AWS3-daily-files/Old{kind}.csv", "no feed\n")
    ended = root.run()
    assert ended.code == 1
    assert f"No {kind} feed for 2025-06-10 in 'tyrescore-AWS3-daily-files'" in ended.sentence
    assert f"'20250610_{kind}.csv'" in ended.sentence
    assert root.stages == [(1, "failed", 0)]
    assert root.tables() == {}


def test_a_row_too_long_to_be_one_is_rejected_and_the_run_goes_on(root):
    content = root.file(SALES).read_bytes()
    head, tail = content[: content.index(b"\n") + 1], content[content.index(b"\n") + 1 :]
    root.give(SALES, head + EndlessLine(b"", 8 << 20, b"\n").read(8 << 20) + b"\n" + tail)
    ended = root.stage(1)
    assert ended.code == 0
    assert f"warning: {SALES}: line 2 was rejected" in ended.err
    assert root.stages == [(1, "success", 299 + 124 + 1)]


RUNLISTS = {
    "no Size": ("Vehicle,Rank\nFORD FOCUS,1\n", "lacks the column Size"),
    "no Vehicle": ("Car,Size\nFORD FOCUS,205/55 R16\n", "lacks the column Vehicle"),
    "empty": ("", "lacks the column"),
    "no row": ("Vehicle,Size\n", "none of its 0 rows has both a Vehicle and a Size"),
    "nothing usable": ("Vehicle,Size\nnan,205/55 R16\nFORD FOCUS,\n", "none of its 2 rows"),
    "another encoding": ("Vehicle,Size\nCITROËN C3,205/55 R16\n".encode("latin-1"), "line 2 is not UTF-8"),
}


@pytest.mark.parametrize("fault", RUNLISTS)
def test_a_bad_runlist_fails_stage_4_and_publishes_nothing(done, fault):
    content, clause = RUNLISTS[fault]
    before = done.tables()
    done.give(RUNLIST, content)
    ended = done.run("--stage", "4", "--stage", "5")
    assert ended.code == 1
    assert RUNLIST in ended.sentence
    assert clause in ended.sentence
    assert done.stages == [(4, "failed", 0)]
    assert done.status["last_log_line"] == "Failed at Stage 4: Batch Recommender"
    assert done.tables() == before


def test_a_missing_runlist_fails_stage_4(done):
    done.file(RUNLIST).unlink()
    ended = done.stage(4)
    assert ended.code == 1
    assert "runlist/priority_runlist_current.csv does not exist; put the runlist there" in ended.sentence


@pytest.mark.parametrize("path", ["./lists//mine.csv", "lists/./mine.csv", "lists/report..v2.csv"])
def test_the_runlist_may_lie_elsewhere_below_the_root(done, path):
    cams = done.published_cams()
    done.file(RUNLIST).unlink()
    done.give_runlist(cams[:3])
    done.file("lists").mkdir()
    done.file(RUNLIST).rename(done.file(path))
    assert done.stage(4, AIM_RUNLIST_PATH=path).code == 0
    assert len(done.table("AIM.AIMData")) == 3


@pytest.mark.parametrize(
    ("stage", "missing", "remedy"),
    [
        (3, "nexus_tyrescore.CarMakeModelSales", "run Stage 1 first"),
        (4, "nexus_tyrescore.TyreScore_algorithm_output", "run Stage 3 first"),
        (5, "AIM.AIMData_history", "run Stage 4 first"),
        (6, "AIM.AIMData_history", "run Stage 4 first"),
        (7, "AIM.AIMData_history", "run Stage 4 first"),
        (8, "AIM.AIMData_history", "run Stage 4 first"),
    ],
)
def test_a_stage_before_its_time_names_the_one_to_run_first(root, stage, missing, remedy):
    for dry in ("true", "false"):
        ended = root.stage(stage, DRY_RUN=dry)
        assert ended.code == 1
        assert f"{missing} does not exist; {remedy}" in ended.sentence
        assert root.stages == [(stage, "failed", 0)]


def test_the_reports_of_a_date_need_its_lists(done):
    before = done.tables()
    ended = done.stage(6, day="2025-06-13")
    assert ended.code == 1
    assert "AIM.AIMData_history has no list of 2025-06-13; run Stage 4 for that date first" in ended.sentence
    assert done.tables() == before


@pytest.mark.parametrize("dry", ["false", "true"])
def test_a_missing_sql_file_fails_its_stage_and_is_named(done, monkeypatch, dry):
    before = done.tables()
    monkeypatch.setattr("assets.aim.stages.run.SQL_FOLDER", "assets/aim/elsewhere")
    ended = done.run("--stage", "6", "--stage", "7", DRY_RUN=dry)
    assert ended.code == 1
    assert "assets/aim/elsewhere/" in ended.sentence
    assert done.stages == [(6, "failed", 0)]
    assert done.tables() == before


def test_a_failed_run_is_followed_by_one_that_clears_its_traces(done):
    runlist = done.file(RUNLIST).read_bytes()
    done.give(RUNLIST, "")
    assert done.stage(4).code == 1
    failed = done.status["run_id"]
    done.give(RUNLIST, runlist)
    assert done.run("--stage", "4").code == 0
    assert done.status["run_id"] != failed
    assert (done.status["state"], done.status["error_summary"]) == ("success", None)
    assert [number for number, _, _ in done.stages] == [4]


def test_a_folder_that_another_run_holds_is_left_alone(root):
    assert root.stage(2).code == 0
    before = root.tree()
    with exclusive_folder(root.path):
        ended = root.stage(2)
    assert ended.code == 1
    assert f"{root.path} is in use by process" in ended.sentence
    assert root.tree() == before
    assert root.stage(2).code == 0


LINKED = (
    RUNLIST, CONFIG, "reference/vehicle_mapping.csv", "reference/ga4_events.jsonl",
    STATUS, MANIFEST, WAREHOUSE,
)  # fmt: skip


@pytest.mark.parametrize("name", LINKED)
def test_a_link_out_of_the_root_is_refused_and_its_target_neither_read_nor_changed(done, tmp_path, name):
    outside = tmp_path / "outside"
    outside.write_bytes(done.file(name).read_bytes() if done.file(name).exists() else b"{}")
    outside.chmod(0o600)
    before = outside.read_bytes(), outside.stat().st_mtime_ns
    done.file(name).unlink(missing_ok=True)
    done.file(name).parent.mkdir(exist_ok=True)
    done.file(name).symlink_to(outside)
    ended = done.run()
    assert ended.code == 1
    assert "a symbolic link leads to" in ended.sentence
    assert str(outside) in ended.sentence
    assert "Traceback" not in ended.err
    assert (outside.read_bytes(), outside.stat().st_mtime_ns) == before
    assert done.file(name).is_symlink()


@pytest.mark.parametrize("name", ["output", f"{WAREHOUSE}.wal"])
def test_a_folder_of_the_run_that_leads_out_of_the_root_is_refused(root, tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    root.file(name).symlink_to(outside)
    ended = root.run()
    assert ended.code == 1
    assert f"a symbolic link leads to {outside}" in ended.sentence
    assert not list(outside.iterdir())


@pytest.mark.parametrize("name", [TYRES, "tyrescore-AWS3-daily-files"])
def test_a_feed_outside_of_the_root_is_no_feed(root, tmp_path, name):
    outside = root.file(name).rename(tmp_path / "outside")
    root.file(name).symlink_to(outside)
    ended = root.run()
    assert ended.code == 1
    assert "feed for 2025-06-10 in 'tyrescore-AWS3-daily-files'" in ended.sentence
    assert root.tables() == {}


def test_a_link_that_stays_inside_the_root_is_followed(done):
    done.give_runlist(done.published_cams()[:2])
    done.file(RUNLIST).rename(done.file("runlist/of_june.csv"))
    done.file(RUNLIST).symlink_to("of_june.csv")
    assert done.stage(4).code == 0
    assert len(done.table("AIM.AIMData")) == 2

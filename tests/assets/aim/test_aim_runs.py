"""One Dagster run is one run in status and manifest: whole, in part, again, beside others, rehearsed."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import dagster as dg
import pytest

from assets.aim import steps
from assets.aim.run_ids import run_id_of
from assets.aim.stages import order
from assets.failures import NotReady, PermanentFailure, TransientFailure
from assets.retries import Patience
from resources.waves import EmbeddedWaves, HttpWaves
from tests.assets.aim.aim_roots import DATE, MANIFEST, SALES, STATUS, TYRES
from tests.assets.aim.dagster_runs import (
    EVERY,
    LOADED,
    RECOMMENDED,
    Aim,
    attempts,
    environment,
    evaluations,
    five_cams,
    opened_aim,
    sentences,
    started,
)
from tests.resources.waves.loopback import PASSWORD, serving

pytestmark = pytest.mark.materialise

ALL_STAGES = (1, 2, 3, 4, 5, 6, 7, 8, 9)
NAMES = {
    1: "Stage 1: Load Data",
    2: "Stage 2: Placeholder",
    3: "Stage 3: TyreScore",
    4: "Stage 4: Batch Recommender",
    5: "Stage 5: Validation",
    6: "Stage 6: Core Tables",
    7: "Stage 7: Dashboard Tables",
    8: "Stage 8: Output Core",
    9: "Stage 9: Dashboard Output",
}
STATUS_KEYS = {
    "state",
    "run_id",
    "started_at",
    "ended_at",
    "heartbeat_ts",
    "last_log_line",
    "output_file",
    "error_summary",
    "progress",
}
OTHER = "20250610_050000_0f3a9c"


@pytest.fixture(autouse=True)
def impatient(monkeypatch) -> None:
    """Two further looks, at once."""
    monkeypatch.setattr(steps, "_PATIENCE", Patience(looks=2, look_every=0, retries=2, first_wait=0))
    monkeypatch.setattr(steps, "_PATIENCE_WITH_OTHERS", Patience(looks=2, look_every=0))


@pytest.fixture
def aim(tmp_path) -> Iterator[Aim]:
    with opened_aim(tmp_path) as aim:
        yield aim


@pytest.fixture
def aim_that_ran(tmp_path) -> Iterator[Aim]:
    """On a root where the command line has made a full run of which Dagster knows nothing."""
    with opened_aim(tmp_path, has_run=True) as aim:
        yield aim


def outcomes(aim: Aim) -> dict[int, str]:
    """By number the outcomes of the stages in the manifest, in its order."""
    return {number: outcome for number, outcome, _ in aim.root.stages}


def other_run(aim: Aim, *, state: str = "running", age: timedelta = timedelta(0)) -> None:
    """Another run has worked in this place."""
    moment = (datetime.now(UTC) - age).isoformat()
    status = {
        "state": state,
        "run_id": OTHER,
        "started_at": moment,
        "ended_at": None,
        "heartbeat_ts": moment,
        "last_log_line": "Starting Stage 1: Load Data",
        "output_file": None,
        "error_summary": None,
        "progress": {"attempted": 0, "succeeded": 0, "failed": 0},
    }
    aim.root.give(STATUS, json.dumps(status))


def stage_that(monkeypatch: pytest.MonkeyPatch, number: int, *failures: Exception) -> None:
    """Let a stage fail with these, one after another, before it does its work."""
    stage, left = order.STAGES[number], list(failures)

    def work(run):
        if left:
            raise left.pop(0)
        return stage.work(run)

    monkeypatch.setattr(order, "STAGES", {**order.STAGES, number: order.Stage(stage.name, work)})


def test_a_whole_run_is_one_run_of_nine_stages_in_status_and_manifest(aim):
    result = aim.run()
    assert result.success
    record = aim.instance.get_run_record_by_id(result.run_id)
    status, manifest = aim.root.status, aim.root.manifest
    run_id = run_id_of(record.create_timestamp, result.run_id)
    assert run_id.endswith(f"_{result.run_id[:6]}")
    assert status["run_id"] == manifest["run_id"] == run_id
    assert status.keys() == STATUS_KEYS | {"report"}
    assert (status["state"], status["last_log_line"]) == ("success", "Job Completed Successfully")
    assert status["error_summary"] is None
    assert status["output_file"] == f"results_{run_id}.csv"
    assert aim.root.file(f"output/results_{run_id}.csv").exists()
    assert aim.root.file(f"output/cam_sku_{run_id}.csv").exists()
    assert status["report"] == aim.root.json("output/cost_report.json")
    assert status["progress"]["succeeded"] == aim.numbers()["succeeded"]
    assert (manifest["mode"], manifest["dry_run"]) == ("local", False)
    assert {stage["stage"]: stage["name"] for stage in manifest["stages"]} == NAMES
    assert outcomes(aim) == dict.fromkeys(ALL_STAGES, "success")
    rows = {number: rows for number, _, rows in aim.root.stages}
    counted = {name: aim.numbers(name)["dagster/row_count"] for name in EVERY}
    assert rows[1] == counted["car_sales"] + counted["tyre_feed"]
    assert (rows[2], rows[3], rows[5]) == (0, counted["tyre_scores"], 7)
    assert rows[4] == counted["recommendations"]
    assert rows[8] == counted["override_file"] + counted["size_file"]
    files = [entry["file"] for entry in manifest["sql_files"]]
    assert "assets/aim/sql/score_tyres.sql" in files
    assert "assets/aim/sql/report_merchandising.sql" in files
    assert len(files) == len(set(files))
    times = [datetime.fromisoformat(stage["started_at"]) for stage in manifest["stages"]]
    assert datetime.fromisoformat(status["started_at"]) <= min(times)
    assert all(datetime.fromisoformat(status["ended_at"]) >= time for time in times)


@pytest.mark.parametrize(
    ("assets", "stages"),
    [
        (LOADED, [1]),
        (("tyre_scores",), [3]),
        ((*LOADED, "tyre_scores"), [1, 2, 3]),
        # Neither reads what the other makes, so Dagster takes them in any order.
        (("car_sales", "analysis"), [1, 6]),
        (("tyre_scores", "merchandising_report"), [3, 9]),
        (("token_fact", "size_file"), [7, 8]),
    ],
)
def test_a_run_of_some_assets_is_a_run_of_their_stages(aim_that_ran, assets, stages):
    result = aim_that_ran.run(*assets)
    assert result.success
    assert outcomes(aim_that_ran) == dict.fromkeys(stages, "success")
    status = aim_that_ran.root.status
    assert (status["state"], status["last_log_line"]) == ("success", "Job Completed Successfully")
    assert status["run_id"].endswith(f"_{result.run_id[:6]}")
    assert "report" not in status


def test_a_stage_that_is_tried_again_is_one_stage_of_the_same_run(aim, monkeypatch):
    stage_that(monkeypatch, 3, TransientFailure("The connection was lost"), ConnectionError())
    result = aim.run(*LOADED, "tyre_scores")
    assert result.success
    assert attempts(result, "tyre_scores") == 3
    assert outcomes(aim) == dict.fromkeys((1, 2, 3), "success")
    assert aim.root.status["state"] == "success"
    assert aim.root.status["error_summary"] is None


def test_a_stage_that_fails_stops_those_behind_it_and_the_book_says_where(aim, monkeypatch):
    stage_that(monkeypatch, 3, *[TransientFailure("The connection was lost")] * 3)
    result = aim.run()
    assert sentences(result) == {"tyre_scores": "The connection was lost"}
    assert started(result) == {"load_data", "tyre_scores"}
    assert outcomes(aim) == {1: "success", 2: "success", 3: "failed"}
    status = aim.root.status
    assert (status["state"], status["last_log_line"]) == ("failed", "Failed at Stage 3: TyreScore")
    assert status["error_summary"] == "The connection was lost"
    assert status["ended_at"]
    assert aim.recorded().keys() == set(LOADED)


@pytest.mark.parametrize("number", [6, 7])
def test_a_run_in_which_one_stage_failed_beside_others_has_failed_when_all_have_ended(
    aim_that_ran, monkeypatch, number
):
    stage_that(monkeypatch, number, PermanentFailure("The disk is full"))
    result = aim_that_ran.run(*EVERY[5:])
    assert len(sentences(result)) == 1
    assert outcomes(aim_that_ran) == {**dict.fromkeys((5, 6, 7, 8, 9), "success"), number: "failed"}
    status = aim_that_ran.root.status
    assert (status["state"], status["last_log_line"]) == ("failed", f"Failed at {NAMES[number]}")
    assert status["error_summary"] == "The disk is full"
    assert status["ended_at"]


def test_a_run_whose_place_another_run_has_used_in_between_does_not_go_on(aim, monkeypatch):
    before_the_book = steps._run

    def somebody_else_first(context, *others):
        if context.op_def.name == "tyre_scores":
            other_run(aim, state="success")
        return before_the_book(context, *others)

    monkeypatch.setattr(steps, "_run", somebody_else_first)
    result = aim.run(*LOADED, "tyre_scores")
    ((step, sentence),) = sentences(result).items()
    assert step == "tyre_scores"
    assert sentence.startswith(f"Run {OTHER} has worked in this place since the earlier stages of run ")
    assert sentence.endswith("launch the run again from its first stage")
    assert attempts(result, "tyre_scores") == 1
    assert aim.root.status["run_id"] == OTHER


def test_a_run_waits_for_another_one_that_lives_and_then_fails_and_names_it(aim):
    other_run(aim)
    before = aim.root.file(STATUS).read_bytes()
    result = aim.run(*LOADED)
    ((step, sentence),) = sentences(result).items()
    assert step == "load_data"
    assert sentence.startswith(f"Still not ready after 3 looks: Run {OTHER} has been working in this place")
    assert attempts(result, "load_data") == 3
    assert aim.root.file(STATUS).read_bytes() == before
    assert not aim.root.file(MANIFEST).exists()


def test_a_run_that_was_killed_a_minute_ago_is_not_waited_for(aim):
    other_run(aim, age=timedelta(seconds=61))
    assert aim.run(*LOADED).success
    assert aim.root.status["run_id"] != OTHER


class SlowWaves(EmbeddedWaves):
    """Says that it was asked, and answers when it is told to."""

    def recommend(self, *arguments, **options):
        asked.set()
        assert answer.wait(60)
        return super().recommend(*arguments, **options)


asked, answer = Event(), Event()


def test_two_dates_that_are_launched_at_once_run_one_after_the_other(tmp_path, monkeypatch):
    refused, results, open_book = Event(), {}, steps._run

    def run_or_refused(*arguments):
        try:
            return open_book(*arguments)
        except NotReady:
            refused.set()
            raise

    monkeypatch.setattr(steps, "_run", run_or_refused)
    monkeypatch.setattr(steps, "_PATIENCE_WITH_OTHERS", Patience(looks=600, look_every=0.1))
    asked.clear()
    answer.clear()
    (tmp_path / "instance").mkdir()
    instance = dg.DagsterInstance.local_temp(str(tmp_path / "instance"))
    with opened_aim(tmp_path, SlowWaves(), instance, has_run=True) as aim:
        five_cams(aim.root)

        def launch(day: str, assets: tuple[str, ...]) -> Thread:
            def execute() -> None:
                results[day] = aim.run(*assets, day=day, tags={"dagster/backfill": "abcdefgh"})

            thread = Thread(target=execute)
            thread.start()
            return thread

        first = launch("2025-06-13", (*RECOMMENDED, "validation_report"))
        assert asked.wait(60)
        second = launch("2025-06-17", LOADED)
        assert refused.wait(60)
        answer.set()
        first.join()
        second.join()
        assert {day: sentences(result) for day, result in results.items()} == {
            "2025-06-13": {},
            "2025-06-17": {},
        }
        assert aim.recorded()["validation_report"] == {"2025-06-13"}
        assert aim.recorded()["car_sales"] == {"2025-06-17"}
        assert aim.root.status["run_id"].endswith(results["2025-06-17"].run_id[:6])
    instance.dispose()


@pytest.mark.parametrize(("missing", "kind"), [(SALES, "CarMakeModelSales"), (TYRES, "TyreScore")])
def test_a_feed_that_is_not_there_is_looked_for_again_and_then_named_with_folder_and_pattern(
    aim_that_ran, missing, kind
):
    aim = aim_that_ran
    aim.root.file(missing).unlink()
    before = aim.root.table("nexus_tyrescore.TyreScore")
    result = aim.run(*LOADED)
    (sentence,) = sentences(result).values()
    assert sentence.startswith(f"Still not ready after 3 looks: No {kind} feed for {DATE}")
    assert "'tyrescore-AWS3-daily-files'" in sentence
    assert f"'20250610_{kind}.csv'" in sentence
    assert attempts(result, "load_data") == 3
    assert aim.root.table("nexus_tyrescore.TyreScore") == before
    assert aim.root.status["state"] == "failed"
    assert aim.recorded() == {}


def test_a_setting_that_is_not_allowed_fails_the_run_before_anything_is_written(aim):
    before = aim.root.tree()
    with environment(AIM_BATCH_SIZE="501"):
        result = aim.run(*LOADED)
    (sentence,) = sentences(result).values()
    assert sentence.startswith("AIM_BATCH_SIZE in the environment: ")
    assert aim.root.tree() == before


def test_a_range_of_dates_in_one_run_is_refused_before_anything_is_written(aim):
    before = aim.root.tree()
    dates = {"dagster/asset_partition_range_start": DATE, "dagster/asset_partition_range_end": "2025-06-11"}
    assert not aim.run(*LOADED, day=None, tags=dates).success
    assert aim.root.tree() == before
    assert aim.recorded() == {}


def test_a_warning_about_the_configuration_is_logged_once(aim):
    aim.root.give_config(BATCH_SIZE="many", UNHEARD_OF=1)
    result = aim.run(*LOADED, "tyre_scores")
    lines = [event.user_message for event in aim.instance.all_logs(result.run_id)]
    assert len([line for line in lines if line.startswith("config/aim-config.json: BATCH_SIZE")]) == 1
    assert len([line for line in lines if "UNHEARD_OF" in line]) == 1


@pytest.mark.parametrize("mode", ["GLOBAL", "PER_SEGMENT"])
def test_the_run_mode_comes_from_the_launch_and_not_from_the_environment(aim_that_ran, mode):
    five_cams(aim_that_ran.root)
    other = {"GLOBAL": "PER_SEGMENT", "PER_SEGMENT": "GLOBAL"}[mode]
    with environment(AIM_RUN_MODE=other):
        assert aim_that_ran.run("recommendations", run_mode=mode).success
    assert aim_that_ran.root.json("output/cost_report.json")["mode"] == mode


def test_a_launch_that_does_not_say_is_global_whatever_the_environment_and_the_json_say(aim_that_ran):
    five_cams(aim_that_ran.root)
    aim_that_ran.root.give_config(RUN_MODE="PER_SEGMENT")
    with environment(AIM_RUN_MODE="PER_SEGMENT"):
        assert aim_that_ran.run("recommendations").success
    assert aim_that_ran.root.json("output/cost_report.json")["mode"] == "GLOBAL"


def dry_lines(aim: Aim, result: dg.ExecuteInProcessResult) -> list[str]:
    messages = [event.user_message for event in aim.instance.all_logs(result.run_id)]
    return [message for message in messages if message.startswith("DRY RUN: ")]


def test_a_rehearsal_records_nothing_writes_two_files_and_lists_every_stage(aim):
    before = aim.root.tree()
    with environment(DRY_RUN="true"):
        result = aim.run()
    assert result.success
    assert aim.recorded() == {}
    assert evaluations(result) == {}
    after = aim.root.tree()
    assert after.keys() - before.keys() == {STATUS, MANIFEST}
    assert {name: after[name] for name in before} == before
    assert aim.root.manifest["dry_run"]
    assert aim.root.stages == [(number, "dry_run", 0) for number in ALL_STAGES]
    assert aim.root.status["state"] == "success"
    assert "report" not in aim.root.status
    lines = dry_lines(aim, result)
    assert "DRY RUN: would call Waves for 40 CAMs in 1 batches" in lines
    assert "DRY RUN: would execute assets/aim/sql/report_merchandising.sql" in lines
    files = [entry["file"] for entry in aim.root.manifest["sql_files"]]
    assert {f"DRY RUN: would execute {file}" for file in files} <= set(lines)


@pytest.mark.parametrize(
    ("assets", "stages"),
    [
        ((*LOADED, "tyre_scores"), [1, 2, 3]),
        (("recommendations", "analysis"), [4, 6]),
        (("car_sales", "merchandising_report"), [1, 9]),
        (("size_file",), [8]),
    ],
)
def test_a_rehearsal_of_some_assets_lists_their_stages_and_changes_nothing(aim_that_ran, assets, stages):
    before = aim_that_ran.root.tree(STATUS, MANIFEST)
    with environment(DRY_RUN="true"):
        result = aim_that_ran.run(*assets)
    assert result.success
    assert aim_that_ran.root.stages == [(number, "dry_run", 0) for number in stages]
    assert aim_that_ran.root.status["state"] == "success"
    assert aim_that_ran.root.tree(STATUS, MANIFEST) == before
    assert aim_that_ran.recorded() == {}


def test_a_rehearsal_without_an_input_fails_as_a_run_would(aim):
    aim.root.file("runlist/priority_runlist_current.csv").unlink()
    with environment(DRY_RUN="true"):
        result = aim.run()
    (sentence,) = sentences(result).values()
    assert "priority_runlist_current.csv does not exist" in sentence
    assert outcomes(aim) == {1: "dry_run", 2: "dry_run", 3: "dry_run", 4: "failed"}
    assert aim.root.status["state"] == "failed"


def test_a_rehearsal_speaks_of_the_run_mode_of_its_launch(aim):
    with environment(DRY_RUN="true"):
        lines = dry_lines(aim, aim.run(run_mode="PER_SEGMENT"))
    # The vehicles of two CAMs have no segment; the six segments have twelve pages each.
    assert "DRY RUN: would call Waves for 38 CAMs in 72 batches" in lines


def test_a_rehearsal_makes_no_call_and_a_run_one_login_and_one_batch(aim_that_ran):
    five_cams(aim_that_ran.root)
    with (
        serving(password=PASSWORD) as server,
        environment(AIM_MIN_SUCCESS_RATIO="0"),
    ):
        aim = aim_that_ran.with_waves(HttpWaves(url=server.url, password=PASSWORD))
        with environment(DRY_RUN="true"):
            assert aim.run("recommendations").success
        assert server.received == []
        assert aim.root.manifest["http_requests"] == []
        result = aim.run("recommendations")
    assert server.received
    asked = {
        (entry["method"], entry["path"]): entry["status"] for entry in aim.root.manifest["http_requests"]
    }
    assert asked == {("POST", "/login"): 200, ("POST", "/api/recommendations/batch"): 200}
    for event in aim.instance.all_logs(result.run_id):
        assert PASSWORD not in dg.serialize_value(event)
    assert PASSWORD not in dg.serialize_value(aim.instance.get_run_by_id(result.run_id))
    assert PASSWORD.encode() not in b"".join(content for content, _ in aim.root.tree().values())

"""The command line of aim: what is published, when nothing is, and what a second run of a date changes."""

import re
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from assets.aim.tables import SCORES
from resources.waves import Usage
from tests.assets.aim.aim_roots import COST_REPORT, DATE, WAREHOUSE, Root, run_in
from tests.resources.waves.loopback import serving

LISTS, HISTORY, CAM_SKU = "AIM.AIMData", "AIM.AIMData_history", "CAM_files.CAM_SKU"
OTHER_DAY = "2025-06-13"
NO_TYRE = ("FORD FOCUS", "999/99 R99")
# Filled anew by every run, with what that run looks at.
WORKING = ("AIM.aim_event_items", "AIM.aim_resolved_cams", "AIM.aim_size_keys", "AIM.aim_staged")


@pytest.fixture
def done(tmp_path: Path) -> Root:
    """A root after a full run."""
    return run_in(tmp_path)


def scores_of(root: Root) -> pl.DataFrame:
    with duckdb.connect(str(root.file(WAREHOUSE)), read_only=True) as connection:
        return connection.execute("SELECT * FROM {}.{}".format(*SCORES.split("."))).pl()


def published_tables(root: Root) -> dict[str, list[tuple[Any, ...]]]:
    return {name: rows for name, rows in root.tables().items() if not name.startswith(WORKING)}


def runlist_of(root: Root, good: int, bad: int) -> list[tuple[str, str]]:
    """The first CAMs that can be published, and then some of sizes that no tyre has."""
    unknown = [(vehicle, f"{900 + number}/99 R99") for number, (vehicle, _) in enumerate([NO_TYRE] * bad)]
    return root.published_cams()[:good] + unknown


def test_a_run_at_the_limit_publishes(done):
    done.give_runlist(runlist_of(done, good=8, bad=2))
    assert done.stage(4, AIM_MIN_SUCCESS_RATIO="0.8").code == 0
    assert done.status["progress"] == {"attempted": 10, "succeeded": 8, "failed": 2}
    assert len(done.table(LISTS)) == 8


@pytest.mark.parametrize("day", [DATE, OTHER_DAY])
def test_a_run_below_the_limit_publishes_nothing_and_says_so(done, day):
    before = published_tables(done)
    done.give_runlist(runlist_of(done, good=7, bad=3))
    outputs = {path.name for path in done.file("output").iterdir()}
    ended = done.run("--stage", "4", "--stage", "5", "--stage", "9", day=day)
    assert ended.code == 1
    assert "published nothing: 7 of 10 CAMs" in ended.sentence
    assert published_tables(done) == before
    assert {path.name for path in done.file("output").iterdir()} == outputs
    status = done.status
    assert (status["state"], status["output_file"]) == ("failed", None)
    assert status["progress"] == {"attempted": 10, "succeeded": 7, "failed": 3}
    for part in ("published nothing", "a ratio of 0.7", "NO_RESULTS: 3"):
        assert part in status["error_summary"]
    assert done.stages == [(4, "failed", 0)]
    assert status["report"] == done.json(COST_REPORT)
    assert status["report"]["run_id"] == status["run_id"]
    assert status["report"]["units"] == {"cams_attempted": 10, "cams_succeeded": 7}


@pytest.mark.parametrize("disposition", ["WRITE_TRUNCATE", "WRITE_APPEND"])
def test_when_the_last_statement_of_publishing_fails_no_table_has_changed(done, disposition):
    """CAM_SKU refuses what the merge brings, after the lists were replaced in the same transaction."""
    with duckdb.connect(str(done.file(WAREHOUSE))) as connection:
        columns = connection.execute(f"DESCRIBE {CAM_SKU}").fetchall()
        kinds = ", ".join(f'"{name}" {kind}' for name, kind, *_ in columns)
        connection.execute(f"DROP TABLE {CAM_SKU}")
        connection.execute(f"CREATE TABLE {CAM_SKU} ({kinds}, CHECK (SKU1 = 'nothing'))")
    before = published_tables(done)
    outputs = {path.name for path in done.file("output").iterdir()}
    ended = done.stage(4, day=OTHER_DAY, AIM_BQ_WRITE_DISPOSITION=disposition)
    assert ended.code == 1
    assert "merge_cam_sku.sql" in ended.sentence
    assert published_tables(done) == before
    assert {path.name for path in done.file("output").iterdir()} == outputs
    assert done.stages == [(4, "failed", 0)]


def test_the_limit_of_the_json_configuration_holds(done):
    done.give_runlist(runlist_of(done, good=9, bad=1))
    done.give_config(MIN_SUCCESS_RATIO=0.95)
    assert done.stage(4).code == 1
    assert "ratio of 0.9, and only one above 0 and of at least 0.95" in done.status["error_summary"]
    done.give_config(MIN_SUCCESS_RATIO=0.9)
    assert done.stage(4).code == 0


def test_a_limit_of_zero_still_publishes_no_empty_lists(done):
    before = published_tables(done)
    done.give_runlist(runlist_of(done, good=0, bad=3))
    assert done.stage(4, AIM_MIN_SUCCESS_RATIO="0").code == 1
    assert published_tables(done) == before


def test_an_outage_of_the_service_leaves_the_lists_and_reports_what_it_cost(done):
    before = published_tables(done)
    with serving(scores_of(done), cost=Usage(600, 400, 1000)) as server:
        # One batch in both passes is refused at once, of 40 CAMs in batches of 15.
        server.meet_with("ok", "400", "400", "ok", "400", "400")
        ended = done.stage(4, AIM_WAVES_URL=server.url, AIM_BATCH_SIZE="15", AIM_PARALLEL_BATCHES="1")
    assert ended.code == 1
    assert published_tables(done) == before
    assert re.search(r"published nothing.*BATCH_FAILED: \d+", done.status["error_summary"])
    usage = {"prompt_token_count": 1200, "candidates_token_count": 800, "total_token_count": 2000}
    assert done.json(COST_REPORT)["usage"] == usage
    assert done.json(COST_REPORT)["estimated_cost_gbp"] == 0.00032
    assert done.manifest["http_requests"] == [
        {"method": "POST", "path": "/api/recommendations/batch", "status": 200, "count": 2},
        {"method": "POST", "path": "/api/recommendations/batch", "status": 400, "count": 3},
    ]


def test_the_service_publishes_what_the_embedded_ranker_does(done):
    before = {name: done.table(name) for name in (LISTS, HISTORY, CAM_SKU)}
    with serving(scores_of(done), cost=Usage(60, 40, 100), password="a-password") as server:
        ended = done.stage(
            4, AIM_WAVES_URL=f"{server.url}/", AIM_SERVICE_PASSWORD="a-password", AIM_BATCH_SIZE="15"
        )
        assert {request.path for request in server.received} == {"/login", "/api/recommendations/batch"}
    assert ended.code == 0
    assert {name: done.table(name) for name in before} == before
    assert done.manifest["http_requests"] == [
        {"method": "POST", "path": "/api/recommendations/batch", "status": 200, "count": 4},
        {"method": "POST", "path": "/login", "status": 200, "count": 1},
    ]
    assert done.status["report"]["usage"]["total_token_count"] == 400
    lines = [line.split(":")[0] for line in ended.out.splitlines() if line.startswith("Processing")]
    assert sorted(lines[:3]) == [f"Processing batch {number}/3" for number in (1, 2, 3)]
    assert lines[3:] == ["Processing batch 1/1 of the second pass"]


def test_a_second_pass_gives_a_vehicle_its_list_after_all(done):
    vehicle = done.published_cams()[0][0]
    before = done.table(HISTORY)
    with serving(scores_of(done)) as server:
        server.rehearsal.failing[vehicle] = 1
        assert done.stage(4, AIM_WAVES_URL=server.url).code == 0
    assert done.table(HISTORY) == before


def test_a_vehicle_that_failed_twice_keeps_its_list_in_cam_sku_only(done):
    vehicle, size = done.published_cams()[0]
    before = done.table(CAM_SKU)
    done.give_runlist(done.published_cams())
    with serving(scores_of(done)) as server:
        server.rehearsal.failing[vehicle] = 1000
        assert done.stage(4, AIM_WAVES_URL=server.url, AIM_MIN_SUCCESS_RATIO="0.1").code == 0
    assert vehicle not in {row[0] for row in done.table(LISTS)}
    assert (vehicle, size) not in done.published_cams()
    assert done.table(CAM_SKU) == before


def test_a_service_that_refuses_the_password_fails_the_stage_with_a_report(done):
    before = published_tables(done)
    with serving(scores_of(done), password="a-password") as server:
        ended = done.stage(4, AIM_WAVES_URL=server.url, AIM_SERVICE_PASSWORD="a-wrong-passw0rd")
    assert ended.code == 1
    assert "check AIM_WAVES_URL and AIM_SERVICE_PASSWORD" in ended.sentence
    assert done.stages == [(4, "failed", 0)]
    assert done.status["report"]["units"] == {"cams_attempted": 0, "cams_succeeded": 0}
    assert published_tables(done) == before


@pytest.mark.parametrize("mode", ["GLOBAL", "PER_SEGMENT"])
def test_the_password_appears_nowhere(done, mode):
    secret = "a-passw0rd-that-nobody-may-see"
    (done.path.parent / ".env").write_text(f"AIM_SERVICE_PASSWORD={secret}\n", "utf-8")
    with serving(scores_of(done), password=secret) as server:
        server.meet_with("400")
        ended = done.run(AIM_WAVES_URL=server.url, AIM_RUN_MODE=mode, AIM_MIN_SUCCESS_RATIO="0.1")
    assert "AIM_SERVICE_PASSWORD=set (env)" in ended.out
    assert secret not in ended.out + ended.err
    for name, (content, _) in done.tree().items():
        assert secret.encode() not in content, name


def test_a_date_run_twice_leaves_the_same_rows(done):
    before, outputs, stages = done.tables(), done.outputs, done.stages
    assert done.run().code == 0
    assert done.tables() == before
    assert done.stages == stages
    assert done.outputs == outputs
    assert len(list(done.file("output").glob("results_*.csv"))) == 2
    results = {path.read_bytes() for path in done.file("output").glob("results_*.csv")}
    assert len(results) == 1


def test_two_dates_do_not_disturb_each_other(done):
    first = done.tables()
    assert done.run(day=OTHER_DAY).code == 0
    second = done.tables()
    for name in (
        HISTORY, "AIM.aim_validation_report", "AIM.aim-analysis-table", "AIM.aim_token_fact",
        "AIM.AIM-override-file", "AIM.AIM-override-file-size",
    ):  # fmt: skip
        assert set(first[name]) < set(second[name])
        assert len(second[name]) == 2 * len(first[name])
    assert done.run().code == 0
    assert done.tables()[HISTORY] == second[HISTORY]


def test_an_older_date_run_again_leaves_the_newer_lists(done):
    done.give_runlist(done.published_cams()[:5])
    assert done.stage(4, day=OTHER_DAY).code == 0
    newer, cam_sku = done.table(LISTS), done.table(CAM_SKU)
    assert len(newer) == 5
    done.give_runlist(done.published_cams()[:10])
    assert done.stage(4, AIM_MODEL_ENHANCER="Road").code == 0
    assert done.table(LISTS) == newer
    assert [row for row in done.table(CAM_SKU) if row[-1].day == 13] == [
        row for row in cam_sku if row[-1].day == 13
    ]
    assert done.query(f"SELECT run_date::TEXT, COUNT(*) FROM {HISTORY} GROUP BY ALL ORDER BY ALL") == [
        ("2025-06-10", 10), (OTHER_DAY, 5),
    ]  # fmt: skip


def test_appending_keeps_the_lists_of_other_cams(done):
    before = done.table(LISTS)
    cams = done.published_cams()
    done.give_runlist(cams[:3])
    assert done.stage(4, day=OTHER_DAY, AIM_BQ_WRITE_DISPOSITION="WRITE_APPEND").code == 0
    assert done.table(LISTS) == before
    assert done.stage(4, day=OTHER_DAY).code == 0
    assert {row[:2] for row in done.table(LISTS)} == set(cams[:3])


def test_write_empty_publishes_into_empty_lists_only_and_asks_nothing_otherwise(done):
    before = published_tables(done)
    with serving(scores_of(done), password="a-password") as server:
        given = {"AIM_BQ_WRITE_DISPOSITION": "WRITE_EMPTY", "AIM_WAVES_URL": server.url}
        ended = done.stage(4, **given)
        assert server.received == []
    assert ended.code == 1
    assert "AIM.AIMData has rows" in ended.sentence
    assert published_tables(done) == before
    with duckdb.connect(str(done.file(WAREHOUSE))) as connection:
        connection.execute("TRUNCATE AIM.AIMData")
    assert done.stage(4, AIM_BQ_WRITE_DISPOSITION="WRITE_EMPTY").code == 0
    assert done.table(LISTS) == before[LISTS]


def test_a_table_of_another_form_is_found_before_the_service_is_asked(done):
    with duckdb.connect(str(done.file(WAREHOUSE))) as connection:
        connection.execute("ALTER TABLE CAM_files.CAM_SKU RENAME COLUMN SKU24 TO SKU_24")
    before = published_tables(done)
    with serving(scores_of(done)) as server:
        ended = done.stage(4, AIM_WAVES_URL=server.url)
        assert server.received == []
    assert ended.code == 1
    assert "CAM_files.CAM_SKU has the columns Make, Model" in ended.sentence
    assert published_tables(done) == before


def test_segments_are_asked_in_order_each_for_so_many_of_its_cams(done):
    segments = dict(done.query('SELECT vehicle, Segment FROM "AIM"."aim-vehiclemapping"'))
    ranked = done.published_cams()
    assert done.stage(4, AIM_RUN_MODE="PER_SEGMENT", AIM_TOTAL_PER_SEGMENT="2", AIM_PAGE_SIZE="1").code == 0
    cams = done.published_cams()
    # A CAM without a list, which takes one of the two places, is not among the ranked ones here.
    names = sorted({segment for segment in segments.values() if segment})
    best = [[cam for cam in ranked if segments.get(cam[0]) == name][:2] for name in names]
    assert cams == [cam for of_segment in best for cam in of_segment if cam in cams]
    found = [segments[vehicle] for vehicle, _ in cams]
    assert found == sorted(found)
    assert len(set(found)) > 1
    assert max(map(found.count, found)) == 2
    assert done.status["report"]["mode"] == "PER_SEGMENT"


def test_an_unknown_segment_is_a_warning_and_the_others_are_published(done):
    segments = dict(done.query('SELECT vehicle, Segment FROM "AIM"."aim-vehiclemapping"'))
    wanted = segments[done.published_cams()[0][0]]
    ended = done.stage(4, AIM_RUN_MODE="PER_SEGMENT", AIM_LIMIT_SEGMENTS=f"Hovercraft, {wanted}")
    assert ended.code == 0
    assert "warning: There is no segment Hovercraft" in ended.err
    assert {segments[vehicle] for vehicle, _ in done.published_cams()} == {wanted}


def test_segments_that_are_all_unknown_publish_nothing(done):
    before = published_tables(done)
    ended = done.stage(4, AIM_RUN_MODE="PER_SEGMENT", AIM_LIMIT_SEGMENTS="Hovercraft")
    assert ended.code == 1
    assert "published nothing: it had no CAM to ask for" in ended.sentence
    assert published_tables(done) == before


def test_the_service_has_segments_and_cams_of_its_own(done):
    scores = scores_of(done)
    done.file("runlist/priority_runlist_current.csv").unlink()
    with serving(scores, cost=Usage(60, 40, 100)) as server:
        ended = done.stage(
            4, AIM_RUN_MODE="PER_SEGMENT", AIM_WAVES_URL=server.url, AIM_TOTAL_PER_SEGMENT="5",
            AIM_PAGE_SIZE="3", AIM_SEASON="winter", AIM_MIN_SUCCESS_RATIO="0.2",
        )  # fmt: skip
        offered, queries = server.rehearsal.segments(), [r.query for r in server.received if r.query]
    assert ended.code == 0
    asked = sorted((query["segment"], query["offset"], query["top_n"]) for query in queries)
    assert asked == sorted(page for name in offered for page in ((name, "0", "3"), (name, "3", "2")))
    assert {query["season"] for query in queries} == {"Winter"}
    requests = {request["path"]: request["count"] for request in done.manifest["http_requests"]}
    assert requests == {"/app": 1, "/api/recommendations": 2 * len(offered)}
    assert done.status["progress"]["succeeded"] == len(done.table(LISTS)) > 0
    known = {f"{vehicle} {size}" for vehicle, size in scores.select("Vehicle", "SIZE").iter_rows()}
    assert {f"{vehicle} {size}" for vehicle, size in done.published_cams()} <= known


def test_a_page_that_failed_is_told_without_vehicle_and_size(done):
    with serving(scores_of(done)) as server:
        server.meet_with("404")
        ended = done.stage(
            4, AIM_RUN_MODE="PER_SEGMENT", AIM_WAVES_URL=server.url, AIM_MIN_SUCCESS_RATIO="0.01"
        )
    assert ended.code == 0
    assert ended.err.count("warning: A CAM without a name: BATCH_FAILED\n") == 3
    assert "None" not in ended.err


def test_a_cam_that_two_segments_hold_is_attempted_once(done):
    elsewhere = pl.when(pl.col("ProductId") % 2 == 0).then(pl.lit("Everything")).otherwise("Segment")
    with serving(scores_of(done).with_columns(Segment=elsewhere)) as server:
        ended = done.stage(
            4, AIM_RUN_MODE="PER_SEGMENT", AIM_WAVES_URL=server.url, AIM_MIN_SUCCESS_RATIO="0.1"
        )
    assert ended.code == 0
    failed = sum(map(int, re.findall(r"^warning: [A-Z_]+: (\d+) CAMs are not", ended.err, re.MULTILINE)))
    succeeded = len(done.table(LISTS))
    progress = {"attempted": succeeded + failed, "succeeded": succeeded, "failed": failed}
    assert done.status["progress"] == progress


def test_an_installation_may_call_its_tables_otherwise(tmp_path, done):
    usual = done.tables()
    other = run_in(tmp_path / "other")
    other.file(WAREHOUSE).unlink()
    names = {
        "AIM_DATASET_ID": "Shop", "AIM_TABLE_ID": "best-lists", "CAM_TABLE_ID": "a-project.site.CAM_LISTS",
    }  # fmt: skip
    assert other.run(**names).code == 0
    renamed = other.tables()
    expected = {
        HISTORY: "Shop.best-lists_history", LISTS: "Shop.best-lists", CAM_SKU: "site.CAM_LISTS",
    }  # fmt: skip
    assert renamed == {
        expected.get(name, re.sub(r"^AIM\.", "Shop.", name)): rows for name, rows in usual.items()
    }


def test_a_broken_claim_fails_stage_5_with_its_report_and_stops_the_run(done):
    before = published_tables(done)
    with duckdb.connect(str(done.file(WAREHOUSE))) as connection:
        connection.execute("UPDATE AIM.AIMData_history SET HB1 = HB2 WHERE position = 1")
    ended = done.run("--stage", "5", "--stage", "6")
    assert ended.code == 1
    vehicle, size = done.published_cams()[0]
    assert f"no_sku_appears_twice_in_a_row for 1 of {len(before[HISTORY])} lists" in ended.sentence
    assert f"({vehicle}|{size})" in ended.sentence
    assert done.stages == [(5, "failed", 0)]
    report = {row[1]: row[3] for row in done.table("AIM.aim_validation_report")}
    assert report["no_sku_appears_twice_in_a_row"] == "fail"
    assert published_tables(done)["AIM.aim-analysis-table"] == before["AIM.aim-analysis-table"]

"""aim in the cloud: the command line and Dagster publish there what a local run of the same inputs does.

Every whole run leaves the tables as they were after the first one, and the other runs change none of them, so
the tests share one cloud and may come in any order.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets.aim.tables import EVENT_ITEMS, LIST_HISTORY, MERCHANDISING_REPORT
from definitions import build_defs
from resources.warehouse import DuckDBWarehouse
from resources.waves.remote import BATCH_PATH
from tests.assets.aim.aim_roots import (
    COST_REPORT,
    DATE,
    MANIFEST,
    SQL,
    STATUS,
    WAREHOUSE,
    Finished,
    run_in,
)
from tests.resources.waves.loopback import PASSWORD
from tests.services.aim_clouds import (
    FILES,
    PREFIX,
    Cloud,
    State,
    give_mapping,
    in_order,
    opened_cloud,
    tables_of,
)

pytestmark = pytest.mark.services

MAIN = Path(__file__).parents[2] / "aim-job" / "main.py"


@pytest.fixture(scope="module")
def opened(
    bigquery_endpoint: str, gcs_endpoint: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    local = run_in(tmp_path_factory.mktemp("local"))
    with opened_cloud(bigquery_endpoint, gcs_endpoint, local) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def ran(opened: Cloud) -> tuple[Finished, State]:
    """The first whole run, and what it left."""
    return opened.run(), opened.state()


@pytest.fixture
def ended(ran: tuple[Finished, State]) -> Finished:
    return ran[0]


@pytest.fixture
def left(ran: tuple[Finished, State]) -> State:
    return ran[1]


@pytest.fixture
def cloud(opened: Cloud, ran: tuple[Finished, State], monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """The cloud after at least one whole run."""
    assert ran[0].code == 0, ran[0].err
    for name, value in opened.google.items():
        monkeypatch.setenv(name, value)
    return opened


@pytest.fixture
def expected(opened: Cloud) -> dict[str, pl.DataFrame]:
    """The tables of the local run."""
    return tables_of(DuckDBWarehouse(path=str(opened.local.file(WAREHOUSE))))


def assert_same_rows(tables: dict[str, pl.DataFrame], expected: dict[str, pl.DataFrame]) -> None:
    assert tables.keys() == expected.keys()
    for table, rows in expected.items():
        assert not rows.is_empty(), table
        assert_frame_equal(tables[table], rows, check_exact=True)


def test_a_run_in_the_cloud_leaves_the_rows_of_a_local_run_in_every_table(ended, left, expected):
    assert ended.code == 0, ended.err
    assert_same_rows(left.tables, expected)


def test_its_files_lie_under_the_prefix_of_the_bucket_and_read_as_the_local_ones(opened, left):
    run_id, local = left.json(STATUS)["run_id"], opened.local
    written = {
        "output/results_": left.json(STATUS)["output_file"],
        "output/cam_sku_": f"cam_sku_{run_id}.csv",
    }
    for beginning, name in written.items():
        own = local.file(f"{beginning}{local.status['run_id']}.csv")
        assert left.file(f"output/{name}") == own.read_bytes()
    outputs = {uri for uri in left.objects if uri.startswith(f"gs://{FILES}/{PREFIX}output/")}
    assert len(outputs) == 5


def test_its_status_and_cost_report_tell_of_the_service(left):
    status = left.json(STATUS)
    assert (status["state"], status["progress"]) == (
        "success",
        {"attempted": 40, "succeeded": 39, "failed": 1},
    )
    report = left.json(COST_REPORT)
    assert status["report"] == report
    assert report["usage"] == {
        "prompt_token_count": 3_000_000,
        "candidates_token_count": 300_000,
        "total_token_count": 3_300_000,
    }
    assert report["estimated_cost_gbp"] == 2.1  # 3 x 0.5 + 0.3 x 2


def test_its_manifest_counts_what_the_service_was_asked(opened, left):
    manifest, own = left.json(MANIFEST), opened.local.manifest
    assert (manifest["mode"], manifest["dry_run"]) == ("cloud", False)
    # Two batches, and a second pass for the CAM that cannot be had.
    assert manifest["http_requests"] == [
        {"method": "POST", "path": BATCH_PATH, "status": 200, "count": 3},
        {"method": "POST", "path": "/login", "status": 200, "count": 1},
    ]
    asked = Counter((request.method, request.path) for request in left.received)
    assert asked == {("POST", BATCH_PATH): 3, ("POST", "/login"): 1}
    assert [(stage["stage"], stage["outcome"], stage["rows"]) for stage in manifest["stages"]] == (
        opened.local.stages
    )
    local_only, cloud_only = ("collect_event_items", "read_scores"), ("collect_ga4_event_items",)
    names = [{file["file"] for file in files["sql_files"]} for files in (own, manifest)]
    assert names[0] - names[1] == {f"{SQL}/{name}.sql" for name in local_only}
    assert names[1] - names[0] == {f"{SQL}/{name}.sql" for name in cloud_only}


def test_the_configuration_lies_beside_the_files_and_beats_the_environment(ended):
    assert "  AIM_BATCH_SIZE=20 (json)\n" in ended.out
    assert "  AIM_GA4_DATASET=analytics_123 (env)\n" in ended.out


def test_an_identity_token_that_cannot_be_had_is_a_warning(ended, left):
    warnings = [line for line in ended.err.splitlines() if "identity token" in line]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: Google gave no identity token (DefaultCredentialsError)")
    assert not [request for request in left.received if "authorization" in request.headers]


def test_the_password_is_sent_to_the_login_and_told_nobody_else(ended, left):
    assert [request.path for request in left.received if PASSWORD.encode() in request.body] == ["/login"]
    assert "  AIM_SERVICE_PASSWORD=set (env)\n" in ended.out
    assert PASSWORD not in ended.out + ended.err
    assert not [uri for uri, content in left.objects.items() if PASSWORD.encode() in content]


def test_another_run_with_runlist_and_configuration_elsewhere_leaves_the_same_rows(cloud, expected, tmp_path):
    before = cloud.state()
    places = {
        "CONFIG_GCS_URI": "gs://aim-settings/aim.json",
        "AIM_PRIORITY_RUNLIST_GCS_URI": "gs://aim-settings/lists/cams.csv",
    }
    machine = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        [sys.executable, MAIN, "--run-date", DATE],
        check=False,
        cwd=tmp_path,
        env=machine | cloud.google | cloud.environment | places,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    after = cloud.state()
    assert_same_rows(after.tables, expected)
    assert "  AIM_BATCH_SIZE=16 (json)\n" in done.stdout
    assert "\nlists/cams.csv: 45 rows read" in done.stdout
    assert after.asked_since(before) == [("POST", "/login"), *[("POST", BATCH_PATH)] * 4]
    assert PASSWORD not in done.stdout + done.stderr
    assert not list(tmp_path.glob("*.duckdb"))


def test_dagster_leaves_the_same_rows_and_its_book_in_the_bucket(cloud, expected, monkeypatch):
    given = cloud.environment | {"QUINTET_DEPLOYMENT": "gcp"}
    del given["AIM_RUN_MODE"]  # Dagster's launches are GLOBAL without it.
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        result = (
            build_defs().resolve_job_def("run_aim").execute_in_process(partition_key=DATE, instance=instance)
        )
        told = "\n".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert len(result.get_asset_materialization_events()) == 11
    after = cloud.state()
    assert_same_rows(after.tables, expected)
    assert after.json(STATUS)["state"] == "success"
    manifest = after.json(MANIFEST)
    assert manifest["mode"] == "cloud"
    assert [stage["stage"] for stage in manifest["stages"]] == list(range(1, 10))
    assert [request["count"] for request in manifest["http_requests"]] == [3, 1]
    assert PASSWORD not in told
    assert not [uri for uri, content in after.objects.items() if PASSWORD.encode() in content]


def test_a_dry_run_asks_nobody_and_writes_its_two_files_alone(cloud):
    before = cloud.state()
    ended = cloud.run(DRY_RUN="true")
    assert ended.code == 0, ended.err
    after = cloud.state()
    assert after.asked_since(before) == []
    assert_same_rows(after.tables, before.tables)
    assert after.changed_since(before) == {STATUS, MANIFEST}
    assert (after.json(MANIFEST)["dry_run"], after.json(MANIFEST)["http_requests"]) == (True, [])
    assert "DRY RUN: would call Waves for 40 CAMs in 2 batches" in ended.out
    assert f"DRY RUN: would execute {SQL}/collect_ga4_event_items.sql" in ended.out


def test_a_service_that_fails_publishes_nothing_and_leaves_the_lists_of_the_day_before(cloud):
    before = cloud.state()
    cloud.waves.meet_with(*["403"] * 4)
    ended = cloud.run("--run-date", "2025-06-11", "--stage", "4", "--stage", "5")
    assert ended.code == 1
    after = cloud.state()
    status = after.json(STATUS)
    assert status["state"] == "failed"
    assert "published nothing" in status["error_summary"]
    assert "BATCH_FAILED: 40" in status["error_summary"]
    assert [stage["outcome"] for stage in after.json(MANIFEST)["stages"]] == ["failed"]
    assert after.json(MANIFEST)["http_requests"][0] == {
        "method": "POST", "path": BATCH_PATH, "status": 403, "count": 4,
    }  # fmt: skip
    assert_same_rows(after.tables, before.tables)
    assert set(after.tables[LIST_HISTORY]["run_date"].cast(pl.String)) == {DATE}
    assert after.changed_since(before) == {STATUS, MANIFEST, COST_REPORT}


def test_a_wrong_password_fails_the_run_before_a_list_is_asked_for(cloud):
    before = cloud.state()
    ended = cloud.run("--stage", "4", AIM_SERVICE_PASSWORD="of-another-service")
    assert ended.code == 1
    assert "POST /login answered 401" in ended.sentence
    after = cloud.state()
    assert after.asked_since(before) == [("POST", "/login")]
    assert_same_rows(after.tables, before.tables)
    assert "of-another-service" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"PROJECT_ID": ""}, "PROJECT_ID"),
        ({"AIM_BUCKET_NAME": " "}, "AIM_BUCKET_NAME"),
        ({"AIM_WAVES_URL": ""}, "AIM_WAVES_URL"),
        ({"TYRESCORE_BUCKET": ""}, "TYRESCORE_BUCKET"),
        ({"PROJECT_ID": "", "AIM_WAVES_URL": ""}, "PROJECT_ID, AIM_WAVES_URL"),
        ({"CONFIG_GCS_URI": "config/aim-config.json"}, "CONFIG_GCS_URI"),
        ({"AIM_GCS_PREFIX": "../other"}, "AIM_GCS_PREFIX"),
    ],
)
def test_a_run_that_lacks_a_setting_ends_with_2_and_writes_nothing(cloud, settings, named):
    before = cloud.objects(), len(cloud.waves.received)
    ended = cloud.run(**settings)
    assert ended.code == 2
    assert named in ended.sentence
    assert (cloud.objects(), len(cloud.waves.received)) == before


def test_without_the_feeds_no_bucket_of_feeds_is_needed(cloud):
    assert cloud.run("--stage", "2", TYRESCORE_BUCKET="").code == 0


@pytest.mark.parametrize("dry_run", ["false", "true"])
def test_a_reference_table_that_is_missing_fails_a_run_and_a_dry_run(cloud, dry_run):
    ended = cloud.run("--stage", "9", AIM_DATASET_ID="Empty", DRY_RUN=dry_run)
    assert ended.code == 1
    assert ended.sentence == (
        "aim-job/main.py: Empty.aim-vehiclemapping does not exist; make it, with the columns of "
        "reference/vehicle_mapping.csv, or name another dataset"
    )


def test_tables_of_another_dataset_know_no_views_without_the_events_and_the_same_ones_with_them(
    cloud, expected
):
    give_mapping(cloud, "Other")
    report, items = (table.replace("AIM.", "Other.", 1) for table in (MERCHANDISING_REPORT, EVENT_ITEMS))
    ended = cloud.run("--stage", "9", AIM_DATASET_ID="Other")
    assert ended.code == 0, ended.err
    assert_frame_equal(in_order(cloud.warehouse.rows(report)), expected[MERCHANDISING_REPORT])
    ended = cloud.run("--stage", "9", AIM_DATASET_ID="Other", AIM_GA4_DATASET="")
    assert ended.code == 0
    assert "warning: AIM_GA4_DATASET is not set: the run knows no views and no purchases\n" in ended.err
    assert [cloud.warehouse.count(table) for table in (report, items)] == [0, 0]

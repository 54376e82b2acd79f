"""The assets of aim as Dagster knows them: keys, partitions, columns, and what a run records for people."""

import json
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from assets.aim.assets import ASSETS
from assets.aim.partitions import run_dates
from assets.aim.runlist import read_runlist
from assets.aim.settings import VARIABLES
from assets.aim.tables import SCHEMAS
from assets.pictures import PICTURE_CAP
from tests.assets.aim.aim_roots import DATE, RUNLIST
from tests.assets.aim.dagster_runs import (
    EVERY,
    LOADED,
    RECOMMENDED,
    WRITTEN,
    Aim,
    changing,
    deployed_root,
    environment,
    failing,
    five_cams,
    key,
    opened_aim,
)

pytestmark = pytest.mark.materialise

NEXT_DATE = "2025-06-13"
SECRET = "a-passw0rd-that-nobody-may-see"
TABLES = {
    "car_sales": "nexus_tyrescore.CarMakeModelSales",
    "tyre_feed": "nexus_tyrescore.TyreScore",
    "tyre_scores": "nexus_tyrescore.TyreScore_algorithm_output",
    "recommendations": "AIM.AIMData_history",
    "cam_sku": "CAM_files.CAM_SKU",
    "validation_report": "AIM.aim_validation_report",
    "analysis": "AIM.aim-analysis-table",
    "token_fact": "AIM.aim_token_fact",
    "override_file": "AIM.AIM-override-file",
    "size_file": "AIM.AIM-override-file-size",
    "merchandising_report": "AIM.aim-merchandising-report",
}
SNAPSHOTS = {
    "recommendations": "run_date",
    "validation_report": "run_date",
    "analysis": "Today",
    "token_fact": "snapshot_date",
    "override_file": "Today",
    "size_file": "Start_date",
}
DEPENDENCIES = {
    "car_sales": set(),
    "tyre_feed": set(),
    "tyre_scores": {"car_sales", "tyre_feed"},
    "recommendations": {"tyre_scores"},
    "cam_sku": {"tyre_scores"},
    "validation_report": {"recommendations", "tyre_scores"},
    "analysis": {"recommendations", "validation_report"},
    "token_fact": {"recommendations", "validation_report"},
    "override_file": {"recommendations", "validation_report"},
    "size_file": {"recommendations", "validation_report"},
    "merchandising_report": {"validation_report"},
}


@pytest.fixture
def aim(tmp_path):
    with opened_aim(tmp_path) as aim:
        yield aim


@pytest.fixture
def aim_that_ran(tmp_path):
    """On a root where the command line has made a full run of which Dagster knows nothing."""
    with opened_aim(tmp_path, has_run=True) as aim:
        yield aim


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """A run of all assets that cost money and where one vehicle failed, under a secret."""
    folder = tmp_path_factory.mktemp("whole")
    with environment(AIM_SERVICE_PASSWORD=SECRET, AIM_MIN_SUCCESS_RATIO="0.5"), opened_aim(folder) as aim:
        costly = failing(first_vehicle(aim), prompt_tokens=1_000_000)
        yield aim, aim.with_waves(costly).run()


def first_vehicle(aim: Aim) -> str:
    """The vehicle of the best-ranked CAM."""
    with aim.root.file(RUNLIST).open("rb") as stream:
        return read_runlist(stream, RUNLIST, 1).cams["Vehicle"][0]


def records_of(value: dg.MetadataValue) -> list[dict[str, Any]]:
    assert isinstance(value, dg.TableMetadataValue)
    return [dict(record.data) for record in value.records]


def rows_in(aim: Aim, name: str, day: str = DATE) -> int:
    """The rows of an asset's table; of one that keeps all run dates those of a date."""
    schema, table = TABLES[name].split(".")
    where = f"WHERE {SNAPSHOTS[name]} = '{day}'" if name in SNAPSHOTS else ""
    return aim.root.query(f'SELECT COUNT(*) FROM "{schema}"."{table}" {where}')[0][0]


def test_there_are_eleven_assets_in_one_group_and_one_pool_with_their_dependencies():
    graph = {
        asset.path[-1]: {parent.path[-1] for parent in definition.asset_deps[asset]}
        for definition in ASSETS
        for asset in definition.keys
    }
    assert graph == DEPENDENCIES
    assert {asset for definition in ASSETS for asset in definition.keys} == {key(name) for name in EVERY}
    assert {spec.group_name for definition in ASSETS for spec in definition.specs} == {"aim"}
    assert {definition.op.pool for definition in ASSETS} == {"aim"}


@pytest.mark.parametrize("pair", [LOADED, RECOMMENDED, WRITTEN])
def test_what_is_published_in_one_transaction_is_one_multi_asset_that_can_be_selected_in_part(pair):
    (definition,) = [each for each in ASSETS if key(pair[0]) in each.keys]
    assert definition.keys == {key(name) for name in pair}
    assert definition.can_subset


def test_a_partition_is_a_london_date_and_today_is_one_from_midnight_on():
    assert isinstance(run_dates, dg.DailyPartitionsDefinition)
    assert (run_dates.start.strftime("%Y-%m-%d"), run_dates.timezone) == ("2025-01-01", "Europe/London")
    # Half an hour before and after midnight in London, in summer.
    keys = [
        run_dates.get_partition_keys(current_time=datetime(2025, 6, 9, hour, 30, tzinfo=UTC))
        for hour in (22, 23)
    ]
    assert [(dates[0], dates[-1]) for dates in keys] == [
        ("2025-01-01", "2025-06-09"),
        ("2025-01-01", "2025-06-10"),
    ]
    assert all(spec.partitions_def == run_dates for definition in ASSETS for spec in definition.specs)


def test_every_asset_declares_its_table_and_its_columns():
    for definition in ASSETS:
        for spec in definition.specs:
            table = TABLES[spec.key.path[-1]]
            schema = spec.metadata["dagster/column_schema"]
            assert spec.metadata["dagster/table_name"] == table
            assert {column.name: column.type for column in schema.columns} == dict(SCHEMAS[table])


def test_a_whole_run_records_every_asset_with_its_rows_and_a_preview(whole_run):
    aim, result = whole_run
    assert result.success
    assert aim.recorded() == {name: {DATE} for name in EVERY}
    for name in EVERY:
        numbers, metadata = aim.numbers(name), aim.metadata(name)
        assert numbers["dagster/row_count"] == rows_in(aim, name) > 0, name
        assert numbers["table"] == TABLES[name]
        assert len(records_of(metadata["preview"])) == min(5, rows_in(aim, name))
        declared = list(SCHEMAS[TABLES[name]])
        shown = [column.name for column in metadata["preview"].schema.columns]
        assert [column for column in shown if column in declared] == declared, name


def test_the_preview_of_the_lists_is_the_head_of_the_runlist(whole_run):
    aim, _ = whole_run
    assert [row["position"] for row in records_of(aim.metadata("recommendations")["preview"])] == [
        1,
        2,
        3,
        4,
        5,
    ]


def test_the_feeds_are_recorded_with_their_files_and_rejected_rows(whole_run):
    aim, _ = whole_run
    for name, word in zip(LOADED, ("CarMakeModelSales", "TyreScore"), strict=True):
        numbers = aim.numbers(name)
        assert numbers["file"] == f"tyrescore-AWS3-daily-files/20250610_{word}.csv"
        assert numbers["rejected_rows"] == 1


def test_recommendations_are_recorded_with_what_was_asked_what_came_and_what_it_cost(whole_run):
    aim, _ = whole_run
    numbers, cost = aim.numbers(), aim.root.json("output/cost_report.json")
    assert numbers["attempted"] == cost["units"]["cams_attempted"]
    assert numbers["succeeded"] == cost["units"]["cams_succeeded"] == rows_in(aim, "recommendations")
    assert numbers["failed"] == numbers["attempted"] - numbers["succeeded"] > 0
    assert numbers["estimated_cost_gbp"] == cost["estimated_cost_gbp"] == 0.14501
    codes = records_of(aim.metadata("recommendations")["failures_by_error_code"])
    assert sum(code["count"] for code in codes) == numbers["failed"]
    assert "UPSTREAM_ERROR" in {code["error_code"] for code in codes}
    ids = [
        cell
        for row in aim.root.table("AIM.AIMData_history")
        for cell in row[4:]
        if cell != "-"
    ]  # fmt: skip
    best = {str(row[1]) for row in aim.root.table(TABLES["tyre_scores"]) if row[0] == "1.BEST TYRE SCORE"}
    assert numbers["distinct_skus"] == len(set(ids))
    assert numbers["share_of_best"] == round(sum(cell in best for cell in ids) / len(ids), 4)
    assert 0 < numbers["share_of_best"] < 1
    changes = {name: numbers[name] for name in ("added", "changed", "gone")}
    assert changes == {"added": numbers["succeeded"], "changed": 0, "gone": 0}
    assert numbers["run_id"] == aim.root.status["run_id"]


def test_the_settings_of_a_run_are_recorded_with_their_origins(whole_run):
    aim, _ = whole_run
    settings = {row["variable"]: row for row in records_of(aim.metadata("recommendations")["settings"])}
    assert settings.keys() == {variable.name for variable in VARIABLES.values()}
    shown = {name: (settings[name]["value"], settings[name]["origin"]) for name in settings}
    assert shown["AIM_RUN_MODE"] == ("GLOBAL", "flag")
    assert shown["AIM_MIN_SUCCESS_RATIO"] == ("0.5", "env")
    assert shown["AIM_BATCH_SIZE"] == ("500", "default")
    assert shown["AIM_SERVICE_PASSWORD"] == ("set", "env")


def test_cam_sku_is_recorded_with_what_the_merge_did(whole_run):
    aim, _ = whole_run
    numbers = aim.numbers("cam_sku")
    assert numbers["inserted"] == rows_in(aim, "cam_sku") > 0
    assert (numbers["replaced"], numbers["untouched"]) == (0, 0)


def test_every_picture_is_markdown_within_its_cap(whole_run):
    aim, _ = whole_run
    pictures = [
        aim.numbers("tyre_scores")["picture"],
        aim.numbers("recommendations")["picture"],
        aim.numbers("recommendations")["success_and_cost"],
    ]
    names = [
        "Scored products by tier and grade",
        "Filled slots by position",
        "Success and cost of the last 1 runs",
    ]
    for picture, name in zip(pictures, names, strict=True):
        assert picture.startswith(f"![{name}](data:image/png;base64,")
        assert len(picture.encode()) <= PICTURE_CAP


def test_the_metadata_of_an_asset_stays_small(whole_run):
    aim, _ = whole_run
    for name in EVERY:
        event = aim.instance.get_latest_materialization_event(key(name))
        assert len(dg.serialize_value(event)) < 3 * PICTURE_CAP, name


def test_no_secret_is_in_the_events_the_run_or_the_files(whole_run):
    aim, result = whole_run
    run = aim.instance.get_run_by_id(result.run_id)
    events = aim.instance.all_logs(result.run_id)
    assert "AIM_SERVICE_PASSWORD=set (env)" in "".join(event.user_message for event in events)
    for text in (dg.serialize_value(run), *(dg.serialize_value(event) for event in events)):
        assert SECRET not in text
    for path in aim.root.file("output").iterdir():
        assert SECRET not in path.read_text()


def test_the_settings_are_logged_once_for_a_run(whole_run):
    aim, result = whole_run
    lines = [event.user_message for event in aim.instance.all_logs(result.run_id)]
    (line,) = [line for line in lines if line.startswith("Settings of run ")]
    assert "AIM_RUN_MODE=GLOBAL (flag)" in line
    assert "AIM_BATCH_SIZE=500 (default)" in line


def test_a_second_run_shows_what_changed_and_the_success_and_cost_of_both(aim_that_ran):
    vehicles = five_cams(aim_that_ran.root)
    assert aim_that_ran.run("recommendations", day=NEXT_DATE).success
    again = aim_that_ran.with_waves(failing(vehicles[0], prompt_tokens=1_000_000))
    assert again.run("recommendations", day="2025-06-17").success
    numbers = again.numbers()
    assert (numbers["attempted"], numbers["succeeded"]) == (5, 4)
    assert (numbers["added"], numbers["changed"], numbers["gone"]) == (0, 0, 1)
    assert numbers["success_and_cost"].startswith("![Success and cost of the last 2 runs](")
    merged = again.numbers("cam_sku")
    assert (merged["inserted"], merged["replaced"]) == (0, 4)
    assert merged["untouched"] == rows_in(again, "cam_sku") - 4


@pytest.mark.parametrize(
    ("one", "pair"),
    [("tyre_feed", LOADED), ("car_sales", LOADED), ("cam_sku", RECOMMENDED), ("size_file", WRITTEN)],
)
def test_one_of_a_pair_makes_and_records_both(aim_that_ran, one, pair):
    for name in pair:
        schema, table = TABLES[name].split(".")
        with changing(aim_that_ran.root) as connection:
            connection.execute(f'DELETE FROM "{schema}"."{table}"')
    assert aim_that_ran.run(one).success
    assert aim_that_ran.recorded() == {name: {DATE} for name in pair}
    for name in pair:
        assert aim_that_ran.numbers(name)["dagster/row_count"] == rows_in(aim_that_ran, name) > 0


def test_a_date_that_runs_twice_leaves_the_same_tables(aim):
    assert aim.run().success
    before = aim.root.tables()
    assert aim.run().success
    assert aim.root.tables() == before
    assert aim.recorded() == {name: {DATE} for name in EVERY}


def test_two_dates_are_kept_side_by_side_and_the_shop_shows_the_later_one(aim_that_ran):
    aim = aim_that_ran
    first = aim.root.table("AIM.AIMData_history")
    five_cams(aim.root)
    assert aim.run(*EVERY[3:], day=NEXT_DATE).success
    assert aim.recorded()["token_fact"] == {NEXT_DATE}
    history = aim.root.table("AIM.AIMData_history")
    assert [row for row in history if str(row[0]) == DATE] == first
    assert rows_in(aim, "recommendations", NEXT_DATE) == 5
    lists = {row[2:] for row in history if str(row[0]) == NEXT_DATE}
    assert set(aim.root.table("AIM.AIMData")) == lists
    # The older date again, of all that its runlist had: the lists that the shop shows stay.
    assert aim.run(*RECOMMENDED, day=DATE).success
    assert set(aim.root.table("AIM.AIMData")) == lists
    for name in SNAPSHOTS:
        assert rows_in(aim, name, DATE) > 0
        assert rows_in(aim, name, NEXT_DATE) > 0


@pytest.mark.parametrize("deployment", ["local", "test"])
def test_without_a_local_root_everything_lies_below_the_home(isolated_environment, deployment):
    from definitions import build_defs

    root = deployed_root(isolated_environment)
    before = root.tree()
    with environment(QUINTET_DEPLOYMENT=deployment), dg.DagsterInstance.ephemeral() as instance:
        aim = Aim(build_defs(), root, instance)
        assert aim.run("car_sales").success
    assert root.tree().keys() - before.keys() == {
        "output/job_status.json",
        "output/run_manifest.json",
        "warehouse.duckdb",
    }
    assert root.table(TABLES["car_sales"])
    assert [path.name for path in isolated_environment.iterdir()] == ["storage"]


def test_a_local_root_takes_files_and_warehouse(aim, tmp_path):
    there = deployed_root(tmp_path / "elsewhere")
    before = aim.root.tree()
    with environment(AIM_LOCAL_ROOT=str(there.path)):
        assert aim.run("car_sales").success
    assert aim.root.tree() == before
    assert there.table(TABLES["car_sales"])
    assert there.status["state"] == "success"
    assert not (tmp_path / "warehouse").exists()


def test_resources_of_a_caller_are_used_where_they_are(tmp_path):
    from definitions import build_defs
    from resources.object_store import LocalObjectStore
    from resources.warehouse import DuckDBWarehouse

    root = deployed_root(tmp_path)
    mine = tmp_path / "mine.duckdb"
    defs = build_defs(
        resource_overrides={
            "object_store": LocalObjectStore(root=str(root.path.parent)),
            "warehouse": DuckDBWarehouse(path=str(mine)),
        }
    )
    with dg.DagsterInstance.ephemeral() as instance:
        assert Aim(defs, root, instance).run("tyre_feed").success
    assert mine.exists()
    assert not root.file("warehouse.duckdb").exists()
    assert json.loads(root.file("output/job_status.json").read_bytes())["state"] == "success"

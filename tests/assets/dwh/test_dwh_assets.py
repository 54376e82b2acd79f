"""The assets of dwh as Dagster knows them, and whole runs over the sample day."""

import base64
import json
from datetime import UTC, date, datetime
from itertools import permutations

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.dwh.assets import ASSETS
from assets.dwh.frames.schemas import FILTERED_FIELDS, TRANSFORMED_FIELDS
from assets.dwh.metrics import Metrics
from assets.dwh.partitions import local_days
from assets.dwh.promotion_tables import SCHEMAS
from assets.pictures import PICTURE_CAP
from definitions import build_defs
from scripts.sample_data.dwh import Size, expected, write_inputs
from tests.assets.dwh.dwh_deployments import (
    DAY,
    EVERY,
    FILTERED,
    IMAGES,
    PROMOTIONS,
    SMALL,
    TRANSFORMED,
    checks,
    days_from,
    deployed,
    facts,
    key,
    metrics,
    outcomes,
    recorded,
    started,
    table,
)

pytestmark = pytest.mark.materialise

SIZE = Size(rows=400, promotions=40)
CHECKS = {
    TRANSFORMED: {"drop_rate_is_acceptable": True, "every_record_is_accounted_for": True},
    FILTERED: {
        "every_key_appears_once": True,
        "every_transform_output_is_included": True,
        "day_has_no_gaps": False,
    },
    PROMOTIONS: {"extract_has_rows_and_columns": True, "every_promotion_id_is_unique": True},
}
"""Whether each check blocks."""

TABLE = SCHEMAS["dw_core.d_promotion_3_0"]

PICTURES = {TRANSFORMED: ["rows", "dropped_rows"], FILTERED: ["duplicates"]}


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """A run of all assets of the sample day."""
    with deployed(tmp_path_factory.mktemp("whole"), SIZE) as dwh:
        yield dwh, dwh.run(*EVERY)


@pytest.fixture(scope="module")
def known():
    """What the generator says is in the sample day."""
    return expected(DAY, SIZE.rows)


def definition_of(asset: str) -> dg.AssetsDefinition:
    (definition,) = [
        each for each in ASSETS if isinstance(each, dg.AssetsDefinition) and key(asset) in each.keys
    ]
    return definition


def test_there_are_four_assets_in_one_group_with_their_dependencies_and_one_day_each():
    defs = build_defs(deployment="test")
    graph = defs.resolve_asset_graph()
    parents = {
        name: {parent.path[-1] for parent in graph.get(key(name)).parent_keys}
        for name in ("raw_images", *EVERY)
    }
    assert parents == {
        "raw_images": set(),
        TRANSFORMED: {"raw_images"},
        FILTERED: {TRANSFORMED},
        PROMOTIONS: set(),
    }
    for name in parents:
        node = graph.get(key(name))
        assert (node.group_name, node.partitions_def) == ("dwh", local_days)
        assert node.description
    assert not graph.get(key("raw_images")).is_materializable


@pytest.mark.parametrize("asset", EVERY)
def test_a_step_is_called_like_its_asset_and_one_of_its_kind_runs_at_a_time(asset):
    definition = definition_of(asset)
    assert definition.op.name == definition.op.pool == f"dwh__{asset}"


@pytest.mark.parametrize("asset", EVERY)
def test_a_backfill_makes_one_run_of_each_day(asset):
    assert definition_of(asset).backfill_policy == dg.BackfillPolicy.multi_run(max_partitions_per_run=1)


@pytest.mark.parametrize(
    ("job", "asset"),
    [("transform_images", TRANSFORMED), ("filter_images", FILTERED), ("load_promos", PROMOTIONS)],
)
def test_each_asset_has_a_job_of_its_own(job, asset):
    made = build_defs(deployment="test").resolve_job_def(job)
    assert made.asset_layer.selected_asset_keys == {key(asset)}
    assert made.partitions_def == local_days


def test_a_partition_is_a_local_day_and_today_is_one_from_midnight_on():
    # Half an hour before and after midnight in Los Angeles, in summer.
    ends = [
        local_days.get_partition_keys(current_time=datetime(2025, 6, 10, hour, 30, tzinfo=UTC))[-1]
        for hour in (6, 7)
    ]
    assert ends == ["2025-06-09", "2025-06-10"]
    assert local_days.get_first_partition_key() == "2025-01-01"


@pytest.mark.parametrize("asset", EVERY)
def test_the_checks_are_claims_and_say_whether_they_block(asset):
    specs = list(definition_of(asset).check_specs)
    assert {spec.name: spec.blocking for spec in specs} == CHECKS[asset]
    assert all(spec.asset_key == key(asset) and spec.description for spec in specs)


@pytest.mark.parametrize(
    ("asset", "columns"),
    [(TRANSFORMED, TRANSFORMED_FIELDS), (FILTERED, FILTERED_FIELDS), (PROMOTIONS, TABLE)],
)
def test_an_asset_declares_its_columns(asset, columns):
    (spec,) = definition_of(asset).specs
    schema = spec.metadata["dagster/column_schema"]
    assert {column.name: column.type for column in schema.columns} == dict(columns)


def test_the_columns_that_are_declared_are_those_that_are_written(whole_run):
    dwh, _ = whole_run
    frame = dwh.frame()
    columns = []
    for name in frame.columns:
        inner = [f"data.{field}" for field in frame["data"].struct.fields] if name == "data" else [name]
        columns += inner
    assert columns == list(FILTERED_FIELDS)
    assert list(dwh.promotions().columns) == list(TABLE)


def test_a_whole_run_makes_the_three_assets_of_the_day_in_order(whole_run):
    _, result = whole_run
    assert result.success
    assert sorted(recorded(result)) == sorted((asset, DAY.isoformat()) for asset in EVERY)
    steps = started(result)
    assert steps.index("dwh__transformed_images") < steps.index("dwh__filtered_images")


def test_the_transformed_images_are_those_that_the_generator_wrote(whole_run, known):
    dwh, result = whole_run
    shown = facts(result, TRANSFORMED)
    assert (shown["records_read"], shown["records_written"]) == (SIZE.rows, known.written)
    assert shown["dagster/row_count"] == known.written
    reasons = {row["reason"]: row["records"] for row in table(shown["records_by_reason"])}
    assert reasons == {"written": known.written, **known.dropped}
    (manifest,) = dwh.runs()
    filed = {
        (output["category"], date.fromisoformat(output["day"])): output["records"]
        for output in manifest["outputs"]
    }
    assert filed == dict(known.rows)


def test_rows_of_other_days_are_counted_by_day(whole_run, known):
    _, result = whole_run
    shown = facts(result, TRANSFORMED)
    others: dict[str, int] = {}
    for (_, day), rows in known.rows.items():
        if day != DAY:
            others[day.isoformat()] = others.get(day.isoformat(), 0) + rows
    assert {row["day"]: row["rows"] for row in table(shown["rows_of_other_days"])} == others
    assert shown["late_records"] + shown["early_records"] == sum(others.values()) > 0
    assert shown["late_records"] == sum(rows for day, rows in others.items() if day < DAY.isoformat())


def test_the_filtered_images_have_each_picture_once_and_all_rows_without_one(whole_run, known):
    dwh, result = whole_run
    shown = facts(result, FILTERED)
    of_day = sum(rows for (_, day), rows in known.rows.items() if day == DAY)
    assert shown["records_read"] == of_day
    assert shown["dagster/row_count"] == known.keys[DAY] + known.null_keys[DAY] == dwh.frame().height
    assert shown["null_key_records"] == known.null_keys[DAY]
    assert shown["duplicates_removed"] == of_day - shown["dagster/row_count"]
    (line,) = table(shown["inputs"])
    assert line["run_id"] == facts(result, TRANSFORMED)["run_id"]
    assert (line["kind"], line["read"], line["contributed"]) == (
        "transformed",
        of_day,
        shown["dagster/row_count"],
    )


def test_the_gaps_of_the_day_are_shown_and_warn(whole_run, known):
    _, result = whole_run
    gaps = [
        {
            "start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "end": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "reason": "missing_prefix",
        }
        for start, end in known.gaps
    ]
    assert table(facts(result, TRANSFORMED)["gaps"]) == table(facts(result, FILTERED)["gaps"]) == gaps
    check = checks(result)["day_has_no_gaps"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    minutes = sum((end - start).total_seconds() for start, end in known.gaps) / 60
    assert check.metadata["minutes"].value == minutes
    assert table(check.metadata["gaps"].value) == gaps


def test_all_other_checks_pass(whole_run):
    _, result = whole_run
    expectation = {name: name != "day_has_no_gaps" for names in CHECKS.values() for name in names}
    assert outcomes(result) == expectation


def test_the_promotions_are_in_the_table_once_each(whole_run):
    dwh, result = whole_run
    shown = facts(result, PROMOTIONS)
    loaded = dwh.promotions()
    assert shown["dagster/row_count"] == loaded.height == loaded["promotionid"].n_unique() > 0
    assert shown["records_read"] == SIZE.promotions == loaded.height + shown["repeats_removed"]
    assert (shown["newer_in_table"], shown["files"]) == (0, 2)


@pytest.mark.parametrize("asset", EVERY)
def test_the_metrics_document_is_recorded_and_has_the_same_numbers(whole_run, asset):
    _, result = whole_run
    shown = facts(result, asset)
    document = Metrics.model_validate_json(json.dumps(shown["metrics"]))
    assert json.loads(document.line()) == shown["metrics"]
    assert (document.job_status, document.job_run_id) == ("SUCCESS", shown["run_id"])
    for name in ("records_read", "records_written", "records_dropped", "bytes_written", "created_by"):
        assert shown[name] == getattr(document, name), name
    assert shown["dagster/row_count"] == document.records_written
    assert document.phases.load.duration_seconds is not None


@pytest.mark.parametrize("asset", IMAGES)
def test_each_record_that_was_read_was_written_or_dropped(whole_run, asset):
    _, result = whole_run
    shown = facts(result, asset)
    assert shown["records_read"] == shown["records_written"] + shown["records_dropped"]
    assert shown["records_dropped"] == sum(entry["count"] for entry in shown["metrics"]["drop_reasons"]) > 0


@pytest.mark.parametrize(("asset", "name"), [(asset, name) for asset in PICTURES for name in PICTURES[asset]])
def test_a_picture_is_markdown_and_small(whole_run, asset, name):
    _, result = whole_run
    picture = facts(result, asset)[name]
    assert len(picture.encode()) <= PICTURE_CAP
    encoded = picture.partition("(data:image/png;base64,")[2].rstrip().rstrip(")")
    assert base64.b64decode(encoded).startswith(b"\x89PNG")


@given(rows=st.integers(0, 60), seed=st.integers(0, 1_000))
@settings(max_examples=4)
def test_any_day_adds_up_and_can_be_made_again(tmp_path_factory, rows, seed):
    with deployed(tmp_path_factory.mktemp("any"), Size(0, 0)) as dwh:
        write_inputs(dwh.bucket, Size(rows, 0), day=DAY, seed=seed)
        first, again = (dwh.transform(drop_rate_yellow=1.0, drop_rate_red=1.0) for _ in range(2))
        for result in (first, again):
            shown = facts(result, TRANSFORMED)
            assert shown["records_read"] == shown["records_written"] + shown["records_dropped"] == rows
        compared = ("drop_reasons", "records_read", "records_written", "bytes_written")
        assert [metrics(first, TRANSFORMED)[name] for name in compared] == [
            metrics(again, TRANSFORMED)[name] for name in compared
        ]


def test_a_day_made_twice_has_equal_rows_in_a_new_folder_and_the_old_one_stays(tmp_path):
    with deployed(tmp_path) as dwh:
        assert dwh.run(*EVERY).success
        before, pointer, table_before = dwh.tree(), dwh.pointer(), dwh.promotions()
        rows = dwh.rows()
        assert dwh.run(*EVERY).success
        again, after = dwh.pointer(), dwh.tree()
        assert dwh.rows() == rows
        assert again["output"]["path"] != pointer["output"]["path"]
        changed = [name for name, content in before.items() if after.get(name) != content]
        assert [name.rpartition("/")[2] for name in changed] == ["latest.json"]
        assert dwh.promotions().drop("etl_created_at").equals(table_before.drop("etl_created_at"))


def test_days_give_the_same_rows_in_whatever_order_they_are_made(tmp_path_factory):
    days = days_from(DAY, 3)
    seen = []
    for order in list(permutations(days))[::2]:
        with deployed(tmp_path_factory.mktemp("order"), SMALL, days=3) as dwh:
            for day in order:
                assert dwh.transform(day).success
            for day in order:
                assert dwh.filter(day).success
                assert dwh.load(day).success
            promotions = dwh.promotions().drop("dwcreatedat", "etl_created_at").rows()
            seen.append(([dwh.rows(day) for day in days], promotions))
    assert seen[0] == seen[1] == seen[2]

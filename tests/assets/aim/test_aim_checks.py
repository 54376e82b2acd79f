"""The guard and the claims of aim as asset checks: what they say, what they block, and one launched alone."""

import dagster as dg
import pytest

from assets.aim.assets import ASSETS
from assets.aim.claims import CLAIMS
from tests.assets.aim.aim_roots import DATE
from tests.assets.aim.dagster_runs import (
    EVERY,
    RECOMMENDED,
    Aim,
    changing,
    environment,
    evaluations,
    failing,
    five_cams,
    key,
    opened_aim,
    sentences,
    started,
)

pytestmark = pytest.mark.materialise

GUARD = "success_ratio_is_enough"
ERRORS = (
    "every_row_has_four_hotboxes",
    "no_sku_appears_twice_in_a_row",
    "every_cell_is_an_id_or_a_dash",
    "every_sku_is_a_scored_product",
)
WARNINGS = ("hb1_is_never_budget", "every_vehicle_is_mapped", "every_size_is_parsable")
FROM_VALIDATION = EVERY[5:]
# Each breaks one claim for the first list of the run date, and as few others as it can.
DAMAGE = {
    "every_row_has_four_hotboxes": "HB4 = '-'",
    "no_sku_appears_twice_in_a_row": "SKU20 = HB1",
    "every_cell_is_an_id_or_a_dash": "SKU20 = 'Error'",
    "every_sku_is_a_scored_product": "SKU20 = '99999999'",
    "every_vehicle_is_mapped": "Vehicle = 'NOBODY KNOWS'",
    "every_size_is_parsable": "Size = 'square'",
}


@pytest.fixture
def aim(tmp_path):
    """On a root where the command line has made a full run of which Dagster knows nothing."""
    with opened_aim(tmp_path, has_run=True) as aim:
        yield aim


def damage(aim: Aim, change: str) -> None:
    """Change the first published list without anybody's knowledge."""
    with changing(aim.root) as connection:
        connection.execute(f'UPDATE AIM."AIMData_history" SET {change} WHERE position = 1')


def failing_rows(aim: Aim, claim: str) -> int:
    """How many lists the report has against a claim."""
    (row,) = [row for row in aim.root.table("AIM.aim_validation_report") if row[1] == claim]
    return row[4]


def test_the_checks_are_the_guard_and_the_claims_and_block_by_their_severity():
    specs = {spec.name: spec for definition in ASSETS for spec in definition.check_specs}
    assert specs.keys() == {GUARD, *ERRORS, *WARNINGS}
    assert specs[GUARD].asset_key == key("recommendations")
    assert {claim.name: claim.severity for claim in CLAIMS} == {
        **dict.fromkeys(ERRORS, "error"),
        **dict.fromkeys(WARNINGS, "warn"),
    }
    for name, spec in specs.items():
        assert spec.blocking is (name not in WARNINGS)
        assert spec.description
        if name != GUARD:
            assert spec.asset_key == key("validation_report")


def test_good_lists_pass_every_check(aim):
    five_cams(aim.root)
    result = aim.run(*RECOMMENDED, "validation_report")
    assert result.success
    judged = evaluations(result)
    assert judged.keys() == {GUARD, *ERRORS, *WARNINGS}
    for name in (GUARD, *ERRORS, "every_vehicle_is_mapped", "every_size_is_parsable"):
        assert judged[name].passed
        expected = dg.AssetCheckSeverity.WARN if name in WARNINGS else dg.AssetCheckSeverity.ERROR
        assert judged[name].severity == expected
    numbers = {name: value.value for name, value in judged[GUARD].metadata.items()}
    assert numbers.pop("failures_by_error_code") == {}
    assert numbers == {"attempted": 5, "succeeded": 5, "ratio": 1.0, "limit": 0.8}
    assert judged["every_size_is_parsable"].metadata["total_rows"].value == 5


def test_a_ratio_at_the_limit_publishes_and_one_below_publishes_nothing_and_fails(aim):
    vehicles = five_cams(aim.root)
    result = aim.with_waves(failing(vehicles[0])).run(*RECOMMENDED)
    assert result.success
    assert evaluations(result)[GUARD].metadata["ratio"].value == 0.8
    before, output = aim.root.tables(), set(aim.root.file("output").iterdir())
    result = aim.with_waves(failing(*vehicles[:2], prompt_tokens=1_000_000)).run(*EVERY[3:], day="2025-06-13")
    assert not result.success
    (sentence,) = sentences(result).values()
    assert sentence.startswith("The run published nothing: 3 of 5 CAMs")
    assert "0.6" in sentence
    assert "UPSTREAM_ERROR: 2" in sentence
    assert started(result) == {"batch_recommender"}
    after = aim.root.tables()
    published = [name for name in before if name.startswith(("CAM_files", "AIM.AIM"))]
    assert {name: after[name] for name in published} == {name: before[name] for name in published}
    assert set(aim.root.file("output").iterdir()) == output
    assert aim.root.json("output/cost_report.json")["estimated_cost_gbp"] == 0.14501
    status = aim.root.status
    assert (status["state"], status["error_summary"]) == ("failed", sentence)
    assert aim.recorded() == {name: {DATE} for name in RECOMMENDED}
    judged = evaluations(result)
    assert judged.keys() == {GUARD}
    assert (judged[GUARD].passed, judged[GUARD].severity) == (False, dg.AssetCheckSeverity.ERROR)
    numbers = {name: value.value for name, value in judged[GUARD].metadata.items()}
    codes = numbers.pop("failures_by_error_code")
    assert numbers == {"attempted": 5, "succeeded": 3, "ratio": 0.6, "limit": 0.8}
    assert codes == {"UPSTREAM_ERROR": 2}


def test_a_run_that_published_nothing_starts_no_other_run(aim):
    vehicles = five_cams(aim.root)
    result = aim.with_waves(failing(*vehicles)).run("recommendations")
    run = aim.instance.get_run_by_id(result.run_id)
    assert run
    assert run.tags["dagster/retry_on_asset_or_op_failure"] == "false"


@pytest.mark.parametrize("claim", ERRORS)
def test_a_broken_error_claim_is_reported_fails_the_run_and_blocks_the_later_stages(aim, claim):
    damage(aim, DAMAGE[claim])
    later = {name: aim.root.table(name) for name in ("AIM.aim_token_fact", "AIM.AIM-override-file")}
    result = aim.run(*FROM_VALIDATION)
    assert not result.success
    ((step, sentence),) = sentences(result).items()
    assert step == "validation_report"
    assert claim in sentence
    assert started(result) == {"validation_report"}
    assert {name: aim.root.table(name) for name in later} == later
    (row,) = [row for row in aim.root.table("AIM.aim_validation_report") if row[1] == claim]
    assert row[2:5] == ("error", "fail", 1)
    judged = evaluations(result)
    assert judged.keys() == {*ERRORS, *WARNINGS}
    assert (judged[claim].passed, judged[claim].severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert judged[claim].metadata["failing_rows"].value == 1
    assert judged[claim].metadata["sample"].value == row[6]
    assert aim.recorded() == {"validation_report": {DATE}}
    assert aim.root.status["state"] == "failed"
    assert aim.root.stages == [(5, "failed", 0)]


@pytest.mark.parametrize("claim", WARNINGS[1:])
def test_a_broken_warning_is_shown_and_stops_nothing(aim, claim):
    before = failing_rows(aim, claim)
    damage(aim, DAMAGE[claim])
    result = aim.run(*FROM_VALIDATION)
    assert result.success
    judged = evaluations(result)
    assert (judged[claim].passed, judged[claim].severity) == (False, dg.AssetCheckSeverity.WARN)
    assert judged[claim].metadata["failing_rows"].value == failing_rows(aim, claim) == before + 1
    assert all(judged[name].passed for name in ERRORS)
    assert aim.recorded().keys() == set(FROM_VALIDATION)


def test_the_claims_are_rows_of_the_report_and_shown_with_it(aim):
    assert aim.run("validation_report").success
    rows = aim.metadata("validation_report")["claims"]
    assert isinstance(rows, dg.TableMetadataValue)
    assert [record.data["claim"] for record in rows.records] == sorted({*ERRORS, *WARNINGS})


def test_the_guard_alone_judges_the_last_recorded_run_and_touches_no_file(aim):
    vehicles = five_cams(aim.root)
    assert aim.run(*RECOMMENDED).success
    assert aim.with_waves(failing(vehicles[0])).run(*RECOMMENDED, day="2025-06-13").success
    before = aim.root.tree()
    result = aim.check("recommendations", GUARD)
    assert result.success
    judged = evaluations(result)[GUARD]
    assert judged.passed
    assert judged.metadata["succeeded"].value == 4
    with environment(AIM_MIN_SUCCESS_RATIO="0.9"):
        judged = evaluations(aim.check("recommendations", GUARD))[GUARD]
    assert not judged.passed
    assert judged.metadata["limit"].value == 0.9
    assert aim.root.tree() == before


def test_the_guard_alone_without_a_recorded_run_says_what_to_do_first(aim):
    before = aim.root.tree()
    (sentence,) = sentences(aim.check("recommendations", GUARD)).values()
    assert sentence == "No recommendations are recorded yet; materialise a run date first"
    assert aim.root.tree() == before


def test_a_run_without_the_check_of_an_asset_says_nothing_of_it(aim):
    five_cams(aim.root)
    job = aim.defs.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection={key(name) for name in RECOMMENDED}, asset_check_selection=set()
    )
    result = job.execute_in_process(instance=aim.instance, partition_key=DATE)
    assert result.success
    assert evaluations(result) == {}
    assert aim.recorded() == {name: {DATE} for name in RECOMMENDED}

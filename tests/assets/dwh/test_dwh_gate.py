"""The quality gate of dwh in Dagster: what a person sees of a day that is not good enough, and lets pass."""

import dagster as dg
import pytest

from assets.retries import RUN_RETRY_TAG
from tests.assets.dwh.dwh_deployments import (
    DAY,
    FILTERED,
    GREEN,
    IMAGES,
    RED,
    TOLD,
    TRANSFORMED,
    checks,
    deployed,
    facts,
    looks,
    metrics,
    outcomes,
    recorded,
    sentence,
    started,
)

pytestmark = pytest.mark.materialise

APPROVAL = {"approve_quality": True, "approve_reason": "one editor sends no ids"}
TAGS = {"dwh/approve_quality": "true", "dwh/approve_reason": "one editor sends no ids"}
GATE = "drop_rate_is_acceptable"


@pytest.fixture
def dwh(tmp_path):
    with deployed(tmp_path) as dwh:
        yield dwh


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A deployment where a RED run stood before the filter."""
    with deployed(tmp_path_factory.mktemp("stopped")) as dwh:
        yield dwh, dwh.run(*IMAGES, config={TRANSFORMED: {**RED, "event_publisher_config": TOLD}})


def test_red_is_recorded_with_its_failed_check_and_what_is_behind_it_does_not_run(stopped):
    dwh, result = stopped
    assert not result.success
    assert started(result) == ["dwh__transformed_images"]
    assert recorded(result) == [(TRANSFORMED, DAY.isoformat())]
    check = checks(result)[GATE]
    assert (check.passed, check.severity, check.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    description = check.description or ""
    assert "a rate of 0.0500; from 0.02 on a run is RED" in description
    assert "launch again with approve_quality and approve_reason" in description
    assert checks(result)["every_record_is_accounted_for"].passed
    assert dwh.pointers() == []


def test_red_keeps_rows_and_manifest_and_waits(stopped):
    dwh, result = stopped
    (manifest,) = dwh.runs()
    shown = facts(result, TRANSFORMED)
    assert manifest["status"] == shown["status"] == metrics(result, TRANSFORMED)["job_status"]
    assert (manifest["status"], manifest["quality"]["status"]) == ("PENDING_APPROVAL", "RED")
    assert manifest["approval"] is None
    assert sum(output["records"] for output in manifest["outputs"]) == shown["dagster/row_count"] > 0


def test_red_is_told_once_and_not_as_an_error(stopped):
    dwh, result = stopped
    (event,) = dwh.told()
    assert (event["status"], event["failure_type"]) == ("PENDING_APPROVAL", "QUALITY")
    assert event["artifacts_available"]
    assert event["error"] is None
    assert event["metrics"] == metrics(result, TRANSFORMED)


def test_filtering_a_day_that_waits_fails_at_once_and_says_for_which_run(stopped):
    dwh, result = stopped
    before = dwh.tree()
    filtered = dwh.filter()
    run_id = facts(result, TRANSFORMED)["run_id"]
    assert sentence(filtered) == f"transform run {run_id} of {DAY} waits for approval"
    assert looks(filtered) == 1
    # Nor is a new run started: the sensor asks for one when the day is approved.
    run = dwh.instance.get_run_by_id(filtered.run_id)
    assert run.tags[RUN_RETRY_TAG] == "false"
    changed = dwh.tree().keys() - before.keys()
    assert {name.rpartition("/")[2].split("-")[0] for name in changed} == {"manifest"}
    assert dwh.pointers() == []


@pytest.mark.parametrize(("config", "tags"), [(APPROVAL, {}), ({}, TAGS)])
def test_an_approval_by_config_or_by_tags_publishes_and_is_shown(dwh, config, tags):
    assert not dwh.transform(**RED).success
    result = dwh.run(*IMAGES, config={TRANSFORMED: {**RED, **config, "created_by": "ann"}}, tags=tags)
    assert result.success
    check = checks(result)[GATE]
    assert (check.passed, check.metadata["status"].value) == (True, "RED")
    assert (check.description or "").endswith("approved by ann: one editor sends no ids")
    waited, approved = dwh.runs()
    assert (waited["status"], approved["status"]) == ("PENDING_APPROVAL", "SUCCESS")
    approval = approved["approval"]
    assert (approval["reason"], approval["by"]) == ("one editor sends no ids", "ann")
    assert metrics(result, TRANSFORMED)["payload"]["approval"] == approval
    assert dwh.pointer()["lineage"][0]["transform_run_id"] == approved["run_id"]


@pytest.mark.parametrize(
    ("config", "tags"),
    [
        ({"approve_quality": True}, {}),
        ({}, {"dwh/approve_quality": "true"}),
        ({"approve_quality": True}, {"dwh/approve_reason": "  "}),
    ],
)
def test_an_approval_without_a_reason_is_a_configuration_error(dwh, config, tags):
    before = dwh.tree()
    result = dwh.transform(tags=tags, **RED, **config)
    assert sentence(result) == "approve_quality needs a non-empty approve_reason"
    assert dwh.tree() == before


def test_an_approval_that_is_no_flag_is_refused(dwh):
    result = dwh.transform(tags={"dwh/approve_quality": "perhaps", "dwh/approve_reason": "x"})
    assert "approve_quality of 'transform_images_job' is 'perhaps': it must be true" in sentence(result)


def test_an_approval_of_a_day_that_is_good_says_nothing(dwh):
    result = dwh.transform(**GREEN, **APPROVAL)
    assert dwh.runs()[-1]["approval"] is None
    assert checks(result)[GATE].description == "the drop rate is 0.0500"


def test_yellow_warns_and_the_day_is_filtered(dwh):
    result = dwh.run(*IMAGES, config={TRANSFORMED: {"drop_rate_yellow": 0.05}})
    assert result.success
    check = checks(result)[GATE]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["status"].value == "YELLOW"
    assert facts(result, TRANSFORMED)["status"] == "SUCCESS"
    assert facts(result, FILTERED)["dagster/row_count"] > 0


def test_a_red_run_after_a_good_one_changes_nothing_for_readers(dwh):
    assert dwh.run(*IMAGES, config={TRANSFORMED: GREEN}).success
    rows = dwh.rows()
    assert not dwh.run(*IMAGES, config={TRANSFORMED: RED}).success
    result = dwh.filter()
    assert outcomes(result)["every_transform_output_is_included"]
    assert dwh.rows() == rows

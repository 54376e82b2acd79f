"""dwh on another process of this machine: what a step records is what it records of work done in the step."""

from typing import Any

import pytest

from tests.assets.dwh.dwh_deployments import (
    DAY,
    EVERY,
    FILTERED,
    GREEN,
    IMAGES,
    PROMOTIONS,
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
    table,
)

pytestmark = pytest.mark.materialise

AWAY = {"compute": "subprocess"}
# What differs from run to run, and from place to place.
OF_A_RUN = {
    "run_id",
    "seconds",
    "bytes_written",
    "output",
    "metrics",
    "compute",
    "service_provider",
    "inputs",
}


@pytest.fixture
def dwh(isolated_environment):
    """A deployment in the home of the environment, which a process of its own finds too."""
    with deployed(isolated_environment) as dwh:
        yield dwh


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same inputs made in the step, and by another process: deployment and result of each."""
    made = []
    for tags in ({}, AWAY):
        home = tmp_path_factory.mktemp("home")
        with pytest.MonkeyPatch.context() as patch, deployed(home) as dwh:
            patch.setenv("QUINTET_HOME", str(home))
            made.append((dwh, dwh.run(*EVERY, config={TRANSFORMED: GREEN}, tags=tags)))
    return made


def plain(value: Any) -> Any:
    return table(value) if hasattr(value, "records") else value


def test_both_make_every_asset_with_equal_rows(both):
    (here, in_step), (there, away) = both
    assert in_step.success
    assert away.success
    assert sorted(recorded(away)) == sorted(recorded(in_step))
    assert there.rows() == here.rows()
    when = ("dwcreatedat", "etl_created_at")
    assert there.promotions().drop(when).equals(here.promotions().drop(when))


@pytest.mark.parametrize("asset", EVERY)
def test_both_record_the_same_facts(both, asset):
    (_, in_step), (_, away) = both
    here, there = facts(in_step, asset), facts(away, asset)
    assert there["compute"] == "subprocess"
    assert there["service_provider"] == "CONTAINER"
    assert there.keys() - {"compute", "service_provider"} == here.keys()
    for name in here.keys() - OF_A_RUN:
        assert plain(there[name]) == plain(here[name]), name


@pytest.mark.parametrize("asset", EVERY)
def test_both_record_the_metrics_with_the_same_counts(both, asset):
    (_, in_step), (_, away) = both
    here, there = metrics(in_step, asset), metrics(away, asset)
    assert there.keys() == here.keys()
    for name in (
        "records_read",
        "records_written",
        "records_dropped",
        "drop_reasons",
        "quality",
        "job_status",
    ):
        assert there[name] == here[name], name
    assert there["job_run_id"] == facts(away, asset)["run_id"]


def test_both_evaluate_the_same_checks_in_the_same_words(both):
    (_, in_step), (_, away) = both
    here, there = checks(in_step), checks(away)
    assert there.keys() == here.keys()
    for name, claim in here.items():
        assert (there[name].passed, there[name].severity) == (claim.passed, claim.severity)
        assert there[name].description == claim.description
        shown = {key: plain(value.value) for key, value in there[name].metadata.items()}
        assert shown.pop("compute") == "subprocess"
        assert shown == {key: plain(value.value) for key, value in claim.metadata.items()}


def test_what_tags_say_goes_with_the_job(dwh):
    tags = {**AWAY, "dwh/environment": "dev", "dwh/region": "us-west-2", "dwh/job_run_id": "jr_1"}
    document = metrics(dwh.transform(tags=tags, created_by="--ann", **GREEN), TRANSFORMED)
    assert (document["environment"], document["region"]) == ("dev", "us-west-2")
    assert (document["job_run_id"], document["created_by"]) == ("jr_1", "--ann")


def test_red_from_another_process_is_recorded_and_blocks(dwh):
    config = {TRANSFORMED: {**RED, "event_publisher_config": TOLD}}
    result = dwh.run(*IMAGES, config=config, tags=AWAY)
    assert not result.success
    assert started(result) == ["dwh__transformed_images"]
    assert recorded(result) == [(TRANSFORMED, DAY.isoformat())]
    assert outcomes(result) == {"drop_rate_is_acceptable": False, "every_record_is_accounted_for": True}
    (event,) = dwh.told()
    assert event["status"] == "PENDING_APPROVAL"


def test_promotions_of_several_days_are_recorded_for_each_of_them(dwh):
    result = dwh.load(start_date="2025-03-08", tags=AWAY)
    assert recorded(result) == [(PROMOTIONS, "2025-03-08"), (PROMOTIONS, DAY.isoformat())]


def test_a_job_that_fails_there_fails_the_step_at_once_and_records_nothing(dwh):
    result = dwh.filter(tags=AWAY, event_publisher_config=TOLD)
    assert "No data found at transform output path: s3://dwh-data/transformed_images" in sentence(result)
    assert looks(result) == 1
    assert recorded(result) == []
    assert outcomes(result) == {}
    (event,) = dwh.told()
    assert (event["status"], event["error"]["phase"]) == ("FAILED", "execute")


def test_a_platform_that_is_not_set_up_says_which_setting_is_missing(dwh):
    result = dwh.run(FILTERED, tags={"compute": "glue"})
    assert "QUINTET_GLUE" in sentence(result)
    assert looks(result) == 1
    assert dwh.tree("filtered_images") == {}

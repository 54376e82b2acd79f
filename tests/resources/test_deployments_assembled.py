"""Each deployment, assembled with nothing set: all that it has loads, and every asset and job resolves."""

import dagster as dg
import pytest

from definitions import build_defs
from resources.deployments import DEPLOYMENTS, RESOURCES
from scripts.doctor.installation import PIPELINES, needs_of


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def assembled(request) -> dg.Definitions:
    return build_defs(deployment=request.param)


def test_it_can_be_loaded(assembled):
    dg.Definitions.validate_loadable(assembled)


def test_every_asset_and_job_resolves(assembled):
    repository = assembled.get_repository_def()
    jobs = repository.get_all_jobs()
    assert {job.name for job in jobs} > {job.name for job in assembled.jobs or ()}
    keys = repository.asset_graph.get_all_asset_keys()
    assert {repository.asset_graph.get(key).group_name for key in keys} >= set(PIPELINES)
    for key in repository.asset_graph.executable_asset_keys:
        assert any(key in job.asset_layer.executable_asset_keys for job in jobs)


def test_every_deployment_has_the_same_assets_jobs_and_sensors(assembled):
    ours, local = (made.get_repository_def() for made in (assembled, build_defs(deployment="local")))
    assert ours.asset_graph.get_all_asset_keys() == local.asset_graph.get_all_asset_keys()
    assert sorted(ours.job_names) == sorted(local.job_names)
    assert {sensor.name for sensor in ours.sensor_defs} == {sensor.name for sensor in local.sensor_defs}


def test_what_a_pipeline_asks_for_is_in_the_table(assembled):
    needs = needs_of(assembled)
    used = set().union(*(needs[pipeline] for pipeline in PIPELINES)) - {"io_manager"}
    # Alerts are no asset's.
    assert used == RESOURCES.keys() - {"notifier"}

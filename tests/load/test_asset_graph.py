"""The asset graph is what the committed picture of it says; a change of the graph is a change that one sees.

After an intended change: `python -m pytest tests/load --record-snapshot`, and commit the difference.
"""

import json
from pathlib import Path

import dagster as dg
import pytest

SNAPSHOT = Path(__file__).with_name("asset_graph.json")


def described(definitions: dg.Definitions) -> dict:
    """Everything about the location that users and other systems know by name."""
    repository = definitions.get_repository_def()
    graph = definitions.resolve_asset_graph()
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    assets = {
        key.to_user_string(): {
            "deps": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "group": specs[key].group_name,
            "kinds": sorted(specs[key].kinds),
            "partitions": partitions_of(specs[key].partitions_def),
            "described": bool(specs[key].description),
        }
        for key in sorted(specs)
    }
    checks = {
        f"{key.asset_key.to_user_string()}: {key.name}": "blocking"
        if graph.get_check_spec(key).blocking
        else "informing"
        for key in sorted(graph.asset_check_keys)
    }
    jobs = {
        job.name: sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys)
        for job in repository.get_all_jobs()
        if not job.name.startswith("__")
    }
    return {
        "assets": assets,
        "checks": checks,
        "jobs": dict(sorted(jobs.items())),
        "sensors": started_by(repository.sensor_defs),
        "schedules": started_by(repository.schedule_defs),
        "resources": sorted(repository.get_top_level_resources()),
    }


def partitions_of(partitions: dg.PartitionsDefinition | None) -> str | None:
    """The definition without what grows with the calendar."""
    if isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        return f"{partitions.get_cron_schedule()} {partitions.timezone} from {partitions.start:%Y-%m-%d}"
    return None if partitions is None else type(partitions).__name__


def started_by(instigators) -> dict[str, str]:
    return {item.name: item.default_status.value for item in sorted(instigators, key=lambda item: item.name)}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    from definitions import build_defs

    return build_defs()


def test_the_asset_graph_is_the_recorded_one(definitions, request):
    graph = described(definitions)
    if request.config.getoption("--record-snapshot", default=False):
        SNAPSHOT.write_text(json.dumps(graph, indent=2) + "\n")
    assert graph == json.loads(SNAPSHOT.read_text())


def test_every_asset_says_what_it_is_and_where_it_belongs(definitions):
    graph = described(definitions)
    for name, asset in graph["assets"].items():
        assert asset["described"], f"{name} has no description"
        assert asset["kinds"], f"{name} has no kind"
        assert asset["group"] not in {None, "default"}, f"{name} has no group"


def test_nothing_starts_by_itself(definitions):
    graph = described(definitions)
    assert {*graph["sensors"].values(), *graph["schedules"].values()} <= {"STOPPED"}


def test_an_unknown_deployment_is_refused_and_the_known_ones_are_listed():
    from definitions import build_defs

    with pytest.raises(ValueError, match=r"moon.*local.*test.*aws.*gcp"):
        build_defs(deployment="moon")


def test_an_override_of_an_unknown_resource_is_refused_and_the_known_ones_are_listed():
    from definitions import build_defs

    with pytest.raises(ValueError, match=r"objectstore.*object_store"):
        build_defs(resource_overrides={"objectstore": object()})

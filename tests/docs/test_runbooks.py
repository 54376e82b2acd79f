"""The five runbooks have one form, and name what their pipelines have."""

import json
import re

import pytest
from dagster import AssetKey, Permissive, Shape

from definitions import build_defs
from tests.docs.documents import ROOT

PIPELINES = ("market", "aim", "dwh", "discovery", "beams")
SECTIONS = [
    "What it makes",
    "Launch",
    "Backfill",
    "Sensors",
    "What fails, and what to do",
    "Configuration",
    "Limits",
]
CONFIGURED = ("market/training_table", "dwh/transformed_images", "dwh/filtered_images", "dwh/promotions")
WAYS = ("**Web UI.**", "**Command line", "**CI.**")
GRAPH = json.loads((ROOT / "tests" / "load" / "asset_graph.json").read_text("utf-8"))
OF_A_JOB = re.compile(r"^(?P<lead>discovery[_/])(?!doctor)\w+?(?P<rest>_discover|_drain|_sensor|/\w+)$")
"""What discovery has once for each job of its file."""


def runbook(pipeline: str) -> str:
    return (ROOT / "docs" / f"{pipeline}.md").read_text("utf-8")


def section(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_runbook_has_the_sections_of_all_runbooks_in_their_order(pipeline):
    assert re.findall(r"^## (.+)$", runbook(pipeline), re.MULTILINE) == SECTIONS


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_runbook_says_how_to_launch_from_the_ui_the_command_line_and_ci(pipeline):
    launch = section(runbook(pipeline), "Launch")
    places = [launch.find(way) for way in WAYS]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_runbook_says_what_fails_and_what_to_do(pipeline):
    rows = section(runbook(pipeline), "What fails, and what to do").count("\n| ")
    assert rows >= 5


def names_of(pipeline: str) -> set[str]:
    """The assets, jobs, sensors and schedules of a pipeline, as its runbook writes them."""
    assets = {name for name in GRAPH["assets"] if name.startswith(f"{pipeline}/")}
    jobs = {name for name, made in GRAPH["jobs"].items() if assets & set(made)}
    prefix = "beam_" if pipeline == "beams" else f"{pipeline}_"
    started = {name for kind in ("sensors", "schedules") for name in GRAPH[kind] if name.startswith(prefix)}
    return {OF_A_JOB.sub(r"\g<lead><job>\g<rest>", name) for name in assets | jobs | started}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_runbook_names_every_asset_job_sensor_and_schedule(pipeline):
    names = names_of(pipeline)
    assert names
    quoted = set(re.findall(r"`([^`\n]+)`", runbook(pipeline)))
    # In a table of one pipeline the name of an asset needs no prefix.
    assert {n for n in names if n not in quoted and n.removeprefix(f"{pipeline}/") not in quoted} == set()


@pytest.mark.parametrize("asset", CONFIGURED)
def test_a_runbook_names_every_key_of_a_launch_config(asset):
    pipeline = asset.partition("/")[0]
    configured = (
        build_defs().resolve_assets_def(AssetKey.from_user_string(asset)).op.config_schema.config_type
    )
    assert isinstance(configured, Permissive | Shape)
    configuration = section(runbook(pipeline), "Configuration")
    assert [name for name in configured.fields if f"`{name}`" not in configuration] == []

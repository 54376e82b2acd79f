"""What a run may be asked: every combination that cannot be meant is refused, all at once."""

import dataclasses
from pathlib import Path

import pytest

from assets.discovery.config_problems import ConfigurationError
from assets.discovery.engine.context import RunContext, require_legal
from tests.assets.discovery.engine.source_runs import one_job, registry

JOB = registry(Path(), one_job("{strategy: static_list, params: {values: [x]}}")).jobs.jobs[0]
TESTS_ONLY = "a stage or an item can be chosen in a test only"


@pytest.mark.parametrize(
    ("context", "sentences"),
    [
        (RunContext(no_reset=True), ["no_reset is for tests only"]),
        (RunContext("dry_run", no_reset=True), ["no_reset is for tests only"]),
        (RunContext(test_stage="fetch"), [TESTS_ONLY]),
        (RunContext("dry_run", test_stage="fetch"), [TESTS_ONLY]),
        (RunContext(test_item="a"), [TESTS_ONLY]),
        (RunContext("dry_run", test_item="a"), [TESTS_ONLY]),
        (RunContext("test", test_item="a", discover_only=True), ["discover_only does not go with"]),
        (RunContext("test", test_stage="fetch", discover_only=True), ["discover_only does not go with"]),
        (RunContext(limit=0), ["limit 0 is below 1"]),
        (RunContext("dry_run", limit=-3), ["limit -3 is below 1"]),
        (RunContext("test", limit=0), ["limit 0 is below 1"]),
        (RunContext("test", test_stage="fetsch"), ["unknown stage 'fetsch'; the nearest is 'fetch'"]),
        (
            RunContext(no_reset=True, test_stage="x", discover_only=True, limit=0),
            ["no_reset", TESTS_ONLY, "discover_only", "limit 0", "unknown stage 'x'"],
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(context, sentences):
    with pytest.raises(ConfigurationError) as error:
        require_legal(context, JOB)
    assert len(error.value.sentences) == len(sentences)
    assert all(part in whole for part, whole in zip(sentences, error.value.sentences, strict=True))


@pytest.mark.parametrize(
    "context",
    [
        RunContext(),
        RunContext(limit=1, single_pass=True, discover_only=True),
        RunContext(active_items={1}),
        RunContext("dry_run", limit=5, discover_only=True),
        RunContext("test", discover_only=True),
        RunContext("test", test_stage="score", test_item="a", no_reset=True, limit=1),
    ],
)
def test_everything_else_may_be_asked(context):
    require_legal(context, JOB)


def test_a_run_is_asked_exactly_these_eight_things():
    names = [field.name for field in dataclasses.fields(RunContext)]
    assert names == [
        "mode",
        "limit",
        "test_stage",
        "test_item",
        "no_reset",
        "discover_only",
        "single_pass",
        "active_items",
    ]

"""A job as it runs: defaults, what its stages have from it, and its canonical configuration."""

import hashlib
import json
from pathlib import Path

import pytest

from assets.discovery.job_model import Job
from assets.discovery.job_settings import RunnerConfig
from assets.discovery.jobs_file import SHIPPED, load_jobs, parse_jobs
from assets.failures import PermanentFailure


def one_job(text, head="version: 1\njobs:\n"):
    return parse_jobs(f"{head}  - {{name: one, {text}}}\n", Path("jobs.yaml")).jobs[0]


LIST = "discovery: {strategy: static_list, params: {values: [a]}}"


def test_a_job_of_two_lines_has_every_documented_default():
    job = one_job(f"{LIST}, handler: fetch")
    assert json.loads(job.config_json) == {
        "name": "one",
        "description": "",
        "enabled": True,
        "kind": "pipeline",
        "timezone": "UTC",
        "owner": "",
        "tags": [],
        "replay": None,
        "discovery": {
            "strategy": "static_list",
            "params": {"values": ["a"]},
            "every_s": None,
            "cron": None,
            "limit": None,
            "max_pages": 50,
            "stop_when_seen": False,
            "on_change": "reprocess",
            "empty_is_error": False,
            "gone_after": 3,
            "key_field": None,
        },
        "handler": "fetch",
        "stages": None,
        "params": {},
        "pace": None,
        "priority": 100,
        "retry": {"max_attempts": 5, "base_s": 30, "cap_s": 3600, "jitter": 0.2},
        "breaker": {"min_calls": 10, "window": 20, "failure_ratio": 0.5, "cool_down_s": 60, "cap_s": 3600},
        "budget": {
            "daily_micros": None,
            "monthly_micros": None,
            "per_item_micros": None,
            "soft_ratio": 0.8,
            "on_exceed": "pause",
            "require_price": False,
        },
        "runner": {
            "concurrency": 4,
            "claim_batch": 10,
            "lease_s": 300,
            "drain_max_s": 600,
            "reconcile_every_s": 15,
            "grace_s": 20,
        },
        "mirror_limit": 5000,
        "pause_discovery": True,
        "keep_days": {"events": 180},
    }


def test_a_stage_of_one_line_has_every_documented_default():
    (stage,) = one_job(f"{LIST}, stages: [{{name: a, handler: fetch}}]").chain
    assert (stage.name, stage.handler) == ("a", "assets.discovery.handlers.fetch")
    assert (stage.needs, stage.concurrency, stage.pace) == ((), None, None)
    assert (stage.params, stage.timeout_s, stage.estimate_micros) == ({}, 300, 0)
    assert (stage.retry.max_attempts, stage.breaker.window) == (5, 20)


def test_a_job_with_a_handler_has_one_stage_named_after_its_module():
    (stage,) = one_job(f"{LIST}, handler: my.package.enrich, params: {{n: 3}}").chain
    assert (stage.name, stage.handler, stage.params) == ("enrich", "my.package.enrich", {"n": 3})


def test_a_stage_needs_the_one_before_unless_it_says_otherwise():
    stages = (
        "[{name: a, handler: x}, {name: b, handler: x}, {name: c, handler: x, needs: []}, "
        "{name: d, handler: x, needs: [a, c]}]"
    )
    job = one_job(f"{LIST}, stages: {stages}")
    assert {stage.name: stage.needs for stage in job.chain} == {
        "a": (),
        "b": ("a",),
        "c": (),
        "d": ("a", "c"),
    }


def test_settings_of_a_stage_lie_over_those_of_its_job_key_by_key():
    job = one_job(
        f"{LIST}, retry: {{max_attempts: 2, base_s: 1}}, breaker: {{window: 5, min_calls: 2}}, "
        "pace: {rate: 1, per_s: 2}, params: {a: 1, b: 2}, "
        "stages: [{name: a, handler: x}, {name: b, handler: x, retry: {base_s: 7}, breaker: {window: 4}, "
        "pace: {rate: 5, per_s: 1}, params: {b: 3}}]"
    )
    first, second = job.chain
    assert (first.retry.max_attempts, first.retry.base_s, first.breaker.window) == (2, 1, 5)
    assert (second.retry.max_attempts, second.retry.base_s) == (2, 7)
    assert (second.breaker.min_calls, second.breaker.window) == (2, 4)
    assert first.pace is job.pace
    assert second.pace is not None
    assert second.pace.rate == 5
    assert (first.params, second.params) == ({"a": 1, "b": 2}, {"a": 1, "b": 3})


def test_the_runner_of_a_job_lies_over_the_one_of_the_file():
    head = "version: 1\nrunner: {concurrency: 8, lease_s: 60}\njobs:\n"
    jobs_file = parse_jobs(
        f"{head}  - {{name: one, {LIST}, handler: x, runner: {{lease_s: 30}}}}\n", Path("j.yaml")
    )
    assert jobs_file.runner_of(jobs_file.jobs[0]) == RunnerConfig(concurrency=8, lease_s=30)


@pytest.mark.parametrize(
    ("amount", "micros"),
    [
        ('"5.00"', 5_000_000),
        ("0.000001", 1),
        ("0.1", 100_000),
        ("3", 3_000_000),
        ("0", 0),
        ("4.35", 4_350_000),
    ],
)
def test_money_is_whole_micros_exactly(amount, micros):
    stages = f"[{{name: a, handler: x, cost_estimate_usd: {amount}}}]"
    budget = f"{{daily_usd: {amount}, monthly_usd: {amount}, per_item_usd: {amount}}}"
    job = one_job(f"{LIST}, stages: {stages}, budget: {budget}")
    limits = job.budget
    assert (limits.daily_micros, limits.monthly_micros, limits.per_item_micros) == (micros,) * 3
    assert job.chain[0].estimate_micros == micros
    assert type(job.chain[0].estimate_micros) is int


def test_a_float_is_no_amount():
    config = {
        "name": "one",
        "handler": "x",
        "discovery": {"strategy": "static_list", "params": {"values": []}},
        "budget": {"daily_usd": 0.1},
    }
    with pytest.raises(ValueError, match="decimal text"):
        Job.model_validate(config)


@pytest.mark.parametrize(
    ("strategy", "params", "on_change"),
    [
        ("rss_atom", "url: 'http://a.example'", "ignore"),
        ("media_feed", "url: 'http://a.example'", "ignore"),
        ("html_links", "url: 'http://a.example'", "ignore"),
        ("sitemap", "url: 'http://a.example'", "ignore"),
        ("oai_pmh", "url: 'http://a.example'", "reprocess"),
        ("table_file", "path: x.csv", "reprocess"),
    ],
)
def test_what_a_change_does_depends_on_the_strategy_unless_the_job_says_it(strategy, params, on_change):
    def says(extra):
        text = f"discovery: {{strategy: {strategy}, params: {{{params}}}{extra}}}, handler: x"
        return one_job(text).discovery.on_change

    assert says("") == on_change
    assert says(", on_change: new_item") == "new_item"


def test_the_hash_is_the_digest_of_the_canonical_configuration():
    job = one_job(f"{LIST}, handler: x")
    assert job.config_hash == hashlib.sha256(job.config_json.encode()).hexdigest()


@pytest.mark.parametrize(
    "same",
    [
        f"handler: x, {LIST}",
        f"{LIST}, handler: x, retry: {{base_s: 30.0}}, priority: 100",
        f"{LIST}, handler: x, owner: null, budget: {{}}",
    ],
)
def test_what_means_the_same_has_the_same_hash(same):
    assert one_job(same).config_hash == one_job(f"{LIST}, handler: x").config_hash


@pytest.mark.parametrize(
    "other",
    [
        f"{LIST}, handler: y",
        f"{LIST}, handler: x, priority: 99",
        f"{LIST}, handler: x, params: {{n: 1}}",
        "discovery: {strategy: static_list, params: {values: [b]}}, handler: x",
        "discovery: {strategy: static_list, params: {values: [a]}, every_s: 60}, handler: x",
    ],
)
def test_what_means_something_else_has_another_hash(other):
    assert one_job(other).config_hash != one_job(f"{LIST}, handler: x").config_hash


def test_the_configuration_does_not_depend_on_the_folder_of_the_file(tmp_path):
    text = SHIPPED.read_text(encoding="utf-8")
    here, there = load_jobs(SHIPPED), parse_jobs(text, tmp_path / "jobs.yaml")
    assert [job.config_hash for job in here.jobs] == [job.config_hash for job in there.jobs]
    assert str(SHIPPED.parent) not in "".join(job.config_json for job in here.jobs)


def test_secrets_are_not_in_the_configuration_but_in_what_the_strategy_and_the_handler_get():
    job = one_job(
        "discovery: {strategy: rss_atom, params: {url: 'https://a.example/?token=env:FEED', "
        "headers: {Authorization: 'Bearer env:FEED', Cookie: literal-s3cret}}}, "
        "handler: x, params: {password: env:FEED}"
    )
    environment = {"FEED": "s3cret"}
    params = job.discovery_params(environment)
    assert params["url"] == "https://a.example/?token=s3cret"
    assert params["headers"]["Authorization"] == "Bearer s3cret"
    assert job.stage_params(job.chain[0], environment) == {"password": "s3cret"}
    assert "s3cret" not in job.config_json
    assert "?token=***" in job.config_json
    with pytest.raises(PermanentFailure, match="FEED is not set"):
        job.discovery_params({"FEED": ""})


def test_parameters_of_a_handler_have_types_that_lose_nothing():
    job = one_job(
        f"{LIST}, handler: x, params: {{keywords: {{NO: 3, yes: 0.5}}, exact: true, version: 1.10}}"
    )
    assert job.chain[0].params == {"keywords": {"NO": 3, "yes": 0.5}, "exact": True, "version": "1.10"}


def test_a_stage_is_found_by_its_name():
    job = one_job(f"{LIST}, stages: [{{name: a, handler: x}}]")
    assert job.stage("a") is job.chain[0]
    assert job.stage("b") is None

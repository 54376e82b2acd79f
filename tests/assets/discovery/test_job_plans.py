"""The jobs as the ledger takes them: every setting arrives, in milliseconds and micro-USD."""

from pathlib import Path

from assets.discovery.handler_modules import Handler
from assets.discovery.job_plans import job_entries, job_entry, job_plans
from assets.discovery.jobs_file import parse_jobs
from assets.discovery.ledger.plans import (
    BreakerPolicy,
    Budget,
    DiscoveryPlan,
    JobPlan,
    RetryPolicy,
    StagePlan,
)

TEXT = """
version: 1
budget: {daily_usd: "5.00", soft_ratio: 0.5, on_exceed: warn}
jobs:
  - name: papers
    timezone: America/New_York
    enabled: false
    discovery:
      strategy: static_list
      params: {values: [x]}
      on_change: new_item
      gone_after: 7
      empty_is_error: true
    retry: {max_attempts: 2, base_s: 1.5, cap_s: 60, jitter: 0}
    breaker: {min_calls: 3, window: 4, failure_ratio: 0.9, cool_down_s: 0.2, cap_s: 99.6}
    budget: {daily_usd: "1.00", monthly_usd: "20", per_item_usd: "0.000001", soft_ratio: 0.6, on_exceed: warn,
             require_price: true}
    stages:
      - {name: fetch, handler: fetch, cost_estimate_usd: "0.015"}
      - {name: score, handler: score, retry: {max_attempts: 9}, needs: []}
  - name: feed
    handler: report
    discovery: {strategy: rss_atom, params: {url: "https://x.test"}}
"""
JOBS = parse_jobs(TEXT, Path("jobs.yaml"))
HANDLERS = {
    f"assets.discovery.handlers.{name}": Handler(name, lambda work: {}, f"{name} 2", f"hash of {name}")
    for name in ("fetch", "score", "report")
}


def test_every_setting_of_a_job_arrives():
    breaker = BreakerPolicy(min_calls=3, window=4, failure_ratio=0.9, cool_down_s=1, cap_s=100)
    retry = RetryPolicy(max_attempts=2, base_ms=1500, cap_ms=60_000, jitter=0)
    nine = RetryPolicy(max_attempts=9, base_ms=1500, cap_ms=60_000, jitter=0)
    assert job_plans(JOBS, HANDLERS)["papers"] == JobPlan(
        "papers",
        (
            StagePlan("fetch", (), "fetch 2", "hash of fetch", retry, breaker, 15_000),
            StagePlan("score", (), "score 2", "hash of score", nine, breaker, 0),
        ),
        DiscoveryPlan(on_change="new_item", gone_after=7, empty_is_error=True),
        "America/New_York",
        Budget(1_000_000, 20_000_000, 1, 0.6, "warn", require_price=True),
        Budget(daily_micros=5_000_000, soft_ratio=0.5, on_exceed="warn"),
    )


def test_a_job_that_says_little_has_the_defaults_and_those_of_its_strategy():
    plan = job_plans(JOBS, HANDLERS)["feed"]
    assert plan.stages == (StagePlan("report", (), "report 2", "hash of report"),)
    assert plan.discovery == DiscoveryPlan(on_change="ignore")
    assert (plan.timezone, plan.budget) == ("UTC", Budget())


def test_the_entries_say_what_is_stored_of_each_job_disabled_ones_too():
    entries = job_entries(JOBS)
    assert [(entry.job_id, entry.enabled) for entry in entries] == [("papers", False), ("feed", True)]
    assert entries[1] == job_entry(JOBS.jobs[1])
    assert (entries[0].config_json, entries[0].config_hash) == (
        JOBS.jobs[0].config_json,
        JOBS.jobs[0].config_hash,
    )

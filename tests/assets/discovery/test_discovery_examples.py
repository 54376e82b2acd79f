"""The worked examples: the few that only a job and its ledger together show.

Every other one is a row or a test where its rule lives:

| examples | where |
|---|---|
| 1, 2, 3 | `ledger/test_ledger_schema` |
| 4, 5, 6, 8, 11, 12, 14, 15 | `ledger/test_ledger_claims` (8 also `ledger/test_ledger_breakers`) |
| 7, 9 | `ledger/test_ledger_processes` (9 also `engine/test_kill_drain`) |
| 10 | `ledger/test_ledger_claims`, `test_discovery_leases` |
| 13 | `engine/test_draining_stops` |
| 16 | `ledger/test_ledger_breakers`, `engine/test_draining_failures` |
| 17, 41 | `engine/test_runs` |
| 18, 19 | `test_canonical_urls`, `strategies/test_strategy_rss_atom` |
| 20, 21, 23 | `strategies/test_strategy_rss_atom` |
| 22, 24, 25, 26, 28, 31 | `engine/test_discovering` (24 and 25 also `test_item_keys`) |
| 27 | `strategies/test_strategy_date_range` |
| 29 | `strategies/test_strategy_edgar_index` |
| 30 | here; its parts in `strategies/test_strategy_git_history` and `…_upstream_results` |
| 32, 33 | `ledger/test_ledger_staleness`; 32 also `scripts/discovery_cli/test_cli_by_hand` |
| 34 | `test_handler_modules`, `scripts/discovery_cli/test_cli_refusals` |
| 35, 36, 37 | `ledger/test_ledger_budgets`; 35 also `engine/test_draining_budgets` |
| 38 | `ledger/test_ledger_budgets`; the finding in `doctor/test_doctor_money` |
| 39, 40 | `ledger/test_ledger_jobs` |
| 42 | `scripts/discovery_cli/test_cli_refusals`, `engine/test_trial` |
| 43 | `engine/test_draining_stops`; its recording in `test_discovery_mirroring` |
| 44 | `engine/test_kill_drain`, `test_discovery_leases` |
"""

import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from assets.discovery.ledger import by_hand
from assets.discovery.ledger.outcomes import Failed, Outcome
from tests.assets.discovery.engine.source_runs import SourceRun, one_job, returned

UPSTREAM = one_job("{strategy: static_list, params: {values: [a]}}")
FOLLOWER = (
    "\n  - {name: follower, discovery: {strategy: upstream_results, params: {job: papers, stage: score}}, "
    "handler: report}"
)


def revisions(run: SourceRun) -> list[tuple[str, int, str]]:
    """The items of the last job: key, revision, status."""
    rows = run.rows(
        "SELECT w.key, w.revision, d.derived_status FROM work_items w "
        "JOIN item_derived_status d ON d.item_id = w.id WHERE w.job_id = ?",
        run.job.name,
    )
    return [(row["key"], row["revision"], row["derived_status"]) for row in rows]


def test_a_tag_that_moved_is_a_second_revision(tmp_path):
    """30."""
    repo = tmp_path / "repo"
    git(tmp_path, "init", "-q", str(repo))
    commit_and_tag(repo)
    params = "{repo: repo, mode: tags}"
    run = SourceRun(tmp_path, one_job(f"{{strategy: git_history, params: {params}}}"))
    run.discover()
    run.drain()
    assert revisions(run) == [("v1", 1, "done")]
    assert run.discover().n_unchanged == 1
    commit_and_tag(repo)
    assert run.discover().n_changed == 1
    assert revisions(run) == [("v1", 2, "pending")]


def commit_and_tag(repo: Path) -> None:
    git(repo, "commit", "-q", "--allow-empty", "-m", "more")
    git(repo, "tag", "-f", "v1")


def git(folder: Path, *command: str) -> None:
    known = ("-c", "user.name=Zoë", "-c", "user.email=zoe@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *known, *command], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("second", "revision", "status"),
    [
        (returned({"n": 2}), 2, "pending"),
        (returned({"n": 1}), 1, "done"),
        (Failed("permanent", "404", "404"), 1, "done"),
    ],
    ids=["another output", "the same output", "failed"],
)
def test_an_upstream_item_that_is_done_again_is_a_second_revision_if_its_output_differs(
    tmp_path, second: Outcome, revision: int, status: str
):
    """30."""
    upstream = SourceRun(tmp_path, UPSTREAM)
    upstream.discover()
    upstream.drain(lambda claim: returned({"n": 1}))
    follower = SourceRun(tmp_path, UPSTREAM + FOLLOWER, now=upstream.now)
    assert follower.discover().n_new == 1
    follower.drain()
    assert revisions(follower) == [("a", 1, "done")]

    again(upstream, second)
    follower.now = upstream.now
    follower.discover()
    assert revisions(follower) == [("a", revision, status)]


def again(run: SourceRun, outcome: Outcome) -> None:
    """Do the stages of the only item again, a second later."""
    run.now += 1000
    with closing(run.open()) as connection:
        (item,) = run.rows("SELECT id FROM work_items WHERE job_id = ?", run.job.name)
        by_hand.retry_item(connection, run.plan, item["id"], run.now)
    run.drain(lambda claim: outcome if claim.stage == "score" else returned({"n": run.now}))


def test_upstream_failures_are_nothing_to_a_follower(tmp_path):
    """30."""
    upstream = SourceRun(tmp_path, UPSTREAM)
    upstream.discover()
    upstream.drain(lambda claim: Failed("permanent", "404", "404"))
    follower = SourceRun(tmp_path, UPSTREAM + FOLLOWER, now=upstream.now)
    assert follower.discover().n_read == 0
    assert revisions(follower) == []

"""0 done, 1 work failed, 2 wrong usage or configuration, 3 paused or over budget."""

import pytest

from tests.scripts.discovery_cli.cli_worlds import Desk, inv, ledger, rows, words

BREAKER = {"min_calls": 2, "window": 2, "failure_ratio": 0.5, "cool_down_s": 3600}


def one_stage(does: str, **job: object) -> dict[str, object]:
    return words("a", "b", "c", stages=[{"name": "fetch", "params": {"does": does}}], **job)


def test_a_run_that_does_all_it_may_exits_0(desk: Desk):
    desk.jobs(words("a", "b"))

    ended = inv("jobs.run", "-j", "words", "--json")

    assert (ended.code, ended.document["stopped"], ended.document["items"]["done"]) == (0, "drained", 2)


@pytest.mark.parametrize("verb", ["run", "test"])
def test_a_stage_that_failed_in_this_run_exits_1(desk: Desk, verb: str):
    desk.jobs(words("a", {"value": "b", "does": "fail"}))

    assert inv(f"jobs.{verb}", "-j", "words", "--json").code == 1


def test_a_failure_of_an_earlier_run_does_not_count_again(desk: Desk):
    desk.jobs(words({"value": "b", "does": "fail"}))
    inv("jobs.run", "-j", "words")

    assert inv("jobs.run", "-j", "words", "--json").code == 0


@pytest.mark.parametrize("verb", ["run", "test", "dry-run"])
def test_a_failed_discovery_exits_1_and_says_why(desk: Desk, verb: str):
    desk.jobs(words(discovery={"empty_is_error": True}))

    ended = inv(f"jobs.{verb}", "-j", "words", "--json")

    assert ended.code == 1
    assert "listed nothing" in ended.err


def test_a_paused_job_exits_3_and_does_nothing(desk: Desk):
    desk.jobs(words("a"))
    inv("jobs.pause", "-j", "words", "--reason", "the service moves house.")

    ended = inv("jobs.run", "-j", "words", "--json")

    assert (ended.code, ended.document["stopped"]) == (3, "paused")
    assert ended.err.splitlines() == [
        "The job words is paused: the service moves house.",
        "`inv jobs.unpause -j words` ends the pause.",
    ]
    assert rows("SELECT count(*) FROM work_items") == [(0,)]


def test_discovery_alone_of_a_paused_job_exits_3_also_where_it_goes_on(desk: Desk):
    desk.jobs(words("a", pause_discovery=False))
    inv("jobs.pause", "-j", "words")

    ended = inv("jobs.run", "-j", "words", "--discover-only", "--json")

    assert (ended.code, ended.document["discovery"]["n_new"]) == (3, 1)


def test_a_test_of_a_paused_job_works(desk: Desk):
    desk.jobs(words("a"))
    inv("jobs.pause", "-j", "words")

    ended = inv("jobs.test", "-j", "words", "--json")

    assert (ended.code, ended.document["items"]["done"]) == (0, 1)


def test_a_service_that_refuses_us_pauses_the_job_and_exits_3(desk: Desk):
    desk.jobs(one_stage("refuse"))

    ended = inv("jobs.run", "-j", "words", "--json")

    assert (ended.code, ended.document["stopped"]) == (3, "paused")


def test_a_spent_budget_exits_3(desk: Desk):
    stage = {"name": "fetch", "params": {"does": "pay"}}
    desk.jobs(words("a", "b", "c", stages=[stage], budget={"daily_usd": "0.50"}, runner={"concurrency": 1}))

    ended = inv("jobs.run", "-j", "words", "--json")

    assert (ended.code, ended.document["stopped"]) == (3, "over_budget")
    assert ended.document["cost_micros"] == 600_000
    assert inv("jobs.run", "-j", "words", "--json").code == 3
    assert inv("jobs.run", "-j", "words", "--discover-only", "--json").code == 3


def test_a_job_that_cools_for_all_its_work_exits_3(desk: Desk):
    job = one_stage("try again", breaker=BREAKER, retry={"base_s": 0}, runner={"concurrency": 1})
    desk.jobs(job)

    ended = inv("jobs.run", "-j", "words", "--single-pass", "--json")

    assert (ended.code, ended.document["stopped"]) == (3, "breaker")


def test_what_failed_counts_before_what_is_paused(desk: Desk):
    values = ({"value": "a", "does": "fail"}, {"value": "b", "does": "refuse"})
    desk.jobs(words(*values, stages=[{"name": "fetch"}], runner={"concurrency": 1}))

    ended = inv("jobs.run", "-j", "words", "--json")

    assert (ended.code, ended.document["stopped"]) == (1, "paused")


def test_a_retry_that_is_yet_to_come_is_no_failure(desk: Desk):
    desk.jobs(one_stage("try again"))

    ended = inv("jobs.run", "-j", "words", "--single-pass", "--json")

    assert (ended.code, ended.document["stages"]["retried"]) == (0, 3)


def test_wake_of_a_paused_job_changes_nothing_says_so_and_exits_3(desk: Desk):
    desk.jobs(words("a"))
    inv("jobs.pause", "-j", "words", "--reason", "the service moves house")

    ended = inv("jobs.wake", "-j", "words", "--json")

    assert (ended.code, ended.document) == (3, {"job": "words", "paused": True, "changed": False})
    assert "Nothing was changed" in ended.err
    assert "the service moves house" in ended.err
    assert rows("SELECT wake_at FROM job_state") == [(None,)]


def test_a_doctor_who_finds_more_than_a_remark_exits_1(desk: Desk):
    desk.jobs(words("a"))
    inv("jobs.run", "-j", "words")
    assert inv("jobs.doctor", "--json").code == 0
    with ledger() as connection:
        connection.execute("UPDATE results SET superseded_at = 1")
        connection.execute("DELETE FROM results WHERE stage = 'score'")

    ended = inv("jobs.doctor", "--json")

    assert ended.code == 1
    assert "done_without_result" in [finding["id"] for finding in ended.document["findings"]]


def test_a_ledger_of_a_newer_version_exits_2(desk: Desk):
    desk.jobs(words("a"))
    inv("jobs.migrate")
    with ledger() as connection:
        connection.execute("INSERT INTO schema_version (version, applied_at) VALUES (99, 0)")

    for command in (("jobs.status",), ("jobs.run", "-j", "words"), ("jobs.migrate",)):
        ended = inv(*command, "--json")
        assert (ended.code, ended.out) == (2, "")
        assert "schema version 99" in ended.err


def test_an_error_of_the_ledger_exits_1_with_a_sentence(desk: Desk):
    desk.jobs(words("a"))
    inv("jobs.migrate")
    with ledger() as connection:
        connection.execute("DROP TABLE costs")

    ended = inv("jobs.costs", "--json")

    assert (ended.code, ended.out) == (1, "")
    assert "the ledger cannot be used" in ended.err
    assert "Traceback" not in ended.err

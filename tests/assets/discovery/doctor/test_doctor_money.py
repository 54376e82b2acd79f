"""Which limits, calls and reservations the doctor tells of."""

from assets.discovery.ledger import costs
from assets.discovery.ledger.costs import Cost, Spender
from tests.assets.discovery.doctor.doctor_worlds import PAPERS
from tests.assets.discovery.ledger.ledger_worlds import START

DAY = 86_400


def test_a_limit_counts_from_the_last_micro_on(clinic):
    clinic.add("a")
    clinic.finish_all(Cost(499_999))
    assert clinic.examine() == []
    costs.settle(clinic.connection, Spender("papers"), [Cost(2)], "America/New_York", clinic.now)
    assert clinic.ids() == ["over_budget"]


def test_a_job_that_was_stopped_says_until_when(clinic):
    costs.settle(clinic.connection, Spender("papers"), [Cost(995_000)], "America/New_York", clinic.now)
    clinic.add("a")
    assert clinic.examine() == []
    assert clinic.claim() == []
    assert clinic.one("over_budget").evidence == (
        "papers is over its budget: its next call would pass a limit; "
        "nothing of it runs before 2026-03-01T05:00:00Z."
    )


def test_every_limit_that_is_spent_is_named_even_if_it_only_warns(clinic):
    budget = 'budget: {daily_usd: "1.00", monthly_usd: "1.00", on_exceed: warn}'
    clinic.use(PAPERS.replace('budget: {daily_usd: "1.00"}', budget))
    clinic.add("a")
    clinic.finish_all(Cost(600_000))
    assert clinic.one("over_budget").evidence == (
        "papers is over its budget: 1.20 USD of 1.00 USD spent this day "
        "and 1.20 USD of 1.00 USD spent this month."
    )


def test_the_budget_over_all_jobs_is_told_of_once(clinic):
    other = PAPERS.split("jobs:\n")[1].replace("name: papers", "name: other")
    clinic.use((PAPERS + other).replace('daily_usd: "1.00"', 'monthly_usd: "9.00"'))
    clinic.sync(clinic.jobs[1].plan)
    costs.settle(clinic.connection, Spender("papers"), [Cost(5_000_000)], "UTC", clinic.now)
    (finding,) = clinic.examine()
    assert (finding.id, finding.job, finding.command) == ("over_budget", None, "inv jobs.costs --by job")
    assert finding.evidence == (
        "The budget over all jobs is used up: 5.00 USD of 5.00 USD spent this day over all jobs."
    )


def test_calls_without_a_price_are_told_of_for_a_month(clinic):
    costs.settle(clinic.connection, Spender("papers"), [Cost(None)] * 3, "UTC", START)
    finding = clinic.one("unpriced_cost")
    assert (
        "No price is known of 3 calls of papers in 31 days, 3 of them to an unnamed provider"
        in finding.evidence
    )
    assert "unpriced_cost" in clinic.at(31 * DAY).ids()
    assert "unpriced_cost" not in clinic.at(32 * DAY).ids()


def test_a_reservation_of_a_running_attempt_is_kept_past_its_time(clinic):
    clinic.add("a")
    (claim,) = clinic.claim(lease_s=60)
    clinic.do("UPDATE item_stages SET lease_until = lease_until + 600000 WHERE id = ?", claim.stage_id)
    assert clinic.at(61).examine() == []
    assert clinic.fix() == []
    assert [row["state"] for row in clinic.rows("SELECT state FROM costs WHERE state <> 'released'")] == [
        "reserved"
    ]

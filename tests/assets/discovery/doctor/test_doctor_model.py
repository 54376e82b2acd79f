"""A ledger that is only changed through its own functions never has an error once it was reconciled."""

from hypothesis import settings

from assets.discovery.doctor.case import StandingJob
from assets.discovery.doctor.examination import examine, fix
from assets.discovery.doctor.findings import FIXABLE
from assets.discovery.doctor.surroundings import Surroundings
from assets.discovery.ledger import reconciliation
from tests.assets.discovery.doctor.doctor_worlds import jobs_of
from tests.assets.discovery.ledger.test_ledger_model import Interleavings as Ledgers

JOB = jobs_of("""
version: 1
jobs:
  - name: papers
    discovery: {strategy: static_list, params: {values: [a, b, c]}, every_s: 3600}
    stages:
      - {name: fetch, handler: fetch}
      - {name: tickers, handler: tickers, needs: []}
      - {name: score, handler: score, needs: [fetch, tickers]}
""")[0].job


class ExaminedLedgers(Ledgers):
    """The same interleavings; at the end of each the doctor comes."""

    def teardown(self) -> None:
        now, plan = self.world.now, self.world.job
        jobs, surroundings = [StandingJob(JOB, plan)], Surroundings(is_dead=lambda _: False)
        try:
            fixable = {each.id for each in examine(self.connection, jobs, now, surroundings)} & FIXABLE
            assert {each.id for each in fix(self.connection, jobs, now, surroundings)} == fixable
            reconciliation.reconcile(self.connection, {"papers": plan}, now, is_dead=lambda _: False)
            found = examine(self.connection, jobs, now, surroundings)
            assert [each for each in found if each.severity == "error" or each.fixable] == []
        finally:
            super().teardown()


ExaminedLedgers.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestExaminedLedgers = ExaminedLedgers.TestCase

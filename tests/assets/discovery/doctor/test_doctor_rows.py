"""Rows that do not fit the jobs file or each other: what counts, and what is only unusual."""

from pathlib import Path

import pytest

from assets.discovery.ledger import by_hand, staleness
from assets.discovery.ledger.outcomes import Done, Skipped
from tests.assets.discovery.doctor.doctor_worlds import PAPERS, Clinic
from tests.assets.discovery.ledger.ledger_worlds import World, opened, seen

THREE = PAPERS.replace(
    "      - {name: extract, handler: extract,",
    "      - {name: clean, handler: score}\n      - {name: extract, handler: extract,",
)


def test_a_stage_that_is_new_in_the_jobs_file_is_missing_until_it_is_fixed(clinic):
    clinic.add("a", "b")
    clinic.use(THREE)
    finding = clinic.one("missing_stage_rows")
    assert finding.evidence == (
        "Items of papers have no row for a stage of the jobs file: clean 3; the first is old."
    )
    clinic.fix()
    assert clinic.statuses("a") == ["pending", "pending", "pending"]
    assert (
        "clean, which it needs, never had a result, for example of old" in clinic.one("stage_order").evidence
    )
    clinic.finish_all()
    assert clinic.examine() == []


def test_work_that_goes_on_meanwhile_is_not_half_seen(clinic: Clinic):
    other = World(opened(clinic.folder), clinic.job)

    def work_goes_on(statement: str) -> None:
        if "UNION ALL" in statement:
            other.add(f"new {len(other.rows('SELECT 1 FROM work_items'))}")

    clinic.connection.set_trace_callback(work_goes_on)
    assert clinic.examine() == []
    clinic.connection.set_trace_callback(None)
    assert len(clinic.rows("SELECT 1 FROM work_items")) == 2
    other.connection.close()


def test_items_that_are_gone_or_cancelled_need_no_rows(clinic):
    clinic.add("a", "b")
    clinic.show(seen("a", deleted=True))
    by_hand.set_aside(clinic.connection, clinic.item("b")["id"], "cancelled", "enough", clinic.now)
    clinic.do("DELETE FROM item_stages WHERE status = 'cancelled'")
    assert clinic.examine() == []
    clinic.add("c")
    clinic.do("DELETE FROM item_stages WHERE status = 'pending'")
    assert clinic.one("missing_stage_rows").evidence.endswith("extract 1, fetch 1; the first is c.")


def test_a_stage_behind_a_skipped_one_is_in_order(clinic):
    clinic.add("a")
    (claim,) = clinic.claim()
    clinic.finish(claim, Skipped("empty"))
    clinic.finish_all()
    assert clinic.statuses("a") == ["skipped", "done"]
    assert clinic.examine() == []


def test_rows_of_a_removed_stage_that_ended_are_history(clinic):
    clinic.use(PAPERS.replace("      - {name: extract,", "      - {name: translate,"))
    clinic.fix()
    clinic.finish_all()
    assert clinic.statuses("old") == ["done", "done", "done"]
    assert clinic.examine() == []


def test_jobs_that_left_the_file_are_only_freed_of_their_leases(clinic):
    clinic.add("a")
    clinic.claim(lease_s=60)
    clinic.use(PAPERS.replace("name: papers", "name: other"))
    (finding,) = clinic.at(61).examine()
    assert (finding.id, finding.job) == ("expired_lease", "papers")
    assert [each.id for each in clinic.fix()] == ["expired_lease"]
    assert clinic.examine() == []


def test_results_of_other_inputs_are_stale_as_the_ledger_counts_them(clinic):
    clinic.add("a", "b", "c")
    clinic.finish_all()
    clinic.do("UPDATE work_items SET content_hash = 'other' WHERE key IN ('a', 'b')")
    counted = staleness.count_stale(clinic.connection, clinic.job)
    assert (counted.items, counted.by_stage, counted.by_reason) == (
        2,
        {"fetch": 2, "extract": 2},
        {"input": 4},
    )
    assert clinic.one("stale_results").evidence == (
        "Results of 2 items of papers are stale (stages: extract 2, fetch 2; reasons: input 4)."
    )


def test_versions_of_a_job_with_a_broken_handler_are_not_compared(clinic: Clinic):
    clinic.use(PAPERS.replace("handler: fetch", "handler: fetsh"))
    finding = clinic.one("unknown_handler")
    assert "0 items of papers" in finding.evidence
    assert "assets.discovery.handlers.fetsh" in finding.evidence
    assert clinic.ids() == ["unknown_handler"]


@pytest.mark.parametrize("stored", [True, False])
def test_a_payload_whose_file_is_gone_is_lost(clinic, stored):
    clinic.add("a")
    (claim,) = clinic.claim()
    clinic.finish(claim, Done(clinic.job.stages[0].handler_version, "out", blob_path="ab/abc", size=200_000))
    clinic.finish_all()
    clinic.know(is_stored=lambda path: stored or path != "ab/abc")
    found = clinic.examine()
    assert [finding.id for finding in found] == ([] if stored else ["done_without_result"])
    if found:
        assert "for example ab/abc of a" in found[0].evidence
        assert found[0].command == f"inv jobs.retry -j papers -k {clinic.item('a')['id']}"


def test_a_view_that_is_missing_is_a_mismatch(clinic):
    clinic.do("DROP VIEW item_derived_status")
    (finding,) = clinic.examine()
    assert (finding.id, finding.severity, finding.job) == ("view_mismatch", "error", None)
    _, _, script = finding.command.strip("'").partition(".read ")
    statements = (Path(__file__).parents[4] / script).read_text(encoding="utf-8")
    clinic.do(statements[statements.index("CREATE VIEW") :])
    assert clinic.examine() == []

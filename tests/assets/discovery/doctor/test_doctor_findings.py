"""Every finding of the doctor: what makes it appear and how bad it is; and none for a ledger that is well."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from assets.discovery.doctor.findings import FIXABLE, IDS
from assets.discovery.ledger import costs, events, limiters
from assets.discovery.ledger.costs import Cost, Spender
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.limiters import Rate
from assets.discovery.ledger.listings import Report
from assets.discovery.ledger.outcomes import Failed, Skipped
from resources.ledger import Ledger
from tests.assets.discovery.doctor.doctor_worlds import PAPERS, SECRET, Clinic, linked
from tests.assets.discovery.ledger.ledger_worlds import seen

HOUR, DAY = 3600, 86_400


def expired_lease(clinic: Clinic) -> None:
    clinic.add("a")
    clinic.claim(lease_s=60)
    clinic.at(60)


def dead_owner(clinic: Clinic) -> None:
    clinic.add("a")
    clinic.claim(lease_s=60)
    clinic.know(is_dead=lambda owner: owner == "host:1:1:a")


def missing_stage_rows(clinic: Clinic) -> None:
    clinic.add("a", "b")
    clinic.do("DELETE FROM item_stages WHERE stage = 'extract' AND status = 'pending'")


def orphan_stage(clinic: Clinic) -> None:
    clinic.use(PAPERS.replace("name: extract", "name: translate"))
    clinic.add("a")
    clinic.finish_all()
    clinic.do("UPDATE item_stages SET status = 'failed' WHERE stage = 'translate'")
    clinic.use(PAPERS)
    clinic.do(
        "INSERT INTO item_stages (item_id, job_id, stage, ord) SELECT id, job_id, 'extract', 1 "
        "FROM work_items WHERE key = 'a'"
    )


def stage_order(clinic: Clinic) -> None:
    clinic.do("DELETE FROM results WHERE stage = 'fetch'")
    clinic.do(
        "UPDATE item_stages SET status = 'pending', finished_at = NULL, seq = NULL WHERE stage = 'fetch'"
    )


def done_without_result(clinic: Clinic) -> None:
    clinic.do("UPDATE results SET revision = 7 WHERE stage = 'extract'")


def stale_results(clinic: Clinic) -> None:
    clinic.add("a")
    clinic.finish_all(version="0")


def unknown_handler(clinic: Clinic) -> None:
    clinic.add("a", "b")
    clinic.use(PAPERS.replace("handler: fetch", "handler: fetsh"))


def duplicates(clinic: Clinic) -> None:
    clinic.show(linked("g1", "https://A.example/x?b=1&a=2"), linked("g2", "https://a.example/x?a=2&b=1"))


def discovery_anomalous(clinic: Clinic) -> None:
    clinic.discover(*(seen(f"k{n}") for n in range(20)), report=Report(whole=True))
    clinic.discover(seen("k1"), report=Report(whole=True))


def discovery_overdue(clinic: Clinic) -> None:
    clinic.at(3 * HOUR)


def error_concentration(clinic: Clinic) -> None:
    clinic.add(*(f"k{n}" for n in range(10)))
    for n, claim in enumerate(clinic.claim()):
        text = f"404 for item {n}" if n % 2 else "gone " + "abcdefghijk"[n]
        clinic.finish(claim, Failed("permanent", text))


def retry_storm(clinic: Clinic) -> None:
    clinic.add(*(f"k{n}" for n in range(20)))
    for claim, letter in zip(clinic.claim(), "abcdefghijklmnopqrst", strict=True):
        clinic.finish(claim, Failed("transient", f"reason {letter}"))


def queue_growing(clinic: Clinic) -> None:
    for day in range(4):
        clinic.at(day * DAY + HOUR).add(*(f"day {day} {n}" for n in range(10)))


def over_budget(clinic: Clinic) -> None:
    clinic.add("a")
    clinic.finish_all(Cost(500_000))


def unpriced_cost(clinic: Clinic) -> None:
    clinic.add("a")
    clinic.finish_all(Cost(None, "acme", "big"))


def expired_reservation(clinic: Clinic) -> None:
    now = clinic.now
    costs.reserve(clinic.connection, Spender("papers"), 250_000, "UTC", now - 5000, now)


def limiter_cooled_long(clinic: Clinic) -> None:
    limiters.cool(clinic.connection, "sec.gov", clinic.now + HOUR * 1000 + 1, clinic.now)


def clock_jump(clinic: Clinic) -> None:
    limiters.take_turn(clinic.connection, "sec.gov", [Rate(10, 1)], clinic.now + 2 * HOUR * 1000)


def wal_large(clinic: Clinic) -> None:
    with (clinic.folder / "big.sqlite-wal").open("wb") as log:
        log.truncate(256 * 2**20 + 1)
    clinic.know(ledger=clinic.folder / "big.sqlite")


def network_file_system(clinic: Clinic) -> None:
    clinic.know(network_file_system=lambda folder: "nfs4" if folder == clinic.folder else None)


def disk_low(clinic: Clinic) -> None:
    clinic.know(free_bytes=lambda _: 10**9 - 1)


def integrity(clinic: Clinic) -> None:
    clinic.do("PRAGMA foreign_keys = OFF")
    clinic.do("UPDATE work_items SET discovery_id = 999")


def schema_behind(clinic: Clinic) -> None:
    clinic.do("DELETE FROM schema_version")


def view_mismatch(clinic: Clinic) -> None:
    clinic.do("DROP VIEW item_derived_status")
    clinic.do("CREATE VIEW item_derived_status AS SELECT id AS item_id, job_id, 'pending' AS derived_status "
              "FROM work_items")  # fmt: skip


def mirror_drift(clinic: Clinic) -> None:
    clinic.know(mirrored=lambda job: {clinic.item("old")["partition_key"], f"stranger-of-{job}"})


def secret_in_events(clinic: Clinic) -> None:
    text = f"cannot log in with {SECRET}"
    events.write(clinic.connection, "released", Subject("papers"), clinic.now, {"error": text})


class Sick(NamedTuple):
    arrange: Callable[[Clinic], None]
    severity: str
    job: str | None
    evidence: str
    command: str


FIX = "inv jobs.doctor --fix"
SICK = {
    "expired_lease": Sick(expired_lease, "warn", "papers", "1 lease of papers expired", FIX),
    "dead_owner": Sick(dead_owner, "warn", "papers", "such as host:1:1:a (stage fetch of a)", FIX),
    "missing_stage_rows": Sick(missing_stage_rows, "warn", "papers", "extract 2; the first is a", FIX),
    "stage_order": Sick(
        stage_order,
        "warn",
        "papers",
        "Stage extract of 1 item of papers is done although fetch",
        "inv jobs.show",
    ),
    "done_without_result": Sick(
        done_without_result, "error", "papers", "for example of old", "inv jobs.reprocess -j papers"
    ),
    "stale_results": Sick(
        stale_results,
        "info",
        "papers",
        "Results of 1 item of papers are stale (stages: extract 1, fetch 1; reasons: version 2)",
        "inv jobs.reprocess -j papers",
    ),
    "orphan_stage": Sick(orphan_stage, "warn", "papers", "translate (1); the first is a", FIX),
    "unknown_handler": Sick(
        unknown_handler,
        "error",
        "papers",
        "2 items of papers cannot pass stage fetch",
        "inv jobs.test -j papers",
    ),
    "duplicate_after_canonicalisation": Sick(
        duplicates, "warn", "papers", "https://A.example/x?b=1&a=2 and https://a.example/x", "inv jobs.skip"
    ),
    "discovery_anomalous": Sick(
        discovery_anomalous, "warn", "papers", "read 1 candidate", "inv jobs.dry-run -j papers"
    ),
    "discovery_overdue": Sick(
        discovery_overdue,
        "warn",
        "papers",
        "last worked 3 h ago, for 3 intervals",
        "inv jobs.run -j papers --discover-only",
    ),
    "error_concentration": Sick(
        error_concentration,
        "warn",
        "papers",
        "5 of the last 10 failures of papers are the same: <n> for item <n>",
        "inv jobs.retry -j papers --class permanent",
    ),
    "retry_storm": Sick(retry_storm, "warn", "papers", "20 of the 22 attempts", "inv jobs.events -j papers"),
    "queue_growing": Sick(
        queue_growing, "warn", "papers", "20, 40, 60, 80; 60 stages more", "inv jobs.status"
    ),
    "over_budget": Sick(over_budget, "warn", "papers", "1.00 USD of 1.00 USD", "inv jobs.costs -j papers"),
    "unpriced_cost": Sick(
        unpriced_cost, "warn", "papers", "2 of them to acme big", "inv jobs.costs -j papers"
    ),
    "expired_reservation": Sick(
        expired_reservation, "warn", "papers", "0.25 USD of papers are held by 1 reservation without", FIX
    ),
    "limiter_cooled_long": Sick(
        limiter_cooled_long, "warn", None, "limiter sec.gov rests for", "inv jobs.report"
    ),
    "clock_jump": Sick(clock_jump, "warn", None, "2 h ahead of this clock", "timedatectl"),
    "wal_large": Sick(wal_large, "warn", None, "big.sqlite-wal has 256 MB", "sqlite3"),
    "network_file_system": Sick(network_file_system, "error", None, "(nfs4)", "export QUINTET_HOME"),
    "disk_low": Sick(disk_low, "warn", None, "1.00 GB are free", "df -h"),
    "integrity": Sick(
        integrity,
        "error",
        None,
        "1 reference to rows that do not exist (of work_items 1 to discoveries)",
        "sqlite3",
    ),
    "schema_behind": Sick(
        schema_behind, "warn", None, "schema version 0, this code has 1", "inv jobs.migrate"
    ),
    "view_mismatch": Sick(view_mismatch, "error", "papers", "for example of old", "inv jobs.show -j papers"),
    "mirror_drift": Sick(
        mirror_drift, "warn", "papers", "such as stranger-of-papers", "inv jobs.items -j papers"
    ),
    "secret_in_events": Sick(
        secret_in_events,
        "error",
        "papers",
        "The value of env:PAPERS_TOKEN stands in 1 event",
        "inv jobs.events",
    ),
}
SAFE = ("expired_lease", "dead_owner", "missing_stage_rows", "orphan_stage", "expired_reservation")


def test_the_doctor_knows_the_findings_of_the_specification_and_fixes_five_of_them():
    assert IDS == (
        "expired_lease",
        "dead_owner",
        "missing_stage_rows",
        "stage_order",
        "done_without_result",
        "stale_results",
        "orphan_stage",
        "unknown_handler",
        "duplicate_after_canonicalisation",
        "discovery_anomalous",
        "discovery_overdue",
        "error_concentration",
        "retry_storm",
        "queue_growing",
        "over_budget",
        "unpriced_cost",
        "expired_reservation",
        "limiter_cooled_long",
        "clock_jump",
        "wal_large",
        "network_file_system",
        "disk_low",
        "integrity",
        "schema_behind",
        "view_mismatch",
        "mirror_drift",
        "secret_in_events",
    )
    assert set(SICK) == set(IDS)
    assert set(SAFE) == FIXABLE


def test_a_ledger_that_is_well_has_no_findings(clinic):
    """With work of every kind: done, running, waiting, retried, failed, skipped, cancelled and gone."""
    clinic.add("b", "c", "d", "e", "f")
    b, c, d, _, _ = clinic.claim(5)
    clinic.finish(b, Skipped("short"))
    clinic.finish(c, Failed("permanent", "404"))
    clinic.finish(d, Failed("transient", "timeout"))
    clinic.show(seen("f", deleted=True))
    clinic.finish_all(Cost(1000, "acme", "small"))
    clinic.add("g")
    clinic.claim(1, "another")
    assert clinic.examine() == []


@pytest.mark.parametrize("id_", SICK)
def test_a_finding_appears_alone_with_its_evidence_and_what_to_do(clinic, id_):
    sick = SICK[id_]
    sick.arrange(clinic)
    (finding,) = clinic.examine()
    assert (finding.id, finding.severity, finding.job) == (id_, sick.severity, sick.job)
    assert finding.fixable is (id_ in SAFE)
    assert sick.evidence in finding.evidence
    assert finding.command.startswith(sick.command)
    assert "\n" not in finding.evidence


@pytest.mark.parametrize("id_", SICK)
def test_an_examination_needs_to_read_only_and_changes_nothing(clinic, id_):
    SICK[id_].arrange(clinic)
    expected = clinic.examine()
    writable, clinic.connection = (
        clinic.connection,
        Ledger(folder=str(clinic.folder)).open_raw_db("discovery"),
    )
    before = "\n".join(writable.iterdump())
    assert clinic.examine() == expected
    assert "\n".join(writable.iterdump()) == before
    clinic.connection.close()
    clinic.connection = writable


@pytest.mark.parametrize("id_", SAFE)
def test_what_is_safe_is_fixed_once_and_told(clinic, id_):
    SICK[id_].arrange(clinic)
    (expected,) = clinic.examine()
    assert clinic.fix() == [expected]
    assert id_ not in clinic.ids()
    (event,) = clinic.events("doctor_fixed")
    assert (event["job_id"], event["level"]) == ("papers", "info")
    assert event["payload"] == {"finding": id_, "evidence": expected.evidence}
    before = "\n".join(clinic.connection.iterdump())
    assert clinic.fix() == []
    assert "\n".join(clinic.connection.iterdump()) == before


@pytest.mark.parametrize("id_", [id_ for id_ in SICK if id_ not in SAFE])
def test_what_is_not_safe_is_left_as_it_is(clinic, id_):
    SICK[id_].arrange(clinic)
    expected, before = clinic.examine(), "\n".join(clinic.connection.iterdump())
    assert clinic.fix() == []
    assert clinic.examine() == expected
    assert "\n".join(clinic.connection.iterdump()) == before


def test_what_is_fixed_goes_on_as_it_should(clinic):
    expired_lease(clinic)
    expired_reservation(clinic)
    assert [finding.id for finding in clinic.fix()] == ["expired_lease", "expired_reservation"]
    assert clinic.stage("a")["status"] == "pending"
    assert [row["outcome"] for row in clinic.attempts("a")] == ["lost"]
    assert {row["state"] for row in clinic.rows("SELECT state FROM costs")} == {"released"}


def test_what_was_not_put_right_is_not_told_as_fixed(clinic):
    clinic.add("a")
    clinic.claim()
    answers = iter([True, False, True])  # a process that cannot be told from its successor
    clinic.know(is_dead=lambda _: next(answers))
    assert clinic.fix() == []
    assert clinic.events("doctor_fixed") == []


def test_leases_of_runs_that_have_ended_are_dead(clinic):
    clinic.add("a", "b")
    clinic.claim(1, "gone")
    clinic.claim(1, "alive")
    clinic.know(ended_runs={"gone"})
    assert "1 lease of papers held by 1 worker" in clinic.one("dead_owner").evidence
    clinic.fix()
    assert (clinic.stage("a")["status"], clinic.stage("b")["status"]) == ("pending", "in_progress")


def test_the_worst_comes_first_and_a_job_can_be_singled_out(clinic):
    stale_results(clinic)
    secret_in_events(clinic)
    limiter_cooled_long(clinic)
    assert clinic.ids() == ["secret_in_events", "limiter_cooled_long", "stale_results"]
    assert [finding.id for finding in clinic.examine("another")] == ["limiter_cooled_long"]
    assert [finding.id for finding in clinic.examine("papers")] == clinic.ids()


def test_a_ledger_of_a_newer_version_is_a_finding_and_its_rows_are_left_alone(clinic):
    expired_lease(clinic)
    clinic.do("INSERT INTO schema_version (version, applied_at) VALUES (99, 0)")
    (finding,) = clinic.examine()
    assert (finding.id, finding.severity) == ("schema_behind", "error")
    assert "has schema version 99, this code has 1; update Quintet" in finding.evidence
    assert clinic.fix() == []


def test_a_file_that_is_no_ledger_is_a_finding(clinic: Clinic):
    Path(clinic.folder / "junk.sqlite").write_bytes(b"no ledger at all " * 1000)
    connection = Ledger(folder=str(clinic.folder)).open_raw_db("junk")
    clinic.connection, healthy = connection, clinic.connection
    (finding,) = clinic.examine()
    assert finding.id == "integrity"
    assert "is damaged: file is not a database." in finding.evidence
    assert clinic.fix() == []
    connection.close()
    clinic.connection = healthy


def test_a_page_that_is_destroyed_is_found_and_the_other_checks_go_on(clinic: Clinic):
    expired_reservation(clinic)
    ((page,),) = clinic.connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'results'"
    ).fetchall()
    clinic.do("PRAGMA wal_checkpoint(TRUNCATE)")
    ((size,),) = clinic.connection.execute("PRAGMA page_size").fetchall()
    with (clinic.folder / "discovery.sqlite").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    damaged = Ledger(folder=str(clinic.folder)).open_raw_db("discovery")
    clinic.connection, healthy = damaged, clinic.connection
    found = clinic.examine()
    assert {finding.id for finding in found} >= {"integrity", "expired_reservation"}
    assert isinstance(damaged, sqlite3.Connection)
    damaged.close()
    clinic.connection = healthy


def test_without_a_ledger_only_its_disk_is_examined(clinic: Clinic):
    disk_low(clinic)
    clinic.connection, healthy = None, clinic.connection  # pyright: ignore[reportAttributeAccessIssue] # there is none
    assert clinic.ids() == ["disk_low"]
    clinic.connection = healthy

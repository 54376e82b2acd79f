"""The machinery around the work: limiters, the clock, and what Dagster has been told."""

from collections.abc import Iterator
from typing import Final

from assets.discovery.doctor.case import Case, StandingJob
from assets.discovery.doctor.findings import Finding, found
from assets.discovery.doctor.wording import counted, instant, span

LONG_COOLING_MS: Final = 3_600_000
CLOCK_TOLERANCE_MS: Final = 120_000
"""Clocks are read before a transaction begins, and it may wait 30 s for its turn."""
EVENTS_READ: Final = 1000


def limiter_cooled_long(case: Case) -> Iterator[Finding]:
    """Limiters and breakers that let nothing through for more than another hour."""
    rows = case.rows(
        "SELECT name, kind, cooldown_until FROM limiters WHERE cooldown_until > ? ORDER BY name",
        case.now + LONG_COOLING_MS,
    )
    for name, kind, until in rows:
        rest = f"rests for another {span(until - case.now)}, until {instant(until)}"
        if kind == "breaker":
            job, _, stage = name.removeprefix("breaker:").partition("/")
            evidence = f"The breaker of stage {stage} of {job} {rest}."
            yield found("limiter_cooled_long", job, evidence, f"inv jobs.unpause -j {job}")
        else:
            yield found("limiter_cooled_long", None, f"The limiter {name} {rest}.", "inv jobs.report")


def clock_jump(case: Case) -> Iterator[Finding]:
    """Rows that are dated in the future, and events of the last day that are dated before earlier ones."""
    ((newest,),) = case.rows(
        "SELECT max(coalesce((SELECT max(at) FROM (SELECT at FROM events ORDER BY seq DESC LIMIT ?1)), 0), "
        "coalesce((SELECT max(started_at) FROM "
        "(SELECT started_at FROM attempts ORDER BY id DESC LIMIT ?1)), 0), "
        "coalesce((SELECT max(updated_at) FROM limiters), 0), "
        "coalesce((SELECT max(last_discovery_at) FROM job_state), 0))",
        EVENTS_READ,
    )
    if newest > case.now + CLOCK_TOLERANCE_MS:
        yield found(
            "clock_jump",
            None,
            f"The ledger was written at {instant(newest)}, {span(newest - case.now)} ahead of this clock "
            f"({instant(case.now)}): it was set back, or another machine's is wrong.",
            "timedatectl",
        )
        return
    latest, jump, at = 0, 0, 0
    for (dated,) in reversed(case.rows("SELECT at FROM events ORDER BY seq DESC LIMIT ?", EVENTS_READ)):
        latest = max(latest, dated)
        if dated > case.now - 24 * LONG_COOLING_MS and latest - dated > jump:
            jump, at = latest - dated, dated
    if jump > CLOCK_TOLERANCE_MS:
        evidence = f"The clock was set back by {span(jump)} at {instant(at)}, as the last events tell."
        yield found("clock_jump", None, evidence, "timedatectl")


def mirror_drift(case: Case) -> Iterator[Finding]:
    """Jobs of whose items Dagster knows something else than the ledger."""
    yield from _mirrored_ahead(case)
    mirrored = case.surroundings.mirrored
    if mirrored is not None:
        for job in case.jobs:
            told = set(mirrored(job.name))
            yield from _unknown_here(case, job.name, told)
            yield from _unknown_there(case, job, told)


def _mirrored_ahead(case: Case) -> Iterator[Finding]:
    rows = case.rows(
        "SELECT job_id, mirror_seq, e.seq FROM job_state JOIN "
        "(SELECT coalesce(max(seq), 0) AS seq FROM sqlite_sequence WHERE name = 'events') AS e "
        "WHERE mirror_seq > e.seq ORDER BY job_id"
    )
    for job, mirror_seq, last_seq in rows:
        yield found(
            "mirror_drift",
            job,
            f"Dagster has been told of events of {job} up to {mirror_seq:,}, but the ledger has had "
            f"{last_seq:,} at all: it is older than what was mirrored.",
            f"inv jobs.events -j {job}",
        )


def _unknown_here(case: Case, job: str, told: set[str]) -> Iterator[Finding]:
    known = {key for (key,) in case.rows("SELECT partition_key FROM work_items WHERE job_id = ?", job)}
    if unknown := sorted(told - known):
        yield found(
            "mirror_drift",
            job,
            f"Dagster has {counted(len(unknown), 'partition')} of {job} that the ledger does not know, "
            f"such as {unknown[0]}.",
            f"inv jobs.items -j {job} --search {unknown[0]}",
        )


def _unknown_there(case: Case, job: StandingJob, told: set[str]) -> Iterator[Finding]:
    """Items that were done by the event up to which Dagster has been told, but were not told of."""
    rows = case.rows(
        "SELECT w.partition_key FROM (SELECT id, partition_key FROM work_items WHERE job_id = ?1 "
        "AND gone_at IS NULL AND cancelled_at IS NULL ORDER BY id DESC LIMIT ?2) AS w "
        "JOIN item_stages AS s ON s.item_id = w.id GROUP BY w.id "
        "HAVING sum(s.status NOT IN ('done', 'skipped')) = 0 "
        "AND max(s.seq) <= (SELECT mirror_seq FROM job_state WHERE job_id = ?1) ORDER BY w.id DESC",
        job.name,
        job.job.mirror_limit,
    )
    untold = [key for (key,) in rows if key not in told]
    if untold:
        yield found(
            "mirror_drift",
            job.name,
            f"Dagster has not recorded {counted(len(untold), 'done item')} of {job.name} that mirroring has "
            f"passed, such as {untold[0]}.",
            "dagster asset materialize -f definitions.py "
            f"--select discovery/{job.name}/items --partition {untold[0]}",
        )

"""Work that waits for somebody who does not come: dead leases, and stages that nobody can work on."""

from collections.abc import Iterator

from assets.discovery.doctor.case import Case
from assets.discovery.doctor.findings import Finding, found, to_fix
from assets.discovery.doctor.wording import counted, span


def expired_lease(case: Case) -> Iterator[Finding]:
    """Leases whose time is over and that nobody has taken back yet."""
    rows = case.rows(
        "SELECT s.job_id, count(*), min(s.lease_until), s.stage, w.key, s.owner FROM item_stages AS s "
        "JOIN work_items AS w ON w.id = s.item_id WHERE s.status = 'in_progress' AND s.lease_until <= ? "
        "GROUP BY s.job_id ORDER BY s.job_id",
        case.now,
    )
    for job, n, oldest, stage, key, owner in rows:
        yield to_fix(
            "expired_lease",
            job,
            f"{counted(n, 'lease')} of {job} expired and nobody took them back; the oldest ended "
            f"{span(case.now - oldest)} ago (stage {stage} of {key}, held by {owner}).",
        )


def dead_owner(case: Case) -> Iterator[Finding]:
    """Leases that still run, of processes that no longer exist and of runs that have ended."""
    rows = case.rows(
        "SELECT s.job_id, s.owner, s.run_id, count(*), min(w.key), s.stage FROM item_stages AS s "
        "JOIN work_items AS w ON w.id = s.item_id WHERE s.status = 'in_progress' AND s.lease_until > ? "
        "GROUP BY s.job_id, s.owner, s.run_id ORDER BY s.job_id, s.owner",
        case.now,
    )
    dead = {owner for owner in {row[1] for row in rows} if case.surroundings.is_dead(owner)}
    for job in sorted({row[0] for row in rows}):
        held = [
            row
            for row in rows
            if row[0] == job and (row[1] in dead or row[2] in case.surroundings.ended_runs)
        ]
        if held:
            _, owner, _, _, key, stage = held[0]
            yield to_fix(
                "dead_owner",
                job,
                f"{counted(sum(row[3] for row in held), 'lease')} of {job} held by "
                f"{counted(len(held), 'worker')} will not be ended, for the process or its run has, "
                f"such as {owner} (stage {stage} of {key}).",
            )


def unknown_handler(case: Case) -> Iterator[Finding]:
    """Stages whose handler cannot be imported, with what waits for it."""
    for job in case.jobs:
        for stage, fault in job.faults.items():
            ((waiting,),) = case.rows(
                "SELECT count(*) FROM item_stages INDEXED BY idx_item_stages_claim "
                "WHERE job_id = ? AND stage = ? AND status = 'pending'",
                job.name,
                stage,
            )
            chained = job.job.stage(stage)
            module = chained.handler if chained else stage
            yield found(
                "unknown_handler",
                job.name,
                f"{counted(waiting, 'item')} of {job.name} cannot pass stage {stage}: its handler {module} "
                f"cannot be used ({fault}).",
                f"inv jobs.test -j {job.name}",
            )

"""Trouble that repeats: one error behind most failures, retries upon retries, a backlog that grows."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from assets.discovery.doctor.case import Case
from assets.discovery.doctor.findings import Finding, found
from assets.discovery.doctor.wording import counted
from assets.discovery.readers.error_messages import normalised

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
FAILURES_READ: Final = 50
FEWEST_FAILURES: Final = 10
"""Fewer failures say nothing: the only one there is would be all of them."""
FAILURES_WITHIN_MS: Final = 7 * DAY_MS
"""What failed before is history: without a bound a mended fault would be found until 50 others follow it."""
FEWEST_RETRIES: Final = 20
GROWING_DAYS: Final = 3
SMALLEST_GROWTH: Final = 50


def error_concentration(case: Case) -> Iterator[Finding]:
    """Jobs of whose last 50 failures at least half have the same message."""
    rows = case.rows(
        "SELECT job_id, error_class, error_text FROM (SELECT job_id, error_class, error_text, "
        "row_number() OVER (PARTITION BY job_id ORDER BY id DESC) AS n FROM attempts "
        "WHERE outcome IN ('failed', 'retry', 'lost') AND finished_at > ?) WHERE n <= ?",
        case.now - FAILURES_WITHIN_MS,
        FAILURES_READ,
    )
    failures: defaultdict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for job, error_class, text in rows:
        failures[job][normalised(text or "no message"), error_class or "transient"] += 1
    for job, counts in sorted(failures.items()):
        messages = Counter[str]()
        for (message, _), n in counts.items():
            messages[message] += n
        ((message, n),) = messages.most_common(1)
        total = messages.total()
        if total >= FEWEST_FAILURES and 2 * n >= total:
            error_class = max((count, name) for (text, name), count in counts.items() if text == message)[1]
            yield found(
                "error_concentration",
                job,
                f"{n} of the last {total} failures of {job} are the same: {message}",
                f"inv jobs.retry -j {job} --class {error_class}",
            )


def retry_storm(case: Case) -> Iterator[Finding]:
    """Jobs of whose attempts at least half, and at least twenty, went into retries within an hour."""
    rows = case.rows(
        "SELECT job_id, count(*) FILTER (WHERE outcome = 'retry'), count(*) FROM attempts "
        "WHERE finished_at > ? GROUP BY job_id ORDER BY job_id",
        case.now - HOUR_MS,
    )
    for job, retries, ended in rows:
        if retries >= FEWEST_RETRIES and 2 * retries >= ended:
            yield found(
                "retry_storm",
                job,
                f"{retries:,} of the {ended:,} attempts of {job} in the last hour ended in a retry.",
                f"inv jobs.events -j {job} --type retry_scheduled",
            )


def queue_growing(case: Case) -> Iterator[Finding]:
    """Jobs that had more unfinished stages every day for three days, and fifty more by now.

    A first listing of thousands is none: it grows once.
    """
    instants = [case.now - days * DAY_MS for days in range(GROWING_DAYS + 1)]
    unfinished = ", ".join(
        "count(*) FILTER (WHERE w.discovered_at <= ? AND coalesce(s.finished_at > ?, 1))" for _ in instants
    )
    rows = case.rows(
        f"SELECT s.job_id, {unfinished} FROM item_stages AS s "  # noqa: S608 - only repeats a constant
        "JOIN work_items AS w ON w.id = s.item_id WHERE s.finished_at IS NULL OR s.finished_at > ? "
        "GROUP BY s.job_id ORDER BY s.job_id",
        *(at for at in instants for _ in range(2)),
        instants[-1],
    )
    for job, *backlog in rows:
        grew = all(later > earlier for later, earlier in pairwise(backlog))
        if grew and backlog[0] - backlog[-1] >= SMALLEST_GROWTH:
            days = ", ".join(f"{n:,}" for n in reversed(backlog))
            yield found(
                "queue_growing",
                job,
                f"The unfinished stages of {job} grow day by day: {days}; "
                f"{counted(backlog[0] - backlog[-1], 'stage')} more than {GROWING_DAYS} days ago.",
                f"inv jobs.status -j {job}",
            )

"""What jobs see of their sources: late or suspicious discoveries, and links that are one thing twice."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from assets.discovery import due
from assets.discovery.credentials import is_credential
from assets.discovery.doctor.case import Case, StandingJob
from assets.discovery.doctor.findings import Finding, found
from assets.discovery.doctor.wording import counted, instant, span
from assets.discovery.job_model import Job
from assets.discovery.ledger import jobs
from assets.discovery.strategies.params import WebOptions
from assets.discovery.urls import canonical_url

LATE_AFTER: Final = 3
"""Intervals without a discovery that worked."""
_SAFE: Final = r"[A-Za-z0-9._~-]"
# Written as the canonical form is. Most links are, and canonicalising 100,000 of them takes seconds.
_PLAIN: Final = re.compile(
    rf"https?://[a-z0-9-]+(?:\.[a-z0-9-]+)*/(?:(?!\.){_SAFE}+/)*(?:(?!\.){_SAFE}+)?(?:\?({_SAFE}+=\S*))?"
)
_PAIR: Final = re.compile(rf"({_SAFE}+)=({_SAFE}*)")


def discovery_anomalous(case: Case) -> Iterator[Finding]:
    """Jobs whose last discovery listed so little that it was not believed."""
    for job in case.jobs:
        rows = case.rows(
            "SELECT outcome, n_read, started_at FROM discoveries WHERE job_id = ? AND outcome IS NOT NULL "
            "ORDER BY id DESC LIMIT 1",
            job.name,
        )
        if rows and rows[0][0] == "anomalous":
            (_, n_read, started_at) = rows[0]
            (usual,) = case.rows(
                "SELECT coalesce(max(n_read), 0) FROM (SELECT n_read FROM discoveries WHERE job_id = ? "
                "AND outcome = 'ok' ORDER BY id DESC LIMIT 10)",
                job.name,
            )
            yield found(
                "discovery_anomalous",
                job.name,
                f"The discovery of {job.name} at {instant(started_at)} read {counted(n_read, 'candidate')}, "
                f"where the last ten good ones read up to {usual[0]:,}; nothing was marked missing.",
                f"inv jobs.dry-run -j {job.name}",
            )


def discovery_overdue(case: Case) -> Iterator[Finding]:
    """Jobs that should have looked at their source at least three times since it last worked."""
    for job in case.jobs:
        if _should_look(case, job):
            yield from _if_overdue(case, job)


def _should_look(case: Case, job: StandingJob) -> bool:
    row = jobs.standing(case.connection, job.name)
    if row is None or row.orphaned_at is not None or not row.enabled or not job.job.enabled:
        return False
    if row.paused and job.job.pause_discovery:
        return False
    is_backfill = job.job.kind == "backfill"
    state = jobs.state_of(case.connection, job.name, case.now, is_backfill=is_backfill)
    return state != "complete"


def _if_overdue(case: Case, job: StandingJob) -> Iterator[Finding]:
    good = case.rows(
        "SELECT started_at FROM discoveries WHERE job_id = ? "
        "AND outcome IN ('ok', 'not_modified', 'anomalous') ORDER BY id DESC LIMIT 1",
        job.name,
    )
    tried = case.rows(
        "SELECT started_at, outcome, error_text FROM discoveries WHERE job_id = ? ORDER BY id DESC LIMIT 1",
        job.name,
    )
    ((since,),) = good or case.rows("SELECT min(applied_at) FROM schema_version")
    deadline = _third_due(job.job, since)
    if deadline is None or deadline > case.now:
        return
    if not tried:
        evidence = f"{job.name} has never looked at its source, although it should by its schedule."
        yield found("discovery_overdue", job.name, evidence, f"inv jobs.run -j {job.name}", "info")
        return
    last = f"the last try at {instant(tried[0][0])} {_outcome(*tried[0][1:])}"
    worked = f"last worked {span(case.now - since)} ago" if good else "has not worked yet"
    yield found(
        "discovery_overdue",
        job.name,
        f"The discovery of {job.name} {worked}, for {LATE_AFTER} intervals or more; {last}.",
        f"inv jobs.run -j {job.name} --discover-only",
    )


def _outcome(outcome: str | None, error_text: str | None) -> str:
    if outcome is None:
        return "never ended"
    return f"failed: {error_text}" if outcome == "failed" else "worked"


def _third_due(job: Job, since: int) -> int | None:
    """When the third discovery after `since` was due."""
    at: int | None = since
    for _ in range(LATE_AFTER):
        at = due.due_at(job, at)
        if at is None:
            return None
    return at


def duplicate_after_canonicalisation(case: Case) -> Iterator[Finding]:
    """Items of one job whose links are written in different ways and are the same link.

    Equal texts are none: a source may give several things one page, and tells them apart by its own ids.
    """
    for job in case.jobs:
        options = job.job.discovery.params
        drop_params = options.drop_params if isinstance(options, WebOptions) else ()
        same = _written_differently(_links(case, job.name), drop_params)
        if same:
            examples = next(iter(same.values()))
            (item_id,) = case.rows(
                "SELECT max(id) FROM work_items WHERE job_id = ?1 AND gone_at IS NULL "
                "AND cancelled_at IS NULL AND (url = ?2 OR (url IS NULL AND key = ?2))",
                job.name,
                examples[-1],
            )[0]
            yield found(
                "duplicate_after_canonicalisation",
                job.name,
                f"{job.name} has {counted(len(same), 'link')} as several items because they are written in "
                f"different ways, such as {examples[0]} and {examples[-1]}.",
                f"inv jobs.skip -j {job.name} -k {item_id} --cancel --reason duplicate",
            )


def _links(case: Case, job: str) -> list[str]:
    """The links of the live items as they are written, oldest first; a key may be one, too."""
    rows = case.rows(
        "SELECT coalesce(url, key) FROM work_items WHERE job_id = ? AND gone_at IS NULL "
        "AND cancelled_at IS NULL AND (url IS NOT NULL OR key LIKE 'http%://%') ORDER BY id",
        job,
    )
    return list(dict.fromkeys(link for (link,) in rows))


def _written_differently(links: Sequence[str], drop_params: Sequence[str]) -> dict[str, list[str]]:
    """Links with the same canonical form, by it."""
    by_form: defaultdict[str, list[str]] = defaultdict(list)
    for link in links:
        is_plain = looks_canonical(link, any_query=not drop_params)
        by_form[link if is_plain else canonical_url(link, drop_params)].append(link)
    return {form: texts for form, texts in by_form.items() if len(texts) > 1}


def looks_canonical(link: str, *, any_query: bool = True) -> bool:
    """Whether a link certainly is its own canonical form; false says nothing.

    `any_query`: no parameter is dropped but credentials; else only links without a query may be certain.
    """
    plain = _PLAIN.fullmatch(link)
    if plain is None or plain[1] is None:
        return plain is not None
    pairs = [_PAIR.fullmatch(pair) for pair in plain[1].split("&")]
    named = [(pair[1], pair[2]) for pair in pairs if pair is not None]
    return (
        any_query
        and len(named) == len(pairs)
        and named == sorted(named)
        and not any(is_credential(name) for name, _ in named)
    )

"""Discovery: a source is read, and what it shows is taken into the ledger.

However it ends, the ledger stands at the last mark that was reached: the next discovery goes on from there.
A source that fails makes a failed discovery; one that refuses who we are also pauses the job, as a stage
would (`auth`); one that asks to wait also lets the limiter of the job rest. A run that is asked to stop
leaves the discovery without an outcome, so the job stays due.

Not here: reading (`reading`), what the candidates mean for items (`ledger.items`) and the end of a discovery
for the job (`ledger.listings`).
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Final

from assets.discovery.contract import AuthFailure, RateLimited
from assets.discovery.engine.context import DiscoverySummary
from assets.discovery.engine.pacer import Gate
from assets.discovery.engine.payloads import read_payload_text
from assets.discovery.engine.reading import Interrupted, Listed, Reading, Start, Taker
from assets.discovery.engine.registry import ResourceRegistry
from assets.discovery.job_model import Job
from assets.discovery.ledger import events, items, limiters, listings, pauses
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.items import Checkpoint, Counts, Listing, Sighting
from assets.discovery.ledger.listings import Closed, Report
from assets.discovery.ledger.plans import JobPlan
from assets.discovery.strategies.upstream_results import LedgerUpstream, Output, Upstream
from assets.transactions import transaction

STOPPED: Final = "The run was asked to stop; the next discovery goes on from here."
SUSPICIOUS: Final = "The source listed far less than it used to, so nothing counts as missing."


class NoUpstream:
    """Where no job has had a result yet."""

    def outputs(self, job: str, stage: str, after_seq: int, most: int) -> Sequence[Output]:
        """None."""
        return []


class NoTurn(RateLimited):
    """The job's own rate lets no request go for longer than a run may take (milliseconds)."""

    def __init__(self, limiter: str, wait: int, patience: int) -> None:
        super().__init__(
            wait / 1000,
            f"the limiter {limiter} lets no request go for {wait / 1000:.0f} s, and a run waits "
            f"{patience / 1000:g} s at most (drain_max_s); try again when it does",
        )


def discover(
    job: Job,
    plan: JobPlan,
    resources: ResourceRegistry,
    connection: sqlite3.Connection,
    *,
    limit: int | None = None,
    gate: Gate | None = None,
) -> DiscoverySummary:
    """Read the source of a job from where the last discovery ended, and take what it shows.

    To be called in a thread with a connection of its own; the ledger must know the job. No transaction is
    open while it waits or reads. Errors of the ledger pass through, and leave the discovery open.

    Args:
        job: the job.
        plan: the same job as the ledger needs it.
        resources: what it is read with; `resources.stop` ends it after the batch or request under way.
        connection: the ledger, to write.
        limit: the most new items; the smaller one of this and the job's own counts.
        gate: what every request waits for, at most for as long as a run may take.
    """
    listing = listings.begin(connection, job.name, resources.clock(), resources.run_id)
    taker = _IntoTheLedger(connection, plan, listing, resources.clock)
    with upstream_of(job, resources) as upstream:
        start = Start(
            listing.cursor_json,
            listing.validators_json,
            smaller(limit, job.discovery.limit),
            _turns(job, resources, connection, gate),
            upstream,
        )
        reading = Reading(job, resources, taker, start)
        listed = reading.run()
    if listed.interrupted:
        listings.interrupt(connection, listing, listed.pages, resources.clock())
        return _summary(listing, listed, Closed("ok", 0, 0), interrupted=True)
    error_text = None if listed.error is None else reading.error_text(listed.error)
    report = Report(
        complete=listed.complete,
        whole=listed.whole,
        not_modified=listed.not_modified,
        error_text=error_text,
        pages=listed.pages,
        http_status=listed.http_status,
    )
    closed = listings.close(connection, plan, listing, report, resources.clock())
    if listed.error is not None:
        _heed(connection, job, listed.error, error_text or "", gate, resources.clock())
    return _summary(listing, listed, closed)


@contextmanager
def upstream_of(job: Job, resources: ResourceRegistry) -> Iterator[Upstream | None]:
    """What the strategy reads of other jobs, if it is one that does; without a ledger there is nothing."""
    name = resources.upstream_ledger or resources.ledger
    path = resources.ledgers.path(name)
    if job.discovery.strategy != "upstream_results":
        yield None
    elif not path.exists():
        yield NoUpstream()
    else:
        with closing(resources.ledgers.open_raw_db(name)) as connection:
            yield LedgerUpstream(connection, lambda blob_path: read_payload_text(path, blob_path))


def smaller(*limits: int | None) -> int | None:
    """The limit that counts of several; `None` is no limit."""
    return min((limit for limit in limits if limit is not None), default=None)


class _IntoTheLedger(Taker):
    """Takes batches into the ledger, a transaction each."""

    def __init__(
        self, connection: sqlite3.Connection, plan: JobPlan, listing: Listing, clock: Callable[[], int]
    ) -> None:
        self._connection, self._plan, self._listing, self._clock = connection, plan, listing, clock

    def is_known(self, key: str) -> bool:
        return items.is_known(self._connection, self._plan.job_id, key)

    def take(
        self, batch: Sequence[Sighting | Checkpoint], *, new_limit: int | None, n_rejected: int
    ) -> Counts:
        return items.upsert(
            self._connection,
            self._plan,
            self._listing,
            batch,
            self._clock(),
            new_limit=new_limit,
            n_rejected=n_rejected,
        )

    def tell(self, event: str, text: str) -> None:
        subject = Subject(self._plan.job_id, run_id=self._listing.run_id)
        with transaction(self._connection):
            events.write(self._connection, event, subject, self._clock(), {"text": text}, "warn")


def _turns(
    job: Job, resources: ResourceRegistry, connection: sqlite3.Connection, gate: Gate | None
) -> Callable[[], None]:
    """What returns when the next request may go."""
    patience = round(resources.jobs.runner_of(job).drain_max_s * 1000)

    def wait() -> None:
        ms = 0 if gate is None else gate.take(connection, resources.clock(), patience)
        if gate is not None and ms > patience:
            raise NoTurn(gate.limiter, ms, patience)
        if resources.stop.wait(ms / 1000):
            raise Interrupted

    return wait


def _heed(
    connection: sqlite3.Connection, job: Job, error: Exception, text: str, gate: Gate | None, now: int
) -> None:
    """What a failure of the source means beyond this discovery."""
    if isinstance(error, AuthFailure):
        with transaction(connection):
            pauses.set_pause(connection, job.name, "auth", text, now)
    elif isinstance(error, RateLimited) and gate is not None and not isinstance(error, NoTurn):
        with transaction(connection):
            limiters.cool(connection, gate.limiter, now + round(error.retry_after_s * 1000), now)


def _summary(
    listing: Listing, listed: Listed, closed: Closed, *, interrupted: bool = False
) -> DiscoverySummary:
    counts, warnings = listed.counts, list(listed.warnings)
    if interrupted:
        warnings.append(STOPPED)
    elif closed.outcome == "anomalous":
        warnings.append(SUSPICIOUS)
    return DiscoverySummary(
        outcome="interrupted" if interrupted else closed.outcome,
        n_read=counts.n_read,
        n_new=counts.n_new,
        n_changed=counts.n_changed,
        n_unchanged=counts.n_unchanged,
        n_duplicate=counts.n_duplicate,
        n_rejected=counts.n_rejected,
        n_missing=closed.n_missing,
        n_gone=counts.n_gone + closed.n_gone,
        warnings=tuple(warnings),
        error=closed.error_text,
        new_keys=tuple(counts.new_keys),
        discovery_id=listing.discovery_id,
    )

"""Reading a source as its job says: what a strategy yields goes on in batches, until one of the bounds.

Who takes the batches is not known here: `discovering` takes them into the ledger, `forecast` only counts.
The requests of a strategy wait for their turns here, outside of any transaction.
"""

import json
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.credentials import hidden, secrets_of, shown
from assets.discovery.engine.registry import ResourceRegistry
from assets.discovery.job_model import Job
from assets.discovery.keys import canonical_json
from assets.discovery.ledger.items import Checkpoint, Counts, Sighting
from assets.discovery.ledger.revisions import Content
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.registry import strategy_class
from assets.discovery.strategies.upstream_results import Upstream
from assets.discovery.web import Answer, Web, failures_of_the_web
from assets.failures import QuintetFailure

BATCH: Final = 1000
"""Candidates in a batch, which is one transaction."""
MOST_WARNINGS: Final = 100
MOST_NEW_KEYS: Final = 100
_LONGEST_ERROR: Final = 2000
_PLACES: Final = ("url", "path", "root", "repo", "bucket", "database", "project", "job")
"""The parameters that say where a source is."""


class Interrupted(Exception):
    """Raised into a strategy that asks for a document after the run was asked to stop."""


class Taker(Protocol):
    """What becomes of the candidates of a listing."""

    def is_known(self, key: str) -> bool:
        """Whether an item of the job has that key."""
        ...

    def take(
        self, batch: Sequence[Sighting | Checkpoint], *, new_limit: int | None, n_rejected: int
    ) -> Counts:
        """Take a batch, as `ledger.items.upsert` says."""
        ...

    def tell(self, event: str, text: str) -> None:
        """Note an event that the strategy tells of."""
        ...


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading begins, how far it goes, and what it needs besides the resources.

    `wait` returns when the next request may go, and raises `Interrupted` or a failure if none may.
    """

    cursor_json: str | None
    validators_json: str | None
    limit: int | None
    wait: Callable[[], None]
    upstream: Upstream | None = None


@dataclass(slots=True)
class Listed:
    """What reading a source came to.

    `cut`: something was left unread: the limit, `stop_when_seen` or `max_pages` ended it. `whole`: it began
    without a cursor and ended without one, so it showed all that the source shows.
    """

    counts: Counts = field(default_factory=Counts)
    complete: bool = False
    whole: bool = False
    not_modified: bool = False
    cut: bool = False
    interrupted: bool = False
    pages: int = 0
    http_status: int | None = None
    error: Exception | None = None
    warnings: list[str] = field(default_factory=list)


class PacedWeb:
    """The web as one discovery sees it: every request waits for its turn; the last status is kept."""

    def __init__(self, web: Web, wait: Callable[[], None]) -> None:
        self._web, self._wait = web, wait
        self.status: int | None = None

    def fetch(self, url: str, **options: Any) -> Answer:
        """Read one document, as the resource does."""
        self._wait()
        try:
            answer = self._web.fetch(url, **options)
        except Exception as error:
            self.status = getattr(error, "status", None)
            raise
        self.status = getattr(answer, "status", None)
        return answer


class Reading:
    """One reading of the source of one job. It blocks, and works in the thread that calls it."""

    def __init__(self, job: Job, resources: ResourceRegistry, taker: Taker, start: Start) -> None:
        self._job, self._resources, self._taker, self._start = job, resources, taker, start
        self._secrets = secrets_of(job.discovery.params.model_dump(mode="json"), resources.environment)
        self._listed = Listed()
        self._batch: list[Sighting | Checkpoint] = []
        self._size = self._rejected = self._unshown = 0
        self._last: Mark | None = None
        self._fresh: set[str] = set()
        self._page_has_new = False

    def run(self) -> Listed:
        """Read until the end, a bound or a failure; what was read until then is taken in any case."""
        listed = self._listed
        with closing(self._found()) as found:
            for entry in found:
                goes_on = self._mark(entry) if isinstance(entry, Mark) else self._candidate(entry)
                if not goes_on:
                    break
        if not listed.counts.cut:
            self._flush_the_end()
        self._judge()
        return listed

    def told(self, text: str) -> str:
        """A text as it may be stored and shown."""
        return hidden(text, self._secrets)[:_LONGEST_ERROR]

    def _found(self) -> Generator[Candidate | Mark]:
        """What the strategy yields; whatever it raises ends it. What taking it raises passes unchanged."""
        listed, web = self._listed, None
        try:
            with failures_of_the_web():
                web = PacedWeb(self._resources.web_of(self._job), self._start.wait)
                yield from self._strategy().discover(self._ask(web))
        except Interrupted:
            listed.interrupted = True
        except Exception as error:  # noqa: BLE001 - a defect of a strategy is told and ends the discovery.
            listed.error = error
        finally:
            listed.http_status = web.status if web else None

    def _strategy(self) -> BaseDiscovery:
        discovery = self._job.discovery
        more: dict[str, Any] = {} if self._start.upstream is None else {"upstream": self._start.upstream}
        drop_params = getattr(discovery.params, "drop_params", ())
        return strategy_class(discovery.strategy)(
            key_field=discovery.key_field, drop_params=drop_params, **more
        )

    def _ask(self, web: Web) -> Ask:
        discovery, start, resources = self._job.discovery, self._start, self._resources
        return Ask(
            params=self._job.discovery_params(resources.environment),
            cursor=_loaded(start.cursor_json),
            validators=_loaded(start.validators_json),
            # Where reading may stop after a page, marks are wanted at the ends of pages.
            limit=None if discovery.stop_when_seen else start.limit,
            max_pages=discovery.max_pages,
            stop_when_seen=discovery.stop_when_seen,
            clock=resources.clock,
            timezone=self._job.timezone,
            http=web,
            object_store=resources.object_store,
            is_known=self._taker.is_known,
            reject=self._reject,
            warn=self._warn,
        )

    def _reject(self, position: str, reason: str) -> None:
        self._rejected += 1
        self._warn(f"{position} is rejected: {reason}")

    def _warn(self, text: str, *, event: str = "") -> None:
        text = self.told(text)
        if len(self._listed.warnings) < MOST_WARNINGS:
            self._listed.warnings.append(text)
        else:
            self._unshown += 1
        if event:
            self._taker.tell(event, text)

    def _candidate(self, candidate: Candidate) -> bool:
        """Take a candidate; returns whether to go on."""
        if self._size == BATCH:
            self._flush()
            if self._resources.stop.is_set():
                self._listed.interrupted = True
                return False
        sighting = _sighting(candidate, self._job.priority)
        self._batch.append(sighting)
        self._size += 1
        if self._is_fresh(sighting):
            self._fresh.add(sighting.key)
            self._page_has_new = True
            if self._is_over_limit():
                self._flush()
        return not self._listed.counts.cut

    def _is_fresh(self, sighting: Sighting) -> bool:
        """Whether it will be new, where that decides when to stop."""
        if self._start.limit is None and not self._job.discovery.stop_when_seen:
            return False
        is_known = sighting.deleted or sighting.key in self._fresh or self._taker.is_known(sighting.key)
        return not is_known

    def _is_over_limit(self) -> bool:
        limit = self._start.limit
        return limit is not None and self._listed.counts.n_new + len(self._fresh) > limit

    def _mark(self, mark: Mark) -> bool:
        """Note a safe place; returns whether to go on behind it."""
        checkpoint = Checkpoint(_stored(mark.cursor), _stored(mark.validators))
        if self._batch and isinstance(self._batch[-1], Checkpoint):
            kept = checkpoint.validators_json or self._batch[-1].validators_json
            checkpoint = Checkpoint(checkpoint.cursor_json, kept)
            self._batch.pop()
        self._batch.append(checkpoint)
        listed, self._last = self._listed, mark
        listed.pages = max(listed.pages, mark.page)
        page_has_new, self._page_has_new = self._page_has_new, False
        if mark.complete or mark.page == 0:
            return True
        if mark.page > self._job.discovery.max_pages:
            self._warn(f"Reading stopped after max_pages {self._job.discovery.max_pages}; raise it for more.")
            listed.cut = True
        elif self._job.discovery.stop_when_seen and not page_has_new:
            listed.cut = True
        return not listed.cut

    def _flush(self) -> None:
        batch, rejected = self._batch, self._rejected
        self._batch, self._size, self._rejected = [], 0, 0
        self._fresh.clear()
        counts, limit = self._listed.counts, self._start.limit
        new_limit = None if limit is None else limit - counts.n_new
        _add(counts, self._taker.take(batch, new_limit=new_limit, n_rejected=rejected))

    def _flush_the_end(self) -> None:
        is_empty = self._listed.counts.n_read + self._size + self._rejected == 0
        if is_empty and self._listed.pages and self._job.discovery.empty_is_error:
            return  # Its validators would let the next answer be "not modified", and the error be forgotten.
        if self._batch or self._rejected:
            self._flush()

    def _judge(self) -> None:
        listed, last = self._listed, self._last
        listed.cut |= listed.counts.cut
        if self._unshown:
            listed.warnings.append(f"{self._unshown} more warnings are not shown.")
        if last is None or listed.cut or listed.interrupted or listed.error is not None:
            return
        listed.complete = last.complete
        listed.whole = last.complete or (self._start.cursor_json is None and last.cursor is None)
        listed.not_modified = last.page == 0 and listed.counts.n_read == 0

    def error_text(self, error: Exception) -> str:
        """Why the source could not be read: its name, the rule, and for a defect its type and place."""
        text = str(error)
        if not isinstance(error, QuintetFailure):
            frames = traceback.extract_tb(error.__traceback__)
            place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
            text = f"a defect, {type(error).__name__}{place}: {text}"
        return self.told(f"{source_of(self._job)} could not be read: {text}")


def source_of(job: Job) -> str:
    """The source of a job as people may see it: the strategy, and where it looks."""
    params = job.discovery.params.model_dump(mode="json")
    places = (str(params[name]) for name in _PLACES if params.get(name))
    place = next(places, "")
    return f"{job.discovery.strategy} {shown(place)}".strip()


def _sighting(candidate: Candidate, priority: int) -> Sighting:
    content = Content(
        canonical_json(candidate.data),
        candidate.content_hash or "",
        candidate.url,
        candidate.title,
        candidate.published_at,
        priority if candidate.priority is None else candidate.priority,
    )
    return Sighting(candidate.key or "", content, deleted=candidate.deleted)


def _stored(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else canonical_json(value)


def _loaded(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)


def _add(total: Counts, counts: Counts) -> None:
    total.n_read += counts.n_read
    total.n_new += counts.n_new
    total.n_changed += counts.n_changed
    total.n_unchanged += counts.n_unchanged
    total.n_duplicate += counts.n_duplicate
    total.n_rejected += counts.n_rejected
    total.n_deleted += counts.n_deleted
    total.n_gone += counts.n_gone
    total.cut |= counts.cut
    total.new_keys = (total.new_keys + counts.new_keys)[:MOST_NEW_KEYS]

"""A source that is read again and again, as the engine reads it: the cursor moves only at marks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.strategies.base import BaseDiscovery

NOON = 1_772_366_400_000  # 2026-03-01T12:00:00Z


@dataclass
class Read:
    """What one discovery yielded and told."""

    candidates: list[Candidate] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        return [str(candidate.key) for candidate in self.candidates]

    @property
    def data(self) -> list[Mapping[str, Any]]:
        return [candidate.data for candidate in self.candidates]

    @property
    def is_complete(self) -> bool:
        return self.marks[-1].complete


@dataclass
class Source:
    """One job's view of a source: what it knows by now, and where it goes on."""

    strategy: BaseDiscovery
    params: Mapping[str, Any]
    timezone: str = "UTC"
    now: int = NOON
    max_pages: int = 50
    stop_when_seen: bool = False
    store: Any = None
    http: Any = None
    cursor: Mapping[str, Any] | None = None
    validators: Mapping[str, Any] | None = None
    known: dict[str, str | None] = field(default_factory=dict)

    def read(self, *, limit: int | None = None, crash_after: int | None = None) -> Read:
        """One discovery. A crash after so many candidates forgets what came since the last mark."""
        read, pending = Read(), dict[str, str | None]()
        for found in self.strategy.discover(self._ask(read, limit)):
            if isinstance(found, Mark):
                read.marks.append(found)
                self.known |= pending
                pending.clear()
                self.cursor = found.cursor
                self.validators = self.validators if found.validators is None else found.validators
                continue
            key = str(found.key)
            is_new = key not in self.known and key not in pending
            if is_new and limit is not None and len(read.new) == limit:
                break
            if len(read.candidates) == crash_after:
                return read
            if is_new:
                read.new.append(key)
            read.candidates.append(found)
            pending[key] = found.content_hash
        self.known |= pending
        return read

    def _ask(self, read: Read, limit: int | None) -> Ask:
        return Ask(
            params=self.params,
            cursor=self.cursor,
            validators=self.validators,
            limit=limit,
            max_pages=self.max_pages,
            clock=lambda: self.now,
            timezone=self.timezone,
            stop_when_seen=self.stop_when_seen,
            object_store=self.store,
            http=self.http,
            is_known=self.known.__contains__,
            reject=lambda position, reason: read.rejected.append((position, reason)),
            warn=lambda text, *, event="": read.warnings.append((event, text)),
        )


def assert_a_second_read_changes_nothing(source: Source) -> None:
    """An unchanged source shows nothing new, and no cursor moves."""
    known, cursor = dict(source.known), source.cursor
    again = source.read()
    assert again.new == []
    assert (source.known, source.cursor) == (known, cursor)

"""An entry of a feed, whatever the feed is written in, and the thing that it is.

Not here: how feeds are written (`feed_document`, `json_feed`), what a media feed adds (`media_feed`).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from zoneinfo import ZoneInfo

from assets.discovery.contract import Candidate
from assets.discovery.keys import text_key
from assets.discovery.strategies.instants import instant_ms, instant_text


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that belongs to an entry. `bytes` is what the feed says, `duration` as it is written."""

    url: str
    type: str = ""
    bytes: int | None = None
    duration: str = ""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is said in an entry, written down somewhere."""

    url: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an entry says; blank where it says nothing. Links are absolute, dates as they are written."""

    id: str = ""
    """Verbatim, but for white space around it."""
    url: str | None = None
    title: str = ""
    published: str = ""
    updated: str = ""
    author: str = ""
    summary: str = ""
    content: str = ""
    categories: tuple[str, ...] = ()
    enclosures: tuple[Enclosure, ...] = ()
    duration: str = ""
    transcripts: tuple[Transcript, ...] = ()
    video_id: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether nothing in it tells what it is."""
        return self == Entry()

    def data(self) -> dict[str, Any]:
        """What every feed says of an entry. What moves on its own, such as counts of views, is left out."""
        return {
            "id": self.id,
            "url": self.url,
            "title": self.title,
            "published": self.published,
            "updated": self.updated,
            "author": self.author,
            "summary": self.summary,
            "content": self.content,
            "categories": list(self.categories),
            "enclosures": [asdict(enclosure) for enclosure in self.enclosures],
        }

    def published_at(self, zone: ZoneInfo) -> int | None:
        """When it was published, else updated, as far as that can be read."""
        moments = (instant_ms(date, zone) for date in (self.published, self.updated) if date)
        return next((moment for moment in moments if moment is not None), None)

    def unreadable_dates(self, zone: ZoneInfo) -> Iterator[str]:
        """Its dates that are none."""
        for date in (self.published, self.updated):
            if date and instant_ms(date, zone) is None:
                yield date


def entry_candidate(entry: Entry, zone: ZoneInfo, *, has_key_field: bool = False) -> Candidate:
    """The thing, known by its id; else by its link; else by title and date; else by all that it says.

    A title without a date makes the key only where there is nothing else: two notes are not the same because
    both are called `Untitled`. With a key field, the job itself says what comes after the id.
    """
    published_at = entry.published_at(zone)
    is_dated = published_at is not None
    key = entry.id or None
    is_by_text = key is None and entry.url is None and not has_key_field
    if is_by_text and (is_dated or is_title_only(entry)):
        key = text_key(entry.title, instant_text(published_at) if is_dated else "")
    return Candidate(key, entry.data(), entry.url, entry.title or None, published_at)


def is_title_only(entry: Entry) -> bool:
    """Whether the title is all that the entry says."""
    return entry == Entry(title=entry.title)

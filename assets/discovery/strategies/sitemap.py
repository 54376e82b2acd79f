"""`sitemap`: the pages that a site lists for crawlers.

Not here: what a sitemap says (`sitemap_file`).
"""

from collections import deque
from collections.abc import Iterator
from typing import ClassVar, Final, NamedTuple
from zoneinfo import ZoneInfo

from assets.discovery.contract import Ask, AuthFailure, Candidate, Mark, RateLimited
from assets.discovery.credentials import shown
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.instants import instant_ms
from assets.discovery.strategies.link_filter import is_wanted, web_link
from assets.discovery.strategies.params import SitemapParams
from assets.discovery.strategies.sitemap_file import MOST_PAGES, Entry, sitemap_file
from assets.discovery.strategies.web_source import Document, WebSource
from assets.discovery.urls import canonical_url
from assets.failures import PermanentFailure, QuintetFailure, TransientFailure

_DAY_MS: Final = 86_400_000
_LONGEST_MS: Final = {4: 366 * _DAY_MS, 7: 31 * _DAY_MS, 10: _DAY_MS}
"""How long a year, a month and a day last, by the length of their text."""
_WESTERNMOST_MS: Final = _DAY_MS // 2
"""A day ends there that much after it does in UTC."""


class Sitemap(BaseDiscovery):
    """The pages of a sitemap, of the sitemaps in an index, or of those that a robots.txt names.

    The cursor is `{files: {url: lastmod}}`: the files of pages that were read, with what their index said of
    them then. With `use_lastmod` a file of which it still says that is not read. The listing is complete when
    every file was read. At most `max_pages` files are read at a time, those first that never were.
    """

    name: ClassVar[str] = "sitemap"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the pages, file by file; what is no address is rejected.

        A file that an index names and that is not there or is no sitemap is told and passed over.

        Raises:
            PermanentFailure: there is nothing at the URL, it is no sitemap, or none of its files is.
            TransientFailure, RateLimited, AuthFailure: as the host says, of any of the files.
        """
        params = SitemapParams.model_validate(ask.params)
        source = WebSource(ask, params, params.url)
        with source.open(conditional=True, gunzip=True) as document:
            if document.not_modified:
                yield source.unchanged(document)
                return
            walk = _Walk(source, params)
            is_index = yield from walk.take(document)
        yield from walk.files()
        yield walk.end(document, is_index=is_index)


class _Child(NamedTuple):
    """A file that an index names."""

    name: str
    """Its address without credentials, as the cursor has it."""
    url: str
    lastmod: str


class _Walk:
    """Files being read, one after the other: what waits, and what became of the others."""

    def __init__(self, source: WebSource, params: SitemapParams) -> None:
        self._source, self._ask, self._params = source, source.ask, params
        self._read: dict[str, str | None] = dict(source.cursor.get("files", {}))
        self._listed: dict[str, None] = {}
        self._waiting = deque[_Child]()
        self._pages = self._files_read = self._unmoved = 0
        self._failure: QuintetFailure | None = None
        self._is_cut = False
        self._all_have_lastmod = True

    def take(self, document: Document) -> Iterator[Candidate]:
        """Yield the pages of a file; of an index, wait for its files. Returns whether it is one."""
        self._pages += 1
        what = shown(document.url)
        is_index, entries = sitemap_file(document.file, what)
        if is_index:
            found = list(self._children(document.url, what, entries))
            self._waiting.extend(sorted(found, key=lambda child: child.name in self._read))
        else:
            self._files_read += 1
            yield from self._candidates(document.url, what, entries)
        return is_index

    def files(self) -> Iterator[Candidate | Mark]:
        """Read the files that wait, and those that they name; mark after each file of pages."""
        while self._waiting:
            child = self._waiting.popleft()
            if self._params.use_lastmod and self._read.get(child.name) == child.lastmod:
                self._unmoved += 1
                continue
            if self._pages >= self._ask.max_pages:
                self._ask.warn(
                    f"{self._source.shown} has more files than max_pages {self._ask.max_pages} lets be read; "
                    "the next discovery goes on with those that were never read."
                )
                self._is_cut = True
                return
            yield from self._file(child)

    def end(self, document: Document, *, is_index: bool) -> Mark:
        """The last mark, for the document that all began with.

        Raises:
            QuintetFailure: one of the files may be readable later, or none was readable.
        """
        if self._failure and (
            isinstance(self._failure, TransientFailure) or not (self._files_read or self._unmoved)
        ):
            raise self._failure
        is_whole = not self._is_cut and self._failure is None
        if is_whole:
            self._read = {name: lastmod for name, lastmod in self._read.items() if name in self._listed}
        # An index that is as it was says nothing of files whose lastmod it does not tell, or nobody heeds.
        tells_all = not is_index or (self._params.use_lastmod and self._all_have_lastmod)
        nothing_read = is_whole and self._unmoved and not self._files_read
        return Mark(
            {"files": self._read},
            self._source.validators(document) if is_whole and tells_all else self._source.underway(),
            page=0 if nothing_read else self._pages,
            complete=is_whole and not self._unmoved,
        )

    def _file(self, child: _Child) -> Iterator[Candidate | Mark]:
        try:
            with self._source.open(child.url, gunzip=True) as document:
                is_index = yield from self.take(document)
        except (RateLimited, AuthFailure):
            raise
        except TransientFailure as failure:
            self._failure = failure if not isinstance(self._failure, TransientFailure) else self._failure
        except PermanentFailure as failure:
            self._ask.warn(f"A file of the sitemap {self._source.shown} was passed over: {failure}")
            self._failure = self._failure or failure
        else:
            if not is_index:
                self._read[child.name] = _settled(child.lastmod, self._ask.clock())
                yield Mark({"files": dict(self._read)}, self._source.underway(), page=self._pages)

    def _children(self, base: str, what: str, entries: Iterator[Entry]) -> Iterator[_Child]:
        for entry in entries:
            url = _address(base, entry.location)
            if url is None:
                self._ask.reject(f"{entry.position} of {what}", "it has no http or https address")
                continue
            name = canonical_url(url)
            if name not in self._listed:
                self._listed[name] = None
                self._all_have_lastmod &= _settled(entry.lastmod, self._ask.clock()) is not None
                yield _Child(name, url, entry.lastmod)

    def _candidates(self, base: str, what: str, entries: Iterator[Entry]) -> Iterator[Candidate]:
        zone = ZoneInfo(self._ask.timezone)
        listed, undated = 0, 0
        for entry in entries:
            listed += 1
            url = _address(base, entry.location)
            if url is None:
                self._ask.reject(f"{entry.position} of {what}", "it has no http or https address")
                continue
            if not is_wanted(url, self._params.include, self._params.exclude):
                continue
            published_at = instant_ms(entry.lastmod, zone) if entry.lastmod else None
            undated += bool(entry.lastmod) and published_at is None
            data = {"url": url, "lastmod": entry.lastmod} if entry.lastmod else {"url": url}
            yield Candidate(None, data, published_at=published_at)
        if undated:
            self._ask.warn(f"{what} has {undated:,} lastmod that are no dates; these pages stay without one.")
        if listed > MOST_PAGES:
            self._ask.warn(
                f"{what} has {listed:,} entries, more than the {MOST_PAGES:,} that a file may have."
            )


def _address(base: str, location: str) -> str | None:
    """The address of an entry. The protocol wants all of it; what begins at the root of its host is clear."""
    return web_link(base, location) if location.lower().startswith(("/", "http")) else None


def _settled(lastmod: str, now: int) -> str | None:
    """A lastmod that the next change has to move: one with a time, or a day, month or year that is over."""
    begins = instant_ms(lastmod, ZoneInfo("UTC"))
    if begins is None:
        return None
    lasts = _LONGEST_MS.get(len(lastmod))
    return lastmod if lasts is None or begins + lasts + _WESTERNMOST_MS <= now else None

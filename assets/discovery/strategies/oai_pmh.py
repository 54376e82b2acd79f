"""`oai_pmh`: the records of a repository that were added, changed or deleted (OAI-PMH 2.0).

Not here: what an answer says (`oai_page`).
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Final, NamedTuple
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.instants import instant_ms, instant_text
from assets.discovery.strategies.oai_page import OaiPage, Record, Refusal
from assets.discovery.strategies.params import OaiPmhParams
from assets.discovery.strategies.web_source import WebSource
from assets.failures import PermanentFailure, TransientFailure

_DAY: Final = len("2026-03-07")
_DATES: Final = ("dates", "created")
"""Where the metadata may say when something was published."""


class OaiPmh(BaseDiscovery):
    """The records of a repository whose datestamp is in a window; a deleted record is a deleted thing.

    The cursor is `{from}`: when the repository began to answer with the last list that was read to its end,
    as precise as its datestamps are. Before that end it also has the token of the next page, and the list
    goes on from there, unless the repository has forgotten the token: then the window begins anew, once.
    """

    name: ClassVar[str] = "oai_pmh"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the records page by page.

        Raises:
            PermanentFailure: there is no repository, or it refuses the request.
            TransientFailure, RateLimited, AuthFailure: as the host says, or it forgot its token twice.
        """
        params = OaiPmhParams.model_validate(ask.params)
        source = WebSource(ask, params, params.url)
        place = _Place.of(source.cursor)
        window = _window(params, place.start)
        if place.start and window["from"] > window.get("until", "9999"):
            yield Mark(ask.cursor, ask.validators)
            return
        yield from _List(source, params, window, place).pages()


class _Place(NamedTuple):
    """Where reading goes on: the window of a cursor, and the page within it."""

    start: str | None
    """`from` of the list; None is the job's own."""
    token: str = ""
    began: str = ""
    """`responseDate` of its first page: what changed since may not be in it."""

    @classmethod
    def of(cls, cursor: dict[str, Any]) -> "_Place":
        return cls(cursor.get("from"), cursor.get("token", ""), cursor.get("began", ""))

    def cursor(self) -> dict[str, Any] | None:
        if self.token:
            return {"from": self.start, "token": self.token, "began": self.began}
        return None if self.start is None else {"from": self.start}


class _List:
    """A list being read, page by page."""

    def __init__(
        self, source: WebSource, params: OaiPmhParams, window: dict[str, str], place: _Place
    ) -> None:
        self._source, self._ask, self._params = source, source.ask, params
        self._window, self._place = window, place
        self._is_by_day = True
        self._seen: set[str] = set()

    def pages(self) -> Iterator[Candidate | Mark]:
        """Yield the records and a mark for each page."""
        may_restart = True
        for number in range(1, self._ask.max_pages + 1):
            try:
                yield from self._page()
            except Refusal as refusal:
                if refusal.code == "badResumptionToken" and self._place.token:
                    if not may_restart:
                        raise TransientFailure(f"{refusal} It did so twice; try later.") from None
                    may_restart = False
                    self._ask.warn(f"{refusal} The list is read again from its beginning.")
                    self._place = _Place(self._place.start)
                    self._seen.clear()
                    continue
                if refusal.code != "noRecordsMatch":
                    raise
                self._place = _Place(self._place.start)
            yield Mark(self._place.cursor(), self._source.underway(), page=number)
            if not self._place.token:
                return
        self._ask.warn(
            f"{self._source.shown} has more than max_pages {self._ask.max_pages} pages; "
            "the next discovery goes on where this one ended."
        )

    def _page(self) -> Iterator[Candidate]:
        with self._source.open(self._address()) as document:
            page = OaiPage(document.file, self._source.shown)
            zone = ZoneInfo(self._ask.timezone)
            for number, record in enumerate(page.records(), start=1):
                self._is_by_day &= len(record.datestamp) <= _DAY
                if record.identifier:
                    yield self._candidate(record, zone)
                else:
                    self._ask.reject(f"record {number}", "it has no identifier")
        began = self._place.began or page.response_date
        if not page.token:
            self._place = _Place(self._end(began))
            return
        if page.token in self._seen:
            raise PermanentFailure(
                f"{self._source.shown} gives the resumptionToken {page.token:.60} twice: its list never ends."
            )
        self._seen.add(page.token)
        self._place = _Place(self._place.start, page.token, began)

    def _address(self) -> str | None:
        """The URL of the next page; none for a file, which is its only page."""
        if urlsplit(self._params.url).scheme not in {"http", "https"}:
            if self._place.token:
                raise PermanentFailure(
                    f"{self._source.shown} is a file, and its list goes on in another; join them."
                )
            return None
        asked = {"verb": "ListRecords"}
        if self._place.token:
            asked["resumptionToken"] = self._place.token
        else:
            asked |= {"metadataPrefix": self._params.prefix} | self._window
            asked |= {"set": self._params.set_} if self._params.set_ else {}
        separator = "&" if urlsplit(self._params.url).query else "?"
        return f"{self._params.url}{separator}{urlencode(asked)}"

    def _end(self, began: str) -> str | None:
        """Where the next window begins."""
        milliseconds = instant_ms(began, ZoneInfo("UTC"))
        if milliseconds is None:
            self._ask.warn(
                f"{self._source.shown} says no responseDate; the next discovery reads the same again."
            )
            return self._place.start
        moment = instant_text(milliseconds // 1000 * 1000)
        # Every repository understands a day; who has none but days refuses a time.
        return moment[:_DAY] if self._is_by_day else moment

    def _candidate(self, record: Record, zone: ZoneInfo) -> Candidate:
        if record.is_deleted:
            return Candidate(record.identifier, {}, deleted=True)
        data = {
            **record.fields,
            "oai_identifier": record.identifier,
            "datestamp": record.datestamp,
            "sets": record.sets,
        }
        written = [date for name in _DATES for date in _listed(data.get(name))]
        dates = [moment for date in written if (moment := instant_ms(date, zone)) is not None]
        if written and not dates:
            self._ask.warn(
                f"The record {record.identifier} has no date but {written[0]!r:.60}, which is none."
            )
        links = (
            text for text in _listed(data.get("identifiers")) if text.startswith(("https://", "http://"))
        )
        return Candidate(
            record.identifier, data, url=next(links, None), published_at=min(dates, default=None)
        )


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value] if isinstance(value, str) else []


def _window(params: OaiPmhParams, start: str | None) -> dict[str, str]:
    """`from` and `until`, as far as there are any, as precise as each other."""
    first, last = start or params.from_, params.until
    if first and last and len(first) != len(last):
        first = first[:_DAY] if len(last) == _DAY else f"{first[:_DAY]}T00:00:00Z"
    return {name: text for name, text in (("from", first), ("until", last)) if text}

"""`edgar_index`: the filings of a quarter or a day, as the SEC lists them.

Not here: what a line says (`edgar_rows`). How often the SEC may be asked is the pace of the job.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.keys import digest
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.edgar_rows import BadLine, Filing, filings
from assets.discovery.strategies.instants import instant_ms
from assets.discovery.strategies.params import EdgarIndexParams
from assets.discovery.strategies.web_source import WebSource, absolute_url
from assets.discovery.urls import canonical_url

_ARCHIVES: Final = "https://www.sec.gov/Archives/"
_LATE: Final = timedelta(days=7)
"""Filings of days that are over still appear, or get an earlier date; what is known already costs nothing."""


class EdgarIndex(BaseDiscovery):
    """The filings of a master, form, company or crawler index, daily or of a quarter.

    A filing is known by its accession number, so that those who filed it together are duplicates, or by
    `cik|accession`. It has changed when its form or its date has. The cursor is `{url, newest_date}`: of the
    same index, days more than a week before that are not listed again.
    """

    name: ClassVar[str] = "edgar_index"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the filings in the order of the index; a bad line is rejected with its number.

        Raises:
            PermanentFailure: there is nothing at the URL, or it is no such index.
            TransientFailure, RateLimited, AuthFailure: as the host says.
        """
        params = EdgarIndexParams.model_validate(ask.params)
        source = WebSource(ask, params, params.url)
        with source.open(conditional=True, gunzip=True) as document:
            if document.not_modified:
                yield source.unchanged(document)
                return
            url = canonical_url(params.url)
            wanted = _Wanted(params, _first_day(ask, source.cursor, url))
            zone = ZoneInfo(ask.timezone)
            newest = ""
            for line in filings(document.file, source.shown):
                if isinstance(line, BadLine):
                    ask.reject(f"line {line.number}", line.reason)
                    continue
                newest = max(newest, line.date)
                if wanted.has(line):
                    yield _candidate(line, params, zone)
            # No mark before the end: the lines are in the order of names or numbers, not of dates.
            yield Mark({"url": url, "newest_date": newest}, source.validators(document), page=1)


class _Wanted:
    """Which filings a job asks for; no forms, or no CIKs, are all of them."""

    def __init__(self, params: EdgarIndexParams, first_day: str) -> None:
        self._forms = {form.strip().upper() for form in params.forms}
        self._ciks = {cik.strip().lstrip("0") for cik in params.ciks}
        self._first_day = first_day

    def has(self, filing: Filing) -> bool:
        """Whether a filing is of a form, of a company and of a day that are wanted."""
        return (
            filing.date >= self._first_day
            and (not self._forms or filing.form.upper() in self._forms)
            and (not self._ciks or filing.cik in self._ciks)
        )


def _first_day(ask: Ask, cursor: Mapping[str, str], url: str) -> str:
    """The first day of an index that is still listed; blank for all of them."""
    if cursor.get("url") != url or not cursor.get("newest_date"):
        return ""
    # A date in the future is a mistake in the index, and must not hide what comes until then.
    today = datetime.fromtimestamp(ask.clock() / 1000, UTC).date()
    return (min(today, date.fromisoformat(cursor["newest_date"])) - _LATE).isoformat()


def _candidate(filing: Filing, params: EdgarIndexParams, zone: ZoneInfo) -> Candidate:
    key = filing.accession if params.key == "accession" else f"{filing.cik}|{filing.accession}"
    place, marker, _ = params.url.partition("/edgar/")
    is_in_archives = marker and place.startswith(("http://", "https://"))
    url = absolute_url(f"{place}/" if is_in_archives else _ARCHIVES, filing.file)
    data = {
        "accession": filing.accession,
        "cik": filing.cik,
        "company": filing.company,
        "form": filing.form,
        "date": filing.date,
        "url": url,
    }
    return Candidate(
        key,
        data,
        title=f"{filing.company} {filing.form} {filing.date}",
        published_at=instant_ms(filing.date, zone),
        # Who of several comes first differs from index to index; names are corrected.
        content_hash=digest({"form": filing.form, "date": filing.date}),
    )

"""Where the next page of an API is, by each way in which APIs say so, and how to find it again another day.

Not here: reading pages, and what is on them (`json_api`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import jmespath
from w3lib.url import add_or_replace_parameters, url_query_cleaner

from assets.discovery.credentials import is_credential
from assets.discovery.strategies.link_header import next_link
from assets.discovery.strategies.params import Paging
from assets.discovery.strategies.web_source import Document, absolute_url

_LINKED: Final = frozenset({"link", "next_url"})


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing: the how many-th, and what the API calls it; blank for the first."""

    number: int
    place: str = ""
    """The URL of the page, its token, its number, or its offset, as the mode says."""


FIRST: Final = Page(1)


class Pager:
    """The pages of one listing, which begins at `url`."""

    def __init__(self, url: str, paging: Paging) -> None:
        self._url = url
        self._paging = paging
        self._next = jmespath.compile(paging.next) if paging.next else None
        self._param = paging.param or paging.mode

    def resumed(self, cursor: Mapping[str, Any] | None) -> Page:
        """The page that a stored cursor names; the first, if it cannot be found again."""
        number, place = (cursor or {}).get("page", 1), (cursor or {}).get("next", "")
        if not isinstance(number, int) or not isinstance(place, str) or number <= 1:
            return FIRST
        if self._paging.mode == "page":
            return Page(number, str(self._first_count() + number - 1))
        if self._paging.mode == "offset" and self._paging.size:
            return Page(number, str(self._first_count() + (number - 1) * self._paging.size))
        if self._paging.mode in _LINKED and place:
            place = _with(place, self._credentials())
        return Page(number, place) if place else FIRST

    def cursor(self, page: Page) -> dict[str, Any]:
        """What to store to find a page again: its number, and its place if the number does not tell it.

        A link is stored without the credentials that the job's `url` has, too; with others not at all.
        """
        place = page.place
        is_counted = self._paging.mode == "page" or (self._paging.mode == "offset" and self._paging.size)
        if is_counted or page.number == 1:
            place = ""
        elif self._paging.mode in _LINKED:
            own = _credentials(place)
            place = _without_credentials(place) if own == self._credentials() else ""
        return {"page": page.number, "next": place} if place else {"page": page.number}

    def url(self, page: Page) -> str:
        """Where a page is."""
        if page.place and self._paging.mode in _LINKED:
            return page.place
        parameters = {self._param: page.place} if page.place else {}
        if self._paging.size_param and self._paging.size:
            parameters[self._paging.size_param] = str(self._paging.size)
        return _with(self._url, parameters)

    def following(self, page: Page, document: Document, content: Any, n_items: int) -> Page | None:
        """The page after one that has been read; none if it says that it is the last.

        Raises:
            ValueError: what it says is neither a link nor a token.
        """
        match self._paging.mode:
            case "none":
                place = None
            case "link":
                place = next_link(document.headers.get("Link", ""), document.url)
            case "page":
                place = self._next_count(page, content, 1)
            case "offset":
                place = self._next_count(page, content, self._paging.size or n_items)
            case "next_url":
                link = self._said(content)
                place = absolute_url(document.url, link) if link else None
            case "token":
                place = self._said(content)
        return Page(page.number + 1, place) if place else None

    def _next_count(self, page: Page, content: Any, step: int) -> str | None:
        """The number or offset of the next page. What `next` gives, if it is told, is false at the end."""
        if self._next is not None and not self._next.search(content):
            return None
        return str(int(page.place or self._first_count()) + step)

    def _said(self, content: Any) -> str | None:
        """What `next` gives; nothing, or false, at the end."""
        said = self._next.search(content) if self._next else None
        if said is None or said is False:
            return None
        if isinstance(said, bool) or not isinstance(said, str | int):
            raise ValueError(f"has {said!r:.60} where {self._paging.next} should give the next page")
        return str(said)

    def _first_count(self) -> int:
        """What the API calls the first page: as the job's `url` has it, else page 1 and offset 0."""
        told = dict(_pairs(self._url)).get(self._param, "")
        if told.isascii() and told.isdigit():
            return int(told)
        return 1 if self._paging.mode == "page" else 0

    def _credentials(self) -> dict[str, str]:
        return _credentials(self._url)


def _pairs(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def _credentials(url: str) -> dict[str, str]:
    return {name: value for name, value in _pairs(url) if is_credential(name)}


def _with(url: str, parameters: Mapping[str, str]) -> str:
    return add_or_replace_parameters(url, dict(parameters)) if parameters else url


def _without_credentials(url: str) -> str:
    return url_query_cleaner(url, list(_credentials(url)), remove=True, unique=False, keep_fragments=True)

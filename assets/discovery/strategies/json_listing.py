"""The pages of an API as a job reads them: asked for, searched, and ended where they would go in a circle.

Not here: where the next page is (`paging`), and where a listing goes on another day (`json_api`).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError

from assets.discovery.contract import Ask, AuthFailure, Candidate
from assets.discovery.credentials import shown
from assets.discovery.keys import joined_key
from assets.discovery.strategies.paging import FIRST, Page, Pager
from assets.discovery.strategies.params import JsonApiParams
from assets.discovery.strategies.web_source import Document, WebSource, json_of
from assets.failures import PermanentFailure

_COUNTED: Final = frozenset({"page", "offset"})
"""Modes that go on until a page is empty. Some APIs answer their last page for every number above it."""


class JsonListing:
    """One reading of a listing, from the page where the last one stopped."""

    def __init__(self, ask: Ask, params: JsonApiParams) -> None:
        self._ask = ask
        self._params = params
        self._items = jmespath.compile(params.items)
        self._key = [jmespath.compile(expression) for expression in params.key]
        self._seen: set[str] = set()
        self._items_before: list[Any] | None = None
        self._is_one_page = params.paging.mode == "none" and params.method == "GET"
        self.source = WebSource(ask, params, params.url)
        self.pager = Pager(params.url, params.paging)

    def begun(self) -> tuple[Page, Document]:
        """The page that the cursor names; the first, if the host does not have that one any more."""
        page = self.pager.resumed(self._ask.cursor)
        try:
            return page, self.open(page)
        except AuthFailure:
            raise
        except PermanentFailure as error:
            if page == FIRST:
                raise
            # Tokens are good for a while only, and listings shrink.
            self._ask.warn(f"{error} So the listing is read from its first page again.")
            return FIRST, self.open(FIRST)

    def open(self, page: Page) -> Document:
        """Ask for a page."""
        self._seen.add(page.place)
        url, body = self.pager.url(page), self._params.body
        headers = {"Accept": "application/json"}
        if body is not None and not isinstance(body, str):
            headers["Content-Type"] = "application/json"
            body = json.dumps(body, ensure_ascii=False)
        return self.source.open(
            None if url == self._params.url else url,
            conditional=True,  # If anything is stored to ask by: see `validators`.
            method=self._params.method,
            body=None if body is None else body.encode(),
            headers=headers,
        )

    def validators(self, document: Document) -> Mapping[str, str]:
        """What to store of a document.

        Nothing where it is one of several: that the first is as it was says nothing of the others.
        """
        return self.source.validators(document) if self._is_one_page else {}

    def read(self, page: Page, document: Document) -> tuple[list[Any], Page | None]:
        """The items on a page, and the page after it.

        Raises:
            PermanentFailure: it is no JSON, or not such as the job says.
        """
        with document:
            try:
                content = json_of(document)
                items = self._list(content)
                following = self.pager.following(page, document, content, len(items))
            except ValueError as error:  # JMESPath's errors are such, too.
                raise self.source.unreadable(f"on page {page.number} {_sentence(error)}.") from None
        if self._params.paging.mode in _COUNTED and items and items == self._items_before:
            self._warn(page, "is the same as the one before")
            return [], None
        self._items_before = items
        if following is not None and following.place in self._seen:
            self._warn(page, "names as the next one a page that was read already")
            return items, None
        return items, following

    def candidates(self, page: Page, items: list[Any]) -> Iterator[Candidate]:
        """The items as things; one without a key is rejected."""
        for position, item in enumerate(items, start=1):
            try:
                key = joined_key([expression.search(item) for expression in self._key])
                if not key:
                    raise ValueError(f"{' and '.join(self._params.key)} gives no key")
            except ValueError as error:
                self._ask.reject(f"page {page.number}, item {position}", _sentence(error))
            else:
                yield Candidate(key, item if isinstance(item, dict) else {"value": item})

    def _list(self, content: Any) -> list[Any]:
        items, searched = self._items.search(content), self._params.items
        if isinstance(items, list):
            return items
        found = "nothing" if items is None else f"a value of type {type(items).__name__}"
        raise ValueError(
            f"has {found} where {searched} should give a list; correct items, "
            f"or write {searched} || `[]` if the API leaves out an empty list"
        )

    def _warn(self, page: Page, what: str) -> None:
        self._ask.warn(f"{self.source.shown}: page {page.number} {what}, so the listing ends there.")


def _sentence(error: ValueError) -> str:
    text = " ".join(str(error).split())
    return shown(f"cannot be searched: {text}" if isinstance(error, JMESPathError) else text)

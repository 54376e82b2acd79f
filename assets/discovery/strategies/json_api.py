"""`json_api`: the things that an API lists in JSON, page by page.

Not here: where the next page is (`paging`), and reading one page (`json_listing`).
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import ClassVar

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.json_listing import JsonListing
from assets.discovery.strategies.paging import FIRST
from assets.discovery.strategies.params import JsonApiParams


class JsonApi(BaseDiscovery):
    """What an API lists.

    The cursor is `{page}`, the first page that was not taken as a whole, with `next` where the number alone
    does not find it: a listing that a limit, the page cap or an error cut short goes on there. One that came
    to its end begins anew at page 1, for nobody knows where an API puts what is new. An API may list only a
    part of what it has, so its listing is never complete. Only a listing without pages has validators.
    """

    name: ClassVar[str] = "json_api"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the items page by page.

        The listing ends with a page that is empty, or names no next one, or one that was read already; with
        one that is the same as the one before; after one without a new key, if the job stops there.

        Raises:
            PermanentFailure: a page is not there, is no JSON, or has no list where `items` looks for it.
            TransientFailure, RateLimited, AuthFailure: as the host says.
        """
        listing = JsonListing(ask, JsonApiParams.model_validate(ask.params))
        page, document = listing.begun()
        if document.not_modified:
            document.close()
            yield listing.source.unchanged(document)
            return
        fresh: set[str] = set()
        for n_read in range(1, ask.max_pages + 1):
            validators = listing.validators(document)
            items, following = listing.read(page, document)
            n_fresh = len(fresh)
            for candidate in listing.candidates(page, items):
                if ask.stop_when_seen:
                    fresh.update(self._new_key(ask, candidate))
                yield candidate
            is_seen = ask.stop_when_seen and len(fresh) == n_fresh
            if following is None or not items or is_seen:
                yield Mark(listing.pager.cursor(FIRST), validators, n_read)
                return
            yield Mark(listing.pager.cursor(following), validators, n_read)
            if n_read < ask.max_pages:
                page, document = following, listing.open(following)

    def _new_key(self, ask: Ask, candidate: Candidate) -> Iterator[str]:
        """The key of a candidate as it will be stored, if it will be a new one."""
        with suppress(ValueError):  # It has none, and will be rejected.
            key = str(self.normalize(candidate).key)
            if not ask.is_known(key):
                yield key

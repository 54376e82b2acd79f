"""`rss_atom`: the entries of a feed: RSS 0.9x to 2.0, RDF, Atom, JSON Feed.

Not here: how feeds are read (`feed_document`), and what an entry is known by (`feed_entry`).
"""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.feed_candidates import feed_candidates
from assets.discovery.strategies.feed_entry import entry_candidate
from assets.discovery.strategies.params import RssAtomParams
from assets.discovery.strategies.web_source import WebSource


class RssAtom(BaseDiscovery):
    """The entries of a feed, which is never complete; it has validators, and no cursor."""

    name: ClassVar[str] = "rss_atom"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the entries in the order of the feed; one that says nothing is rejected.

        Raises:
            QuintetFailure: the feed cannot be fetched, is none, or is cut off.
        """
        params = RssAtomParams.model_validate(ask.params)
        candidate_of = partial(entry_candidate, has_key_field=self.has_key_field)
        yield from feed_candidates(ask, WebSource(ask, params, params.url), candidate_of)

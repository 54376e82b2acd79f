"""The entries of the feed at a job's `url`, one after the other, with what is said of those that are odd.

Not here: how feeds are read (`feed_document`), what a thing becomes of an entry (the strategies).
"""

from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.strategies.feed_document import read_feed
from assets.discovery.strategies.feed_entry import Entry, is_title_only
from assets.discovery.strategies.web_source import WebSource


def feed_candidates(
    ask: Ask, source: WebSource, candidate_of: Callable[[Entry, ZoneInfo], Candidate]
) -> Iterator[Candidate | Mark]:
    """Yield a candidate for each entry, in the order of the feed; one that is blank is rejected.

    So is one of which `candidate_of` raises a `ValueError`. A feed shows what is new and forgets the rest, so
    it is never complete; its validators are stored once all its entries are taken.

    Raises:
        QuintetFailure: the feed cannot be fetched, is none, or is cut off.
    """
    with source.open(conditional=True) as document:
        if document.not_modified:
            yield source.unchanged(document)
            return
        try:
            feed = read_feed(document)
        except ValueError as error:
            raise source.unreadable(f"{error}.") from None
        validators = source.validators(document)
    if feed.problem:
        ask.warn(f"{source.shown} {feed.problem}.")
    zone = ZoneInfo(ask.timezone)
    for position, entry in enumerate(feed.entries, start=1):
        try:
            if entry.is_blank:
                raise ValueError("it has neither id, link, title nor text")
            candidate = candidate_of(entry, zone)
        except ValueError as error:
            ask.reject(f"entry {position}", str(error))
            continue
        _warn_of(ask, f"Entry {position} of {source.shown}", entry, zone)
        yield candidate
    yield Mark(validators=validators, page=1)


def _warn_of(ask: Ask, name: str, entry: Entry, zone: ZoneInfo) -> None:
    for date in entry.unreadable_dates(zone):
        ask.warn(f"{name} has the date {date!r:.60}, which cannot be read; it stays without it.")
    if is_title_only(entry):
        ask.warn(f"{name} has nothing but its title, so others of that title count as the same.")

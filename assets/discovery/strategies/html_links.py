"""`html_links`: the links of a page, and of the pages that follow it.

Not here: HTML and selectors (`html_page`).
"""

from collections.abc import Iterator
from typing import ClassVar

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.credentials import shown
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.html_page import Page, Selector
from assets.discovery.strategies.link_filter import is_wanted
from assets.discovery.strategies.params import HtmlLinksParams
from assets.discovery.strategies.web_source import WebSource
from assets.discovery.urls import canonical_url


class HtmlLinks(BaseDiscovery):
    """Links to http and https without their fragments; a link to a place of its own page is none.

    The next page is the first that `next` selects, else the one of `rel=next`; at most `max_pages` are read,
    and none twice. Pages show what is new and not all that there is, so nothing is ever missing, and there is
    no cursor. A page without a next one is asked for only if it has changed.
    """

    name: ClassVar[str] = "html_links"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the links page by page, in the order of the page.

        Raises:
            PermanentFailure: a page is not there or no HTML, or a selector is none.
            TransientFailure, RateLimited, AuthFailure: as the host says.
        """
        params = HtmlLinksParams.model_validate(ask.params)
        source = WebSource(ask, params, params.url)
        links = Selector(params.select, "select")
        following = Selector(params.next, "next") if params.next else None
        visited = {canonical_url(params.url)}
        url: str | None = None
        for number in range(1, ask.max_pages + 1):
            with source.open(url, conditional=url is None) as document:
                if document.not_modified:
                    yield source.unchanged(document)
                    return
                page = Page(document, shown(document.url))
                visited.add(canonical_url(document.url))
                yield from _candidates(ask, params, page, links)
                url = _next(page, following)
                if url is None or canonical_url(url) in visited:
                    # That a first of several pages is as it was says nothing of the others.
                    is_alone = number == 1
                    yield Mark(
                        None, source.validators(document) if is_alone else source.underway(), page=number
                    )
                    return
                visited.add(canonical_url(url))
                yield Mark(None, source.underway(), page=number)
        ask.warn(f"{source.shown} goes on after max_pages {ask.max_pages}; its other pages were not read.")


def _candidates(ask: Ask, params: HtmlLinksParams, page: Page, links: Selector) -> Iterator[Candidate]:
    for number, link in enumerate(links.links(page.root), start=1):
        if link is None:
            ask.reject(f"link {number} of {shown(page.url)}", "what select chose has no href and no src")
            continue
        url = page.absolute(link)
        if url is not None and is_wanted(url, params.include, params.exclude):
            yield Candidate(None, {"url": url, "title": link.text} if link.text else {"url": url})


def _next(page: Page, following: Selector | None) -> str | None:
    if following is None:
        return page.next_by_rel()
    return next((url for link in following.links(page.root) if link and (url := page.absolute(link))), None)

"""`releases`: the versions of a package or project, as its registry lists them.

Not here: what each registry says (`release_lists`).
"""

from collections.abc import Iterator
from typing import ClassVar
from zoneinfo import ZoneInfo

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.instants import instant_ms
from assets.discovery.strategies.link_header import next_link
from assets.discovery.strategies.params import ReleasesParams
from assets.discovery.strategies.release_lists import REGISTRIES, Registry, Release
from assets.discovery.strategies.web_source import Document, WebSource


class Releases(BaseDiscovery):
    """The releases of a project, known by `name@version`.

    That one is yanked or deprecated is a change of it. Its listing has validators, unless it has several
    pages, of which the first says nothing of the others; there is no cursor.
    """

    name: ClassVar[str] = "releases"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the releases in the order of the registry; one without a version is rejected.

        Raises:
            PermanentFailure: the registry does not know the project, or the answer is none of its kind.
            TransientFailure, RateLimited, AuthFailure: as the host says.
        """
        params = ReleasesParams.model_validate(ask.params)
        registry = REGISTRIES[params.source]
        project = registry.name_of(params.project)
        source = WebSource(ask, params, params.url or registry.url_of(project))
        url: str | None = None
        for n_read in range(1, ask.max_pages + 1):
            document = source.open(url, conditional=url is None, headers={"Accept": registry.accept})
            with document:
                if document.not_modified:
                    yield source.unchanged(document)
                    return
                url = (
                    next_link(document.headers.get("Link", ""), document.url) if registry.has_pages else None
                )
                releases = _read(source, registry, document, project)
                is_alone = n_read == 1 and url is None
                validators = source.validators(document) if is_alone else {}
            for position, release in enumerate(releases, start=1):
                if params.prereleases or not release.is_prerelease:
                    yield from _candidates(
                        ask, source, project, release, f"page {n_read}, release {position}"
                    )
            yield Mark(None, validators, n_read)
            if url is None:
                return
        ask.warn(f"{source.shown} goes on after max_pages {ask.max_pages}; its older releases were not read.")


def _read(source: WebSource, registry: Registry, document: Document, project: str) -> list[Release]:
    try:
        return list(registry.read(document, project))
    except ValueError as error:
        raise source.unreadable(f"{error}.") from None


def _candidates(
    ask: Ask, source: WebSource, project: str, release: Release, position: str
) -> Iterator[Candidate]:
    if not release.version:
        ask.reject(position, "it has no version")
        return
    published_at = instant_ms(release.published, ZoneInfo(ask.timezone)) if release.published else None
    if release.published and published_at is None:
        ask.warn(
            f"{source.shown}: release {release.version} has the date {release.published!r:.60}, "
            "which cannot be read; it stays without it."
        )
    data = {"project": project, "version": release.version, "url": release.url, **release.facts}
    title = f"{project} {release.version}"
    yield Candidate(f"{project}@{release.version}", data, release.url, title, published_at)

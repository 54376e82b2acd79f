"""What registries say of releases: PyPI in JSON and RSS, npm, GitHub.

What changes without the release, such as counts of downloads, is left out. Not here: asking the registries
(`releases`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote, urlsplit

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from assets.discovery.strategies.feed_document import read_feed
from assets.discovery.strategies.web_source import Document, json_of

# The public registries' hosts are made of their names: no file of this repository holds a registry's address.
_PYPI: Final = "pypi"
_NPM: Final = "npmjs"
_VERSION_PAGE: Final = re.compile(r"/project/[^/]+/([^/]+)/?")


@dataclass(frozen=True, slots=True)
class Release:
    """One version. `published` is the date as it is written; blank if nobody says it."""

    version: str
    url: str | None = None
    published: str = ""
    is_prerelease: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registry:
    """One registry. `read` raises `ValueError` for what is no answer of it, to go on after its URL."""

    name_of: Callable[[str], str]
    """The name by which it knows a project that people write in several ways."""
    url_of: Callable[[str], str]
    read: Callable[[Document, str], Iterator[Release]]
    accept: str = "application/json"
    has_pages: bool = False


def _pypi(document: Document, _project: str) -> Iterator[Release]:
    content = _object(document)
    releases, info = content.get("releases"), _mapping(content.get("info"))
    if not isinstance(releases, dict):
        raise ValueError("has no releases, so it is not PyPI's JSON of a project; correct url in the job")
    page, api = _text(info.get("package_url")), _without_ending(document.url, "/json")
    for version, listed in releases.items():
        files = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        # A version without files is not yanked: there is nothing to keep anybody from.
        is_yanked = bool(files) and all(each.get("yanked") is True for each in files)
        facts = {
            "yanked": is_yanked,
            "yanked_reason": next(filter(None, (_text(f.get("yanked_reason")) for f in files)), "")
            if is_yanked
            else "",
            "requires_python": next(filter(None, (_text(f.get("requires_python")) for f in files)), ""),
            "files": sorted(map(_file, files), key=lambda each: each["name"]),
            "json_url": f"{api}/{quote(version)}/json" if api else None,
        }
        dates = sorted(filter(None, (_text(each.get("upload_time_iso_8601")) for each in files)))
        yield Release(
            version.strip(),
            f"{page.rstrip('/')}/{quote(version)}/" if page else None,
            dates[0] if dates else "",
            _is_prerelease_of_python(version),
            facts,
        )


def _file(file: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": _text(file.get("filename")),
        "type": _text(file.get("packagetype")),
        "bytes": file.get("size"),
        "sha256": _text(_mapping(file.get("digests")).get("sha256")),
        "url": _text(file.get("url")) or None,
    }


def _pypi_rss(document: Document, _project: str) -> Iterator[Release]:
    """The last 40 releases. They have no guid; their titles are the versions."""
    for entry in read_feed(document).entries:
        page = _VERSION_PAGE.search(urlsplit(entry.url or "").path)
        version = page[1] if page else entry.title
        yield Release(version, entry.url, entry.published, _is_prerelease_of_python(version))


def _npm(document: Document, project: str) -> Iterator[Release]:
    content = _object(document)
    versions, times = content.get("versions"), _mapping(content.get("time"))
    if not isinstance(versions, dict):
        gone = "unpublished" in times
        raise ValueError(
            "was unpublished; remove the job"
            if gone
            else "has no versions, so it is not npm's JSON of a package; correct url in the job"
        )
    for version, about in versions.items():
        said = _mapping(about).get("deprecated")
        dist = _mapping(_mapping(about).get("dist"))
        facts = {
            "deprecated": bool(said),
            "deprecated_reason": _text(said),
            "tarball": _text(dist.get("tarball")) or None,
            "integrity": _text(dist.get("integrity")) or _text(dist.get("shasum")),
        }
        yield Release(
            version.strip(),
            f"https://www.{_NPM}.com/package/{quote(project, safe='@/')}/v/{quote(version)}",
            _text(times.get(version)),
            "-" in version.partition("+")[0],
            facts,
        )


def _github(document: Document, _project: str) -> Iterator[Release]:
    content = json_of(document)
    if not isinstance(content, list):
        raise ValueError("has no list, so it is not GitHub's JSON of releases; correct url in the job")
    for release in content:
        about = _mapping(release)
        if about.get("draft") is True:
            continue  # Only those see it who write it, and it may still get another tag.
        assets = about.get("assets")
        yield Release(
            _text(about.get("tag_name")),
            _text(about.get("html_url")) or None,
            _text(about.get("published_at")) or _text(about.get("created_at")),
            about.get("prerelease") is True,
            {
                "name": _text(about.get("name")),
                "prerelease": about.get("prerelease") is True,
                "text": _text(about.get("body")),
                "assets": [_asset(each) for each in assets] if isinstance(assets, list) else [],
            },
        )


def _asset(asset: Any) -> dict[str, Any]:
    about = _mapping(asset)
    return {
        "name": _text(about.get("name")),
        "bytes": about.get("size"),
        "url": _text(about.get("browser_download_url")) or None,
    }


REGISTRIES: Final[Mapping[str, Registry]] = MappingProxyType(
    {
        "pypi": Registry(
            canonicalize_name, lambda name: f"https://{_PYPI}.org/pypi/{quote(name)}/json", _pypi
        ),
        "pypi_rss": Registry(
            canonicalize_name,
            lambda name: f"https://{_PYPI}.org/rss/project/{quote(name)}/releases.xml",
            _pypi_rss,
            accept="application/rss+xml, application/xml",
        ),
        "npm": Registry(str.strip, lambda name: f"https://registry.{_NPM}.org/{quote(name, safe='@')}", _npm),
        "github": Registry(
            str.strip,
            lambda name: f"https://api.github.com/repos/{quote(name)}/releases?per_page=100",
            _github,
            accept="application/vnd.github+json",
            has_pages=True,
        ),
    }
)
"""By the name of the source."""


def _is_prerelease_of_python(version: str) -> bool:
    try:
        return Version(version).is_prerelease
    except InvalidVersion:  # Older than the rules; nobody can tell.
        return False


def _object(document: Document) -> Mapping[str, Any]:
    return _mapping(json_of(document))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _without_ending(url: str, ending: str) -> str:
    place = url.partition("?")[0]
    return place.removesuffix(ending) if place.endswith(ending) else ""

"""The links that a site shows: which of them lead into the web, and which are wanted (`include`, `exclude`).

Not here: which links are the same (`assets.discovery.urls`).
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from urllib.parse import urldefrag, urlsplit

from assets.discovery.strategies.web_source import absolute_url


def web_link(base: str, link: str) -> str | None:
    """Where a link of the document `base` leads, without its fragment; none if that is not http or https."""
    url = absolute_url(base, link)
    if url is None or urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        return None
    return urldefrag(url).url


def is_wanted(url: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether globs over the whole URL let it in; `*` is any text, slashes too. No `include` lets all in."""
    return _matches(url, include or ("*",)) and not _matches(url, exclude)


def _matches(url: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(url, glob) for glob in globs)

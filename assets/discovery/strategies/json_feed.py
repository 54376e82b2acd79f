"""JSON Feed, versions 1 and 1.1: its items as entries.

Not here: feeds in XML (`feed_document`).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from assets.discovery.keys import UnusableKey, key_text
from assets.discovery.strategies.feed_entry import Enclosure, Entry
from assets.discovery.strategies.web_source import absolute_url

_VERSION: Final = "jsonfeed.org/version/1"


def json_entries(text: str, url: str) -> list[Entry]:
    """The items in their order; what is no object among them is a blank entry.

    Raises:
        ValueError: it is no JSON Feed; the text goes on after its name.
    """
    try:
        feed = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is no feed: it begins like JSON and is none; try again later") from None
    if not isinstance(feed, dict) or _VERSION not in _text(feed.get("version")):
        raise ValueError(
            "is JSON, but no JSON Feed (version https://jsonfeed.org/version/1.1); "
            "correct url in the job, or use the strategy json_api"
        )
    items = feed.get("items")
    if not isinstance(items, list):
        raise ValueError("is a JSON Feed without its list of items; try again later")
    return [_entry(item, url) if isinstance(item, dict) else Entry() for item in items]


def _entry(item: Mapping[str, Any], base: str) -> Entry:
    link = _text(item.get("url")) or _text(item.get("external_url"))
    authors = item.get("authors") if isinstance(item.get("authors"), list) else [item.get("author")]
    names = (_text(author.get("name")) for author in authors or () if isinstance(author, dict))
    tags = item.get("tags")
    return Entry(
        id=_id(item.get("id")),
        url=absolute_url(base, link) if link else None,
        title=_text(item.get("title")),
        published=_text(item.get("date_published")),
        updated=_text(item.get("date_modified")),
        author=", ".join(filter(None, names)),
        summary=_text(item.get("summary")),
        content=_text(item.get("content_html")) or _text(item.get("content_text")),
        categories=tuple(filter(None, map(_text, tags))) if isinstance(tags, list) else (),
        enclosures=tuple(_enclosures(item.get("attachments"), base)),
    )


def _id(value: Any) -> str:
    """An id is a text; the standard asks to take a number for its text."""
    try:
        return key_text(value)
    except UnusableKey:
        return ""


def _enclosures(attachments: Any, base: str) -> Iterator[Enclosure]:
    for each in attachments if isinstance(attachments, list) else ():
        if isinstance(each, dict) and (link := _text(each.get("url"))):
            size, seconds = each.get("size_in_bytes"), each.get("duration_in_seconds")
            url = absolute_url(base, link)
            if url is not None:
                yield Enclosure(
                    url,
                    _text(each.get("mime_type")).lower(),
                    size if _is_number(size) and isinstance(size, int) else None,
                    str(seconds) if _is_number(seconds) else "",
                )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""

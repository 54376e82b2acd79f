"""The `Link` header of an answer (RFC 8288), whose quoted parameters may have commas and brackets in them.

Not here: links within documents.
"""

import re
from typing import Final

from assets.discovery.strategies.web_source import absolute_url

_QUOTED: Final = r'"((?:[^"\\]|\\.)*)"'
_PARAM: Final = re.compile(rf';\s*([^\s=;,"<>]+)(?:\s*=\s*(?:{_QUOTED}|([^\s";,]*)))?')
_LINK: Final = re.compile(rf"<([^<>]*)>((?:\s*{_PARAM.pattern})*)")


def next_link(header: str, base: str) -> str | None:
    """The absolute URL of the next page; none if the header has no link with `rel=next` for this page."""
    for target, parameters, *_ in _LINK.findall(header):
        found: dict[str, str] = {}
        for name, quoted, plain in _PARAM.findall(parameters):
            # Of a name that comes twice the first one counts.
            found.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or plain)
        is_about_this = "anchor" not in found or absolute_url(base, found["anchor"]) == base
        if is_about_this and "next" in found.get("rel", "").lower().split():
            return absolute_url(base, target)
    return None

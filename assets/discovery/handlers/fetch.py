"""`fetch`: reads what an item links to, and keeps it.

Parameters: `url_field`, the field of the item's data that has the link (without it, the item's own link);
`allow_files`, whether a link may be a file of this machine; and what every strategy that reads the web takes
(`allow_private`, `robots`, `headers`, `timeout_s`, `max_bytes`).

The payload has no time and no address in it: what has not changed has the same digest, and the stages behind
it do not run again.
"""

import base64
from hashlib import sha256
from typing import Any, Final

from w3lib.encoding import html_to_unicode

from assets.discovery.contract import Skip, Work
from assets.discovery.stage_input import checked_params
from assets.discovery.strategies.params import WebOptions
from assets.discovery.web import Web, failures_of_the_web, likely_encoding

HANDLER_VERSION = 1

_TEXT_ENDINGS: Final = ("json", "xml", "javascript", "yaml")
"""How the names of media types end that are text without being `text/…`."""


class _Params(WebOptions, extra="ignore"):
    url_field: str | None = None
    allow_files: bool = False


def handle(work: Work) -> dict[str, Any] | Skip:
    """Read the document: `type`, `bytes`, `sha256`, and `body`, or `base64` for what is no text.

    Skips an item without a link.

    Raises:
        PermanentFailure: the params are wrong, or the document is not there or cannot be used.
        TransientFailure, RateLimited, AuthFailure: as the host says.
    """
    params = checked_params(work, _Params)
    url = work.url if params.url_field is None else work.data.get(params.url_field)
    if not isinstance(url, str) or not url:
        return Skip(f"the item has no {params.url_field or 'link'}")
    web: Web = work.http
    with failures_of_the_web():
        answer = web.fetch(url, **params.model_dump(exclude={"url_field", "drop_params"}))
    try:
        content, declared = answer.body, answer.headers.get("Content-Type", "")
    finally:
        answer.close()
    kind = declared.partition(";")[0].strip().lower()
    return {
        "type": kind,
        "bytes": len(content),
        "sha256": sha256(content).hexdigest(),
        **_body(content, kind, declared),
    }


def _body(content: bytes, kind: str, declared: str) -> dict[str, str]:
    """The content as text, if it is one; bytes that its encoding does not have are replaced."""
    text = None
    if kind.startswith("text/") or kind.endswith(_TEXT_ENDINGS):
        _, text = html_to_unicode(declared, content, auto_detect_fun=likely_encoding)
    elif likely_encoding(content) == "utf-8":
        text = content.decode("utf-8-sig")
    # No text has a NUL. What has one is something else, whatever its host says.
    if text is None or "\0" in text:
        return {"base64": base64.b64encode(content).decode("ascii")}
    return {"body": text}

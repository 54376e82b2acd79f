"""Error messages with what varies taken out, so that equal failures of different items count as one.

What people see of a message passes the redaction of credentials first. Not here: counting and showing groups
of failures (`report`), and judging them (`doctor`).
"""

import re
from typing import Final

from assets.discovery.credentials import shown

LONGEST: Final = 200
"""A message is cut there: what follows is mostly a body that the source sent back."""

_PARTS: Final = {
    "url": r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]*[^\s\"'<>.,;:!?)\]}]",
    "text": r"(?<!\w)(?:\"[^\"\n]*\"|'[^'\n]*'(?!\w)|`[^`\n]*`|“[^”\n]*”)",
    "hex": r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b"
    r"|\b0[xX][0-9A-Fa-f]+\b|\b(?=[0-9A-Fa-f]*[0-9])(?=[0-9A-Fa-f]*[A-Fa-f])[0-9A-Fa-f]{7,}\b",
    "n": r"\d+(?:[.,:_]\d+)*",
}
# One pass from left to right, so that digits within a URL are not replaced first.
_VARYING: Final = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _PARTS.items()))


def normalised(text: str) -> str:
    """The message as a kind of message: what varies between two of a kind is taken out.

    URLs, quoted texts, hexadecimal and other numbers become `<url>`, `<text>`, `<hex>` and `<n>`. White space
    is one blank, credentials are hidden, and at most `LONGEST` characters stay.
    """
    kind = " ".join(_VARYING.sub(_named, shown(text)).split())
    return kind if len(kind) <= LONGEST else kind[: LONGEST - 1] + "…"


def _named(varying: re.Match[str]) -> str:
    return f"<{varying.lastgroup}>"

"""Free text without what looks like a secret: messages of errors and stack traces before anybody reads them.

Not here: configurations, whose keys say which values are secret (`job_config.masked`).
"""

import re
from typing import Final

from assets.dwh.job_config import HIDDEN

_URL_CREDENTIALS: Final = re.compile(r"//[^/\s]{1,500}@")
_AUTHORISATION: Final = re.compile(r"\b(Bearer|Basic)\s{1,8}[\w+/=.~-]+", re.IGNORECASE)
_AWS_KEY_ID: Final = re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")

# `password=x`, `"jdbcUrl": "x"`, `apiToken : x`, also as escaped JSON. The bounds keep the search linear.
_NAMED: Final = re.compile(
    r"""
    ((?:password|secret|token|credential|key[_\s-]?id|jdbc[_\s-]?url)[\w-]{0,64}  # part of a key
    \\{0,8}["']?\s{0,8}[:=]\s{0,8})                                               # its end, and the sign
    (?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&)}\]]+)                         # the value
    """,
    re.IGNORECASE | re.VERBOSE,
)


def without_secrets(text: str) -> str:
    """The same text with `***` for values of keys that look like a secret's, and for credentials.

    Credentials are those in a URL, after `Bearer` or `Basic`, and AWS access key ids. A secret that nothing
    names cannot be told from other text. What UTF-8 cannot hold, as in some names of files, is escaped.
    """
    text = text.encode(errors="backslashreplace").decode()
    text = _URL_CREDENTIALS.sub(f"//{HIDDEN}@", text)
    text = _AUTHORISATION.sub(rf"\1 {HIDDEN}", text)
    text = _NAMED.sub(rf"\1{HIDDEN}", text)
    return _AWS_KEY_ID.sub(HIDDEN, text)

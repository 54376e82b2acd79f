"""Run ids: `transform-`, `filter-` or `promos-`, the UTC time as `YYYYMMDDTHHMMSSZ`, and six hex digits.

Ids of one kind sort by time. Others are accepted from outside where they are safe as part of a key.
"""

import re
import secrets
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator

from assets.dwh.days import in_utc

Kind = Literal["transform", "filter", "promos"]

_TIME_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_TIME: Final = re.compile(r"(?<![0-9])[0-9]{8}T[0-9]{6}Z")
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def new_run_id(kind: Kind, now: datetime) -> str:
    """An id for a run that starts now; another one at every call.

    Raises:
        ValueError: `now` has no time zone.
    """
    return f"{kind}-{in_utc(now).strftime(_TIME_FORMAT)}-{secrets.token_hex(3)}"


def is_run_id(text: str) -> bool:
    """Whether a text may name a run: 1 to 128 letters, digits, dots, dashes and underscores."""
    return _RUN_ID.fullmatch(text) is not None


def check_run_id(text: str) -> str:
    """The same text.

    Raises:
        ValueError: it cannot name a run.
    """
    if not is_run_id(text):
        raise ValueError(
            f"Run id {text!r} is refused: use 1 to 128 letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit"
        )
    return text


def instant_in_run_id(text: str) -> datetime | None:
    """The first `YYYYMMDDTHHMMSSZ` inside a text that is a real time, or None."""
    for match in _TIME.finditer(text):
        try:
            return datetime.strptime(match[0], _TIME_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


RunId = Annotated[str, AfterValidator(check_run_id)]
"""A run id in a document."""

"""The name of a run: `YYYYMMDD_HHMMSS_` of its start in UTC, then six hexadecimal digits.

The digits keep apart the runs that start in the same second. Names sort by the time of the start.
"""

import re
import secrets
from datetime import UTC, datetime
from typing import Final

_DIGITS: Final = 6
_TIME_FORMAT: Final = "%Y%m%d_%H%M%S"
_RUN_ID: Final = re.compile(rf"([0-9]{{8}}_[0-9]{{6}})_[0-9a-f]{{{_DIGITS}}}")


def new_run_id(now: datetime) -> str:
    """A name for a run that starts now; another one at every call.

    Raises:
        ValueError: `now` has no time zone.
    """
    return run_id_of(now, secrets.token_hex(_DIGITS // 2))


def run_id_of(started: datetime, unique: str) -> str:
    """The name of a run that is known elsewhere by a UUID, or by other text of six or more random hex digits.

    The same two give the same name, in every process. The name ends in the first digits of the UUID: by them
    a person finds the one from the other.

    Raises:
        ValueError: `started` has no time zone, or `unique` does not begin with six hexadecimal digits.
    """
    if started.tzinfo is None:
        raise ValueError(f"The start {started.isoformat()} of a run has no time zone")
    run_id = f"{started.astimezone(UTC).strftime(_TIME_FORMAT)}_{unique.lower()[:_DIGITS]}"
    if not is_run_id(run_id):
        raise ValueError(f"{unique!r} does not begin with {_DIGITS} hexadecimal digits")
    return run_id


def is_run_id(text: str) -> bool:
    """Whether a text is the name of a run, its time one that exists."""
    match = _RUN_ID.fullmatch(text)
    if match is None:
        return False
    try:
        datetime.strptime(match[1], _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return False
    return True

"""`report`: a small summary of a period, such as `date_range` yields. It takes no parameters."""

from datetime import datetime, timedelta
from typing import Any, Final

from assets.discovery.contract import Work
from assets.failures import PermanentFailure

HANDLER_VERSION = 1

_SHORTEST_DAY_H: Final = 22.0


def handle(work: Work) -> dict[str, Any]:
    """Give `period`, `start`, `end` (exclusive), `hours`, `extra_hours` and a sentence in `text`.

    `extra_hours` is what a period of days has beyond whole days because clocks change: 1, or -1.

    Raises:
        PermanentFailure: the item has no start and end with a zone, or ends before it begins.
    """
    start, end = _instant(work, "start"), _instant(work, "end")
    if end <= start:
        raise PermanentFailure(
            f"the period {work.key} ends at {work.data['end']}, not after its start {work.data['start']}; "
            "correct its data"
        )
    hours = (end - start) / timedelta(hours=1)
    extra = _extra(hours)
    name = work.title or work.key
    note = f" ({extra:+g}, for clocks change)" if extra else ""
    return {
        "period": name,
        "start": work.data["start"],
        "end": work.data["end"],
        "hours": hours,
        "extra_hours": extra,
        "text": f"{name}: {hours:g} hours{note} from {work.data['start']} to {work.data['end']}.",
    }


def _instant(work: Work, field: str) -> datetime:
    value = work.data.get(field)
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise PermanentFailure(
            f"the period {work.key} has the {field} {value!r:.60}, which is no instant; "
            "write one like 2026-03-08T05:00:00Z"
        )
    return instant


def _extra(hours: float) -> float:
    """What is over, or under, whole days; nothing for a period that is an hour itself."""
    return hours - 24 * round(hours / 24) if hours >= _SHORTEST_DAY_H else 0.0

"""Adopted inputs: rows that another program wrote, which a command line gives to a day.

They are rows in the predecessor's layout, of any depth of folders. All of them belong to the run day.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from assets.dwh.days import day_window, end_instant, parse_instant
from assets.dwh.documents import Document, Instant
from assets.dwh.intervals import Interval
from assets.dwh.paths import Location, Scheme, StoredPath
from assets.dwh.run_ids import RunId, instant_in_run_id, is_run_id
from assets.dwh.transform_manifests import TransformManifest
from assets.failures import PermanentFailure

_UNKNOWN: Final = "unknown"


class AdoptedInput(Document):
    """The document of an adopted input; the same trigger gives the same one."""

    run_id: RunId
    path: StoredPath
    source_timestamp: Instant
    window: Interval | None = None
    triggered_by_job: str = _UNKNOWN


@dataclass(frozen=True, slots=True)
class Trigger:
    """What a command line says of the transform run before it."""

    transform_output_path: str
    job_name: str = _UNKNOWN
    run_id: str = _UNKNOWN
    source_timestamp: str | None = None
    end_date: str | None = None


def adopted_input(
    trigger: Trigger,
    day: date,
    timezone: str,
    known: Iterable[TransformManifest],
    adopted: Iterable[AdoptedInput],
    scheme: Scheme,
) -> AdoptedInput | None:
    """The input to adopt; None where the path is read anyway, because it lies in the output of a known run.

    A path that holds such an output is not adopted either: its rows would count twice.

    Args:
        trigger: the path and what is said of it.
        day: the run day, to which all rows of the path belong.
        timezone: the zone of the day.
        known: the transform runs that the day knows.
        adopted: the inputs that the day has adopted.
        scheme: how paths are written.

    Raises:
        ValueError: the path is no address in a bucket, `source_timestamp` is no instant, or `end_date` is
            neither a date nor an instant.
        PermanentFailure: the run that the trigger names is adopted with another path, which would be lost.
    """
    path = Location.parse(trigger.transform_output_path)
    outputs = (Location.parse(output.path) for run in known for output in run.outputs)
    if any(path.lies_in(output) or output.lies_in(path) for output in outputs):
        return None
    run_id = _run_id(trigger.run_id, path.uri(scheme))
    for other in adopted:
        if other.run_id == run_id and Location.parse(other.path) != path:
            raise PermanentFailure(
                f"Run {run_id} is adopted with path {other.path}, so {path.uri(scheme)} cannot be adopted "
                "as well; give each path its own triggered_by_run_id, or none"
            )
    return AdoptedInput(
        run_id=run_id,
        path=path.uri(scheme),
        source_timestamp=_source_timestamp(trigger, day, timezone),
        triggered_by_job=trigger.job_name,
    )


def _run_id(triggered_by: str, path: str) -> str:
    if is_run_id(triggered_by) and triggered_by != _UNKNOWN:
        return triggered_by
    return f"adopted-{hashlib.sha256(path.encode()).hexdigest()[:12]}"


def _source_timestamp(trigger: Trigger, day: date, timezone: str) -> datetime:
    """The first that is known, from what somebody says to what follows from the day."""
    if trigger.source_timestamp is not None:
        instant = parse_instant(trigger.source_timestamp)
        if instant is None:
            raise ValueError(
                f"source_timestamp {trigger.source_timestamp!r} is no instant; write 2025-01-15T08:00:00Z"
            )
        return instant
    if trigger.end_date is not None:
        return end_instant(trigger.end_date, timezone)
    return instant_in_run_id(trigger.run_id) or day_window(day, timezone)[1]

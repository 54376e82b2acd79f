"""Which runs may go, and why each of the others stays. Pure.

A run may go when it ended long ago and nothing stands on it any more. Each run is judged for itself, those of
one backfill too.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

RUN_KEY_TAG: Final = "dagster/run_key"
BACKFILL_TAG: Final = "dagster/backfill"
_SENSOR_TAG: Final = "dagster/sensor_name"
_ANCESTOR_TAGS: Final = ("dagster/parent_run_id", "dagster/root_run_id")
_PARTITION_TAGS: Final = (
    "dagster/partition",
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
)


class Reason(StrEnum):
    """Why a run stays, as people read it; the first that holds counts."""

    UNDER_WAY = "queued, at work, or never started"
    YOUNG = "too young"
    MATERIALISATION = "holds the latest success of a partition"
    ATTEMPT = "last attempt at a partition that was not made since"
    OBSERVATION = "holds the latest observation of a partition"
    CHECK = "holds the latest evaluation of a check"
    RUN_KEY = "what a sensor asked for last"
    BACKFILL = "part of a backfill in progress"
    ANCESTOR = "a run that stays is another attempt of it"
    NEWEST = "newest of all"


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run as the instance lists it."""

    run_id: str
    number: int
    """The instance numbers its runs in the order in which they were made."""
    job: str
    made_at: float
    """Seconds since the epoch."""
    ended_at: float | None
    """None for a run that has not ended."""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to become of every run."""

    deletable: tuple[PastRun, ...]
    """The oldest first."""
    kept: Mapping[str, Reason]
    """By run id."""

    def reasons(self) -> dict[str, int]:
        """How many runs stay for each reason, in the order in which reasons are looked for."""
        counts = Counter(self.kept.values())
        return {reason.value: counts[reason] for reason in Reason if counts[reason]}


def plan(
    runs: Sequence[PastRun],
    held: Mapping[str, Reason],
    active_backfills: Collection[str],
    before: float,
) -> Plan:
    """Decide about every run.

    Args:
        runs: all runs of the instance, in any order.
        held: the runs that hold something, each with why.
        active_backfills: the ids of the backfills that are not over.
        before: runs that ended at this instant, in seconds since the epoch, or later are too young.
    """
    asked_last = _asked_last(runs)
    kept: dict[str, Reason] = {}
    for run in runs:
        if run.ended_at is None:
            kept[run.run_id] = Reason.UNDER_WAY
        elif run.ended_at >= before:
            kept[run.run_id] = Reason.YOUNG
        elif run.run_id in held:
            kept[run.run_id] = held[run.run_id]
        elif run.run_id in asked_last:
            kept[run.run_id] = Reason.RUN_KEY
        elif run.tags.get(BACKFILL_TAG) in active_backfills:
            kept[run.run_id] = Reason.BACKFILL
    if runs:
        # SQLite gives the number of a deleted last row to the next one, and cursors would pass over it.
        kept.setdefault(max(runs, key=lambda run: run.number).run_id, Reason.NEWEST)
    for run_id in _ancestors(runs, kept):
        kept[run_id] = Reason.ANCESTOR
    deletable = (run for run in runs if run.run_id not in kept)
    return Plan(tuple(sorted(deletable, key=lambda run: run.number)), kept)


def _asked_last(runs: Iterable[PastRun]) -> set[str]:
    """Of each sensor, job and partition the newest run that has a key.

    Dagster drops a request whose key a run has. The sensors' cursors remember the same things, so older keys
    are needed by nobody. Should a cursor be lost, everything is asked for again in its present version, whose
    key is that of the newest run.
    """
    newest: dict[tuple[str | None, ...], PastRun] = {}
    for run in runs:
        if RUN_KEY_TAG in run.tags:
            target = (run.tags.get(_SENSOR_TAG), run.job, *map(run.tags.get, _PARTITION_TAGS))
            if target not in newest or newest[target].number < run.number:
                newest[target] = run
    return {run.run_id for run in newest.values()}


def _ancestors(runs: Iterable[PastRun], kept: Collection[str]) -> set[str]:
    """The runs before those that stay: without them the web UI cannot show a run of a second attempt."""
    by_id = {run.run_id: run for run in runs}
    found: set[str] = set()
    waiting = [by_id[run_id] for run_id in kept]
    while waiting:
        run = waiting.pop()
        for ancestor in filter(None, map(run.tags.get, _ANCESTOR_TAGS)):
            if ancestor in by_id and ancestor not in kept and ancestor not in found:
                found.add(ancestor)
                waiting.append(by_id[ancestor])
    return found

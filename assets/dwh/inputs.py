"""What the filtered rows of a day are made from: transform outputs, adopted inputs, the output before.

A run is *known* to a day if its manifest is filed under the day, a late pointer of the day leads to it, or it
is an adopted input. Everything here works on documents that the caller has read, in any order.

Not here: how a path becomes an adopted input (`adoption`), what the output says of its inputs (`lineage`),
and how rows compete.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeVar

from assets.dwh.adoption import AdoptedInput
from assets.dwh.documents import Document
from assets.dwh.filter_manifests import FilterManifest, FilterMode
from assets.dwh.paths import Location, StoredPath
from assets.dwh.run_ids import RunId
from assets.dwh.transform_manifests import TransformManifest, superseded_run_ids
from assets.failures import NotReady, PermanentFailure

_Input = TypeVar("_Input", TransformManifest, AdoptedInput)


class NoDataFound(PermanentFailure, ValueError):
    """No input of the day has a row."""


class WaitsForApproval(NotReady, ValueError):
    """The day has no other run than such as wait for approval."""


class LatePointer(Document):
    """Leads from a row day to a run of another day that has rows of it."""

    run_id: RunId
    manifest: StoredPath


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """A folder of rows that all count with one instant."""

    run_id: str
    path: Location
    source_timestamp: datetime
    layout: Literal["transformed", "adopted"]


@dataclass(frozen=True, slots=True)
class DayInputs:
    """The runs of a day, each group by run id."""

    day: date
    runs: tuple[TransformManifest, ...]
    """The successes that no other run replaces, also those without a row of the day."""
    pending: tuple[TransformManifest, ...]
    """Those that wait for approval and that no other run replaces."""
    adopted: tuple[AdoptedInput, ...]
    known_run_ids: frozenset[str]

    @property
    def sources(self) -> tuple[Source, ...]:
        """The folders to read, by run id and path."""
        outputs = (
            Source(run.run_id, Location.parse(output.path), run.source_timestamp, "transformed")
            for run in self.runs
            for output in run.outputs_of(self.day)
        )
        adopted = (
            Source(adopted.run_id, Location.parse(adopted.path), adopted.source_timestamp, "adopted")
            for adopted in self.adopted
        )
        return tuple(sorted((*outputs, *adopted)))


@dataclass(frozen=True, slots=True)
class FilterPlan:
    """What one filter run reads."""

    mode: FilterMode
    sources: tuple[Source, ...]
    previous: FilterManifest | None
    """The manifest whose output is read too."""
    replaced_run_ids: frozenset[str]
    """Rows of the previous output from these runs are left out: the runs are read again, or replaced.

    Without that, the rows without a key, which never compete, would double with every run.
    """


def manifest_folders(own: Location, pointers: Iterable[LatePointer]) -> tuple[Location, ...]:
    """The folders whose manifests `day_inputs` needs: the day's own, and those that late pointers lead to."""
    return tuple(sorted({own, *(Location.parse(pointer.manifest).parent for pointer in pointers)}))


def day_inputs(
    day: date,
    manifests: Iterable[TransformManifest],
    pointers: Iterable[LatePointer],
    adopted: Iterable[AdoptedInput],
) -> DayInputs:
    """The inputs of a day.

    Args:
        day: the local day.
        manifests: all manifests of the `manifest_folders`: a run is judged among those of its run day.
        pointers: the late pointers of the day; one whose manifest is not there is ignored.
        adopted: the adopted inputs of the day. Of those with one path, whose rows are the same, only the
            latest counts.

    Raises:
        PermanentFailure: two different manifests or inputs carry one run id.
    """
    every_run = _by_run_id(manifests)
    every_adopted = _by_run_id(adopted)
    pointed = {pointer.run_id for pointer in pointers}
    related = {id_: run for id_, run in every_run.items() if run.day == day or id_ in pointed}
    if both := sorted(related.keys() & every_adopted.keys()):
        raise _two_of_one_id(both[0])
    superseded = superseded_run_ids(every_run.values())
    standing = [related[id_] for id_ in sorted(related.keys() - superseded)]
    return DayInputs(
        day=day,
        runs=tuple(run for run in standing if run.status == "SUCCESS"),
        pending=tuple(run for run in standing if run.status == "PENDING_APPROVAL"),
        adopted=_latest_of_each_path(every_adopted.values()),
        known_run_ids=frozenset(related) | frozenset(every_adopted),
    )


def needs_previous(inputs: DayInputs, current: FilterManifest | None) -> bool:
    """Whether the current output has rows of runs that the day does not know, which nothing else can give.

    They come from the predecessor, or retention removed their inputs. An output without lineage counts so.
    """
    if current is None:
        return False
    rows = current.output.record_count if current.output else 0
    return bool(current.transform_run_ids - inputs.known_run_ids or (rows and not current.lineage))


def can_extend(inputs: DayInputs, current: FilterManifest | None) -> bool:
    """Whether the current output and the inputs that it lacks give the same rows as all inputs together.

    That is so unless a run in its lineage has been replaced, or counts with another instant by now.
    """
    if current is None:
        return False
    instants = {run.run_id: run.source_timestamp for run in (*inputs.runs, *inputs.adopted)}
    return all(
        instants.get(entry.transform_run_id) == entry.source_timestamp
        for entry in current.lineage
        if entry.transform_run_id in inputs.known_run_ids
    )


def filter_plan(inputs: DayInputs, current: FilterManifest | None, mode: FilterMode) -> FilterPlan:
    """What a run in a mode reads; an incremental run that is not allowed recomputes."""
    if mode == "incremental" and current is not None and can_extend(inputs, current):
        new = tuple(source for source in inputs.sources if source.run_id not in current.transform_run_ids)
        return FilterPlan("incremental", new, current, frozenset())
    previous = current if needs_previous(inputs, current) else None
    return FilterPlan("recompute", inputs.sources, previous, inputs.known_run_ids)


def refusal(inputs: DayInputs, looked_at: Iterable[str]) -> NoDataFound | WaitsForApproval:
    """Why nothing is published for a day without rows; `looked_at` are the paths where there were none."""
    if inputs.pending and not inputs.runs:
        newest = max(inputs.pending, key=lambda run: (run.created_at, run.run_id))
        return WaitsForApproval(f"transform run {newest.run_id} of {newest.day} waits for approval")
    return NoDataFound(f"No data found at transform output path: {', '.join(looked_at)}")


def _by_run_id(inputs: Iterable[_Input]) -> dict[str, _Input]:
    by_run_id: dict[str, _Input] = {}
    for entry in inputs:
        if by_run_id.setdefault(entry.run_id, entry) != entry:
            raise _two_of_one_id(entry.run_id)
    return by_run_id


def _two_of_one_id(run_id: str) -> PermanentFailure:
    return PermanentFailure(
        f"Run id {run_id} names two different inputs; run ids are unique, so remove one of their documents"
    )


def _latest_of_each_path(adopted: Iterable[AdoptedInput]) -> tuple[AdoptedInput, ...]:
    latest = {
        Location.parse(entry.path): entry
        for entry in sorted(adopted, key=lambda entry: (entry.source_timestamp, entry.run_id))
    }
    return tuple(sorted(latest.values(), key=lambda entry: entry.run_id))

"""What a filtered output says of its inputs: which transform runs gave how many rows, and what they read.

Runs of which nothing is left but their rows in the previous output keep what its manifest says of them. Not
here: which inputs a day has (`inputs`), and the coverage that follows from what was read (`coverage`).
"""

from collections.abc import Mapping
from datetime import date
from functools import reduce

from assets.dwh.coverage import Reading
from assets.dwh.days import EPOCH
from assets.dwh.filter_manifests import LineageEntry
from assets.dwh.inputs import DayInputs, FilterPlan
from assets.dwh.intervals import Interval
from assets.dwh.paths import Location, Scheme
from assets.dwh.transform_manifests import TransformManifest


def contributing_readings(inputs: DayInputs, plan: FilterPlan) -> tuple[Reading, ...]:
    """What the runs read whose rows are in the output, those that only the previous output has included."""
    known = [run.reading for run in inputs.runs]
    return tuple(reading for reading in (*known, *_carried_readings(inputs, plan)) if reading is not None)


def pending_readings(inputs: DayInputs) -> tuple[Reading, ...]:
    """What the runs read that wait for approval."""
    return tuple(run.reading for run in inputs.pending if run.reading is not None)


def lineage(
    inputs: DayInputs, plan: FilterPlan, filter_run_id: str, contributed: Mapping[str, int], scheme: Scheme
) -> tuple[LineageEntry, ...]:
    """One entry for every transform run used, by its id.

    Args:
        inputs: the inputs of the day.
        plan: what was read of them.
        filter_run_id: the run that read them.
        contributed: the rows of the output by `_source_run_id`. A run that is missing there has none.
        scheme: how paths are written.
    """
    entries = {entry.transform_run_id: entry for entry in _carried_entries(plan)}
    for entry in _read_entries(inputs, filter_run_id, scheme):
        entries.setdefault(entry.transform_run_id, entry)
    for run_id in contributed.keys() - entries.keys():
        # Only rows of a previous output can name a run that no lineage names.
        entries[run_id] = LineageEntry(run_id=filter_run_id, transform_run_id=run_id, source_timestamp=EPOCH)
    return tuple(
        entry.model_copy(update={"records_contributed": contributed.get(run_id, 0)})
        for run_id, entry in sorted(entries.items())
    )


def _carried_entries(plan: FilterPlan) -> list[LineageEntry]:
    """The lineage of the previous output, as far as its rows are taken from there."""
    if plan.previous is None:
        return []
    return [entry for entry in plan.previous.lineage if entry.transform_run_id not in plan.replaced_run_ids]


def _carried_readings(inputs: DayInputs, plan: FilterPlan) -> list[Reading]:
    """What runs read of which nothing is left but their rows: their gaps are those of the previous output."""
    if plan.previous is None:
        return []
    missing = tuple(
        Interval(start=gap.start, end=gap.end)
        for gap in plan.previous.coverage.gaps
        if gap.reason == "missing_prefix"
    )
    return [
        Reading(entry.transform_run_id, entry.time_range, missing)
        for entry in plan.previous.lineage
        if entry.transform_run_id not in inputs.known_run_ids and entry.time_range is not None
    ]


def _read_entries(inputs: DayInputs, filter_run_id: str, scheme: Scheme) -> list[LineageEntry]:
    runs = [
        LineageEntry(
            run_id=filter_run_id,
            transform_run_id=run.run_id,
            path=_folder_of_rows(run, inputs.day, scheme),
            source_timestamp=run.source_timestamp,
            time_range=run.window,
        )
        for run in inputs.runs
    ]
    adopted = [
        LineageEntry(
            run_id=filter_run_id,
            transform_run_id=entry.run_id,
            path=Location.parse(entry.path).uri(scheme),
            source_timestamp=entry.source_timestamp,
        )
        for entry in inputs.adopted
    ]
    return runs + adopted


def _folder_of_rows(run: TransformManifest, day: date, scheme: Scheme) -> str | None:
    """The folder of its rows of the day: of two categories, the one that holds both."""
    folders = [Location.parse(output.path) for output in run.outputs_of(day)]
    return reduce(Location.common_folder, folders).uri(scheme) if folders else None

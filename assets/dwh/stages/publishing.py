"""How the output of a filter run becomes what readers see: objects, their read-back, manifest, pointer.

The pointer is swapped only over the one that the run began from, so of two runs that began from the same one
the second loses and nobody's rows vanish. Not here: what is computed (`frames.dedup`), and what a run that
lost does next (`filtering`).
"""

import contextlib
from dataclasses import dataclass
from datetime import date
from typing import Final

from assets.dwh.adoption import AdoptedInput
from assets.dwh.filter_manifests import FilterManifest
from assets.dwh.frames.dedup import FILE
from assets.dwh.frames.schemas import DATA, DATA_FIELDS, FILTERED_COLUMNS, FILTERED_FIELDS
from assets.dwh.paths import FilteredImages, Location
from assets.dwh.stages.day_reading import Parquet, describe_parquet
from assets.dwh.stages.site import Site
from assets.failures import PermanentFailure, TransientFailure
from resources.object_store import ObjectNotFound, ObjectStore, PreconditionFailed, StoreUnavailable
from resources.spark import Written

_SUFFIX: Final = ".parquet"


class DayChanged(Exception):
    """Another run has published the day, or adopted an input of it, since this one began."""


@dataclass(frozen=True, slots=True)
class ScratchFiles:
    """Parquet files in a scratch folder, in the order of their numbers; none stands for no row."""

    folder: str
    files: tuple[Written, ...]


def check_unused(site: Site, places: FilteredImages, day: date, run_id: str) -> None:
    """Refuse to write where a run of this id has written before.

    Raises:
        PermanentFailure: it has.
    """
    own = (places.manifest(day, run_id), places.rows(day, run_id), places.quarantine(day, run_id))
    for place in own:
        keys = site.store.list_keys(place.bucket, place.key)
        if any(Location(place.bucket, key).lies_in(place) for key in keys):
            raise PermanentFailure(
                f"{place.uri(site.scheme)} is of an earlier run {run_id}; launch it with an id of its own"
            )


def scratch_files(site: Site, folder: str) -> ScratchFiles:
    """What the engine wrote there, a file for each value of the column `FILE`."""
    return ScratchFiles(folder, tuple(sorted(site.files.written(folder), key=_number)))


def publish_rows(site: Site, scratch: ScratchFiles, target: Location, expected_rows: int) -> list[Parquet]:
    """Make the files the objects of a folder, and read back from the store how many rows these hold.

    Raises:
        TransientFailure: the store has other rows than the engine counted.
    """
    published = describe_parquet(site.store, _copy(site, scratch, target, "part"))
    rows = sum(found.rows for found in published)
    if rows != expected_rows:
        raise TransientFailure(
            f"{target.uri(site.scheme)} holds {rows} rows where {expected_rows} were written; launch the run "
            "again, and see the store if it happens twice"
        )
    return published


def adopt(site: Site, places: FilteredImages, day: date, adopted: AdoptedInput) -> None:
    """Write the document of an adopted input.

    Raises:
        DayChanged: another run has adopted one of this id meanwhile.
    """
    place = places.adopted_input(day, adopted.run_id)
    try:
        site.store.put_bytes(place.bucket, place.key, adopted.content(), if_absent=True)
    except PreconditionFailed as error:
        raise DayChanged(f"{adopted.run_id} was adopted by another run") from error


def publish_manifest(store: ObjectStore, places: FilteredImages, day: date, manifest: FilterManifest) -> None:
    """Write the manifest of a run under its own id."""
    place = places.manifest(day, manifest.run_id)
    store.put_bytes(place.bucket, place.key, manifest.content())


def swap_pointer(
    store: ObjectStore, places: FilteredImages, day: date, manifest: FilterManifest, etag: str | None
) -> None:
    """Make a success current, if the pointer is still the one of that etag, or still absent for None.

    Raises:
        DayChanged: it is not.
    """
    pointer = places.pointer(day)
    try:
        store.put_bytes(
            pointer.bucket, pointer.key, manifest.content(), if_absent=etag is None, if_match=etag
        )
    except (PreconditionFailed, StoreUnavailable) as error:
        # The answer to a write that succeeded can get lost; a client that tries again finds its own pointer.
        if _is_current(store, pointer, manifest):
            return
        if isinstance(error, PreconditionFailed):
            raise DayChanged("another run has swapped the pointer") from error
        raise


def copy_to_latest(
    site: Site, places: FilteredImages, day: date, manifest: FilterManifest, scratch: ScratchFiles
) -> None:
    """Replace what `latest/` holds by a copy of the current output, for readers that know no pointer.

    Stores cannot swap a folder. The new objects are written first and the old ones deleted then, so that at
    no moment a row of the day is missing there; meanwhile rows may be there twice, of the old and the new
    output, and readers that cannot have that follow the pointer. A run that is no longer current takes its
    copy back. Only objects that were there before the run was found current are deleted, which are none of a
    later run, so copies that are made at the same time end as one.
    """
    folder, pointer = places.latest(day), places.pointer(day)
    old = site.store.list_keys(folder.bucket, f"{folder.key}/")
    if not _is_current(site.store, pointer, manifest):
        return
    new = [place.key for place in _copy(site, scratch, folder, manifest.run_id)]
    stale = old if _is_current(site.store, pointer, manifest) else new
    for key in stale:
        site.store.delete(folder.bucket, key)


def _copy(site: Site, scratch: ScratchFiles, target: Location, name: str) -> list[Location]:
    if not scratch.files:
        place = target / f"{name}-{0:05}{_SUFFIX}"
        _write_no_rows(site.store, place)
        return [place]
    places = [target / f"{name}-{number:05}{_SUFFIX}" for number in range(len(scratch.files))]
    for written, place in zip(scratch.files, places, strict=True):
        site.files.publish(scratch.folder, written, place.bucket, place.key)
    return places


def _write_no_rows(store: ObjectStore, place: Location) -> None:
    """Write a file without rows, for which engines write none."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    types = {"string": pa.string(), "int": pa.int32()}
    data = pa.struct([(name, types[kind]) for name, kind in DATA_FIELDS.items()])
    schema = pa.schema(
        [(name, data if name == DATA else types[FILTERED_FIELDS[name]]) for name in FILTERED_COLUMNS]
    )
    with store.open_write(place.bucket, place.key) as stream:
        write_table(schema.empty_table(), stream, compression="snappy")


def _is_current(store: ObjectStore, pointer: Location, manifest: FilterManifest) -> bool:
    with contextlib.suppress(ObjectNotFound):
        return store.read_bytes(pointer.bucket, pointer.key) == manifest.content()
    return False


def _number(written: Written) -> tuple[int, str]:
    """The value of the column `FILE` in the path of a file."""
    folder = written.path.partition("/")[0]
    return int(folder.removeprefix(f"{FILE}=")), written.path

"""What a filter run finds in the store: the documents of a day, and the files of what it is to read.

Not here: what follows from the documents (`assets.dwh.inputs`), and writing any (`publishing`).
"""

import io
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeVar

from assets.dwh.adoption import AdoptedInput, Trigger, adopted_input
from assets.dwh.documents import Document
from assets.dwh.filter_manifests import FilterManifest, current_manifest, is_manifest_name
from assets.dwh.inputs import DayInputs, LatePointer, NoDataFound, day_inputs, manifest_folders
from assets.dwh.paths import FilteredImages, Location, Scheme, is_data
from assets.dwh.transform_manifests import TransformManifest
from assets.failures import PermanentFailure
from resources.object_store import ObjectStore

_READERS: Final = 8
"""Documents read at a time; a day of 5-minute windows has 288 manifests."""

_Document = TypeVar("_Document", bound=Document)
_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Current:
    """What is current of a day, as a run found it when it began."""

    manifest: FilterManifest | None
    path: Location | None
    """The manifest's own object; None with the manifest."""
    pointer_etag: str | None
    """None where there was no pointer."""


@dataclass(frozen=True, slots=True)
class Parquet:
    """A parquet object by its footer."""

    place: Location
    rows: int
    size: int
    """Bytes."""


def read_current(
    store: ObjectStore, places: FilteredImages, day: date, previous_run_id: str | None
) -> Current:
    """The current manifest and the pointer's etag.

    The etag is asked for first: a pointer that is swapped while its folder is read makes the later swap fail.

    Raises:
        UnreadableDocument: a manifest that decides is there and cannot be read.
        PermanentFailure: there is no success of the run `previous_run_id`.
    """
    pointer, folder = places.pointer(day), places.manifests(day)
    found = store.head(pointer.bucket, pointer.key)
    manifest = current_manifest(
        store.uri(folder.bucket, folder.key),
        _names(store, folder),
        lambda name: _content(store, folder / name),
        previous_run_id,
    )
    path = None if manifest is None else places.manifest(day, manifest.run_id)
    return Current(manifest, path, None if found is None else found.etag)


def read_inputs(
    store: ObjectStore,
    places: FilteredImages,
    day: date,
    *,
    timezone: str,
    trigger: Trigger | None,
    scheme: Scheme,
) -> tuple[DayInputs, AdoptedInput | None]:
    """The inputs of a day; and the one among them that the trigger adds, whose document is not yet there.

    Raises:
        UnreadableDocument: a document is there and cannot be read.
        NoDataFound: there is no data object where the trigger leads.
        PermanentFailure: documents contradict each other (`day_inputs`, `adopted_input`).
    """
    transformed = places.transformed_images()
    pointers = _documents(store, transformed.late_pointers(day), LatePointer, _is_json)
    folders = manifest_folders(transformed.manifests(day), pointers)
    manifests = [
        manifest
        for folder in folders
        for manifest in _documents(store, folder, TransformManifest, is_manifest_name)
    ]
    adopted = _documents(store, places.adopted_inputs(day), AdoptedInput, _is_json)
    new = None
    # The folder of all transform outputs is what a run reads anyway.
    if trigger is not None and Location.parse(trigger.transform_output_path) != transformed.base:
        pointed = {pointer.run_id for pointer in pointers}
        known = [manifest for manifest in manifests if manifest.day == day or manifest.run_id in pointed]
        new = adopted_input(trigger, day, timezone, known, adopted, scheme)
        if new is not None and not data_objects(store, Location.parse(new.path)):
            raise NoDataFound(f"No data found at transform output path: {new.path}")
        if new is not None and any(entry.run_id == new.run_id for entry in adopted):
            new = None
    inputs = day_inputs(day, manifests, pointers, [*adopted, new] if new is not None else adopted)
    return inputs, new


def data_objects(store: ObjectStore, folder: Location) -> list[Location]:
    """The data objects below a folder at any depth, by key; or the one that is called so itself.

    Nothing in a folder whose name begins with `_` or `.` is data.
    """
    prefix = f"{folder.key}/" if folder.key else ""
    names = [key.removeprefix(prefix) for key in store.list_keys(folder.bucket, prefix)]
    found = [folder / name for name in names if all(is_data(part) for part in name.split("/"))]
    if not found and folder.key and is_data(folder.key) and store.head(folder.bucket, folder.key) is not None:
        return [folder]
    return found


def describe_parquet(store: ObjectStore, objects: Iterable[Location]) -> list[Parquet]:
    """Read the footers of parquet objects.

    Raises:
        PermanentFailure: one of them is no parquet file, or a cut one.
    """
    return concurrently(lambda place: _described(store, place), list(objects))


def _described(store: ObjectStore, place: Location) -> Parquet:
    from pyarrow import ArrowException
    from pyarrow.parquet import read_metadata

    with store.open_read(place.bucket, place.key) as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0, io.SEEK_SET)
        try:
            rows = read_metadata(stream).num_rows
        except (ArrowException, OSError) as error:
            raise PermanentFailure(
                f"{store.uri(place.bucket, place.key)} cannot be read as parquet: {error}; restore it, or "
                "name a good run in previous_run_id"
            ) from error
    return Parquet(place, rows, size)


def _documents(
    store: ObjectStore, folder: Location, kind: type[_Document], is_one: Callable[[str], bool]
) -> list[_Document]:
    places = [folder / name for name in _names(store, folder) if is_one(name)]
    return concurrently(
        lambda place: kind.read(store.uri(place.bucket, place.key), _content(store, place)), places
    )


def _names(store: ObjectStore, folder: Location) -> list[str]:
    """The names of the objects in a folder, not of those in folders inside it."""
    prefix = f"{folder.key}/"
    names = (key.removeprefix(prefix) for key in store.list_keys(folder.bucket, prefix))
    return [name for name in names if "/" not in name]


def _content(store: ObjectStore, place: Location) -> bytes:
    return store.read_bytes(place.bucket, place.key)


def _is_json(name: str) -> bool:
    return name.endswith(".json")


def concurrently(function: Callable[[_Argument], _Result], arguments: Sequence[_Argument]) -> list[_Result]:
    """What a function that waits for the store returns for each argument, in their order."""
    if len(arguments) < 2:
        return [function(argument) for argument in arguments]
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(function, arguments))

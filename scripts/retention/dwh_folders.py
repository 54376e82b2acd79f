"""The run folders of dwh that no pointer and no manifest leads to any more.

Every run of dwh writes into folders of its own and deletes nothing. What may go, once it was untouched and
unread for long enough:

- of a day of `filtered_images`, the output of any run but the one that the pointer names and the success
  before it, to which a person may want to go back
- of `transformed_images`, rows and dropped records of a run that a later success replaces, unless one of the
  two was made with `clean_sink` false, and of a run that failed
- the folder of a run of ours that left no manifest: it was killed

Manifests, pointers and late pointers stay: a day has to know the runs that it once had. A day with a document
that cannot be read is left alone as a whole.

Not here: what a manifest means (`assets.dwh`).
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from assets.dwh.documents import UnreadableDocument
from assets.dwh.filter_manifests import POINTER_NAME, FilterManifest, is_manifest_name
from assets.dwh.run_ids import instant_in_run_id
from assets.dwh.transform_manifests import TransformManifest
from resources.object_store import ObjectNotFound, ObjectStore

BUCKET: Final = "dwh-data"
KEPT_OUTPUTS: Final = 2
"""Successes of a filtered day whose rows stay, the current one among them."""

_DAY: Final = r"[^/]+/year=\d{4}/month=\d\d/day=\d\d"
_FILTERED: Final = re.compile(rf"(filtered_images/{_DAY})/((?:_quarantine/)?([^/_][^/]*))/[^/]+")
_FILTER_DOCUMENT: Final = re.compile(rf"(filtered_images/{_DAY})/_manifests/([^/]+)")
_TRANSFORMED: Final = re.compile(
    rf"(transformed_images/(?:nautilus|savedproject|_dropped)/{_DAY}/([^/]+))/[^/]+"
)
_TRANSFORM_MANIFEST: Final = re.compile(rf"(transformed_images/_manifests/{_DAY})/([^/]+)")
_COPY: Final = "latest"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder that may go."""

    path: str
    """In the bucket, without a slash at the end."""
    keys: tuple[str, ...]
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Found:
    """The folders that may go, and a sentence for each document that could not be read."""

    folders: tuple[RunFolder, ...]
    notes: tuple[str, ...]


def superfluous(store: ObjectStore, before: datetime) -> Found:
    """Look at everything that dwh has written.

    Args:
        store: where it lies.
        before: what was written, or lost its last reader, at this instant or later stays.
    """
    notes: list[str] = []
    folders = [
        *_filtered(store, before, notes),
        *_transformed(store, before, notes),
    ]
    return Found(tuple(folders), tuple(notes))


def remove(store: ObjectStore, folder: RunFolder) -> None:
    """Remove the objects of a folder; one that is gone already is no matter."""
    for key in folder.keys:
        store.delete(BUCKET, key)


def _filtered(store: ObjectStore, before: datetime, notes: list[str]) -> Iterator[RunFolder]:
    outputs: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    documents: dict[str, list[str]] = defaultdict(list)
    for key in _keys(store, "filtered_images/"):
        if found := _FILTER_DOCUMENT.fullmatch(key):
            documents[found[1]].append(found[2])
        elif (found := _FILTERED.fullmatch(key)) and found[3] != _COPY:
            outputs[found[1]][found[2]].append(key)
    for day, by_folder in sorted(outputs.items()):
        try:
            standing = _standing_filters(store, day, documents[day], before)
        except UnreadableDocument as error:
            notes.append(f"{error}; nothing of that day is removed.")
            continue
        if standing is None:
            continue
        for name, keys in sorted(by_folder.items()):
            run_id = name.rpartition("/")[2]
            if run_id not in standing and _is_ours_or_told(run_id, documents[day]):
                yield from _old(store, f"{day}/{name}", keys, before)


def _standing_filters(
    store: ObjectStore, day: str, names: Collection[str], before: datetime
) -> frozenset[str] | None:
    """The runs of a day whose rows stay; None where all do: no pointer, or one that was swapped of late."""
    folder = f"{day}/_manifests"
    if POINTER_NAME not in names:
        return None
    info = store.head(BUCKET, f"{folder}/{POINTER_NAME}")
    if info is None or info.modified >= before:
        return None
    pointer = _filter_manifest(store, f"{folder}/{POINTER_NAME}")
    if pointer.status != "SUCCESS":
        return None
    standing = [pointer.run_id]
    for name in sorted(filter(is_manifest_name, names), reverse=True):
        if len(standing) == KEPT_OUTPUTS:
            break
        manifest = _filter_manifest(store, f"{folder}/{name}")
        if manifest.status == "SUCCESS" and manifest.run_id not in standing:
            standing.append(manifest.run_id)
    return frozenset(standing)


def _transformed(store: ObjectStore, before: datetime, notes: list[str]) -> Iterator[RunFolder]:
    folders: dict[tuple[str, str], list[str]] = defaultdict(list)
    manifests: dict[str, list[str]] = defaultdict(list)
    for key in _keys(store, "transformed_images/"):
        if found := _TRANSFORM_MANIFEST.fullmatch(key):
            if is_manifest_name(found[2]):
                manifests[found[1]].append(key)
        elif found := _TRANSFORMED.fullmatch(key):
            folders[found[1], found[2]].append(key)
    known = {
        key.rpartition("/manifest-")[2].removesuffix(".json") for keys in manifests.values() for key in keys
    }
    ended = {
        run_id
        for day in sorted(manifests)
        for run_id in _replaced_or_failed(store, manifests[day], before, notes)
    }
    for (path, run_id), keys in sorted(folders.items()):
        if run_id in ended or (run_id not in known and _is_ours_or_told(run_id, ())):
            yield from _old(store, path, keys, before)


def _replaced_or_failed(
    store: ObjectStore, keys: Sequence[str], before: datetime, notes: list[str]
) -> set[str]:
    """The runs of a run day whose rows nobody reads, by all of its manifests."""
    try:
        manifests = [TransformManifest.read(key, store.read_bytes(BUCKET, key)) for key in keys]
    except UnreadableDocument as error:
        notes.append(f"{error}; nothing of that run day is removed.")
        return set()
    ended = {run.run_id for run in manifests if run.status == "FAILED"}
    for old in manifests:
        newer = [run for run in manifests if run.supersedes_run(old)]
        is_protected = not all(run.clean_sink for run in (old, *newer))
        if any(run.created_at < before for run in newer) and not is_protected:
            ended.add(old.run_id)
    return ended


def _is_ours_or_told(run_id: str, documents: Collection[str]) -> bool:
    """Whether a folder is surely that of a run: it has the name of one of ours, or a manifest names it."""
    return instant_in_run_id(run_id) is not None or f"manifest-{run_id}.json" in documents


def _old(store: ObjectStore, path: str, keys: Sequence[str], before: datetime) -> Iterator[RunFolder]:
    """The folder, if nothing in it was written since."""
    infos = [info for key in keys if (info := store.head(BUCKET, key)) is not None]
    if infos and all(info.modified < before for info in infos):
        yield RunFolder(path, tuple(info.key for info in infos), sum(info.size for info in infos))


def _filter_manifest(store: ObjectStore, key: str) -> FilterManifest:
    return FilterManifest.read(key, store.read_bytes(BUCKET, key))


def _keys(store: ObjectStore, prefix: str) -> Sequence[str]:
    try:
        return store.list_keys(BUCKET, prefix)
    except ObjectNotFound:
        return []

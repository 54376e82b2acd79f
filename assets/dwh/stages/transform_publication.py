"""How a transform run becomes readable: its files, the pointers of other days to it, and its manifest, last.

Killed at any moment it leaves objects that no manifest names, or a pointer without its manifest; readers take
neither. Not here: what the manifest says (`transforming`).
"""

from collections.abc import Iterable, Iterator

from assets.dwh.documents import Document
from assets.dwh.frames.raw_lines import DROPPED
from assets.dwh.inputs import LatePointer
from assets.dwh.paths import Location, TransformedImages
from assets.dwh.stages.site import Site
from assets.dwh.stages.transformed_lines import Output, TextFiles
from assets.dwh.transform_manifests import TransformManifest
from assets.failures import PermanentFailure
from resources.object_store import ObjectStore


class RunHasWritten(PermanentFailure):
    """A run of this id left objects, which a second run must not mix with its own."""


def read_manifests(store: ObjectStore, folder: Location) -> tuple[TransformManifest, ...]:
    """All manifests of a run day, by name; objects of other names are none, whatever their folder is called.

    Raises:
        UnreadableDocument: one of them cannot be read.
    """
    keys = store.list_keys(folder.bucket, f"{folder.key}/")
    return tuple(
        TransformManifest.read(store.uri(folder.bucket, key), store.read_bytes(folder.bucket, key))
        for key in keys
        if _is_manifest(key, folder)
    )


def publish(
    site: Site,
    places: TransformedImages,
    manifest: TransformManifest,
    files: TextFiles,
    others: Iterable[TransformManifest],
) -> TransformManifest:
    """Publish a run; `others` are the manifests of its run day so far. Return its manifest as published.

    Raises:
        RunHasWritten: a folder of this run is not empty.
        PreconditionFailed: a document of this run is there already.
    """
    folders = {output: _folder(places, output, manifest.run_id) for output in files.parts}
    for folder in folders.values():
        _must_be_empty(site.store, folder, manifest.run_id)
    for output, parts in files.parts.items():
        for number, part in enumerate(parts):
            target = folders[output] / f"part-{number:05}.json"
            site.files.publish(files.folder, part, target.bucket, target.key)
    address = places.manifest(manifest.day, manifest.run_id)
    pointer = LatePointer(run_id=manifest.run_id, manifest=address.uri(site.scheme))
    for place in _pointers(places, manifest):
        _put(site.store, place, pointer)
    final = manifest.model_copy(
        update={
            "supersedes": tuple(sorted(old.run_id for old in others if manifest.supersedes_run(old))),
            "completed_at": site.now(),
        }
    )
    _put(site.store, address, final)
    return final


def _folder(places: TransformedImages, output: Output, run_id: str) -> Location:
    if output.category == DROPPED:
        return places.dropped(output.day, run_id)
    return places.rows(output.category, output.day, run_id)


def _pointers(places: TransformedImages, manifest: TransformManifest) -> Iterator[Location]:
    """The pointers of the row days other than the run day."""
    for day in sorted({output.day for output in manifest.outputs} - {manifest.day}):
        yield places.late_pointer(day, manifest.run_id)


def _must_be_empty(store: ObjectStore, folder: Location, run_id: str) -> None:
    left = store.list_keys(folder.bucket, f"{folder.key}/")
    if left:
        raise RunHasWritten(
            f"{store.uri(folder.bucket, left[0])} was left by an earlier attempt under the run id {run_id}; "
            "start again under a new one"
        )


def _put(store: ObjectStore, place: Location, document: Document) -> None:
    store.put_bytes(place.bucket, place.key, document.content(), if_absent=True)


def _is_manifest(key: str, folder: Location) -> bool:
    place = Location(folder.bucket, key)
    return place.parent == folder and place.name.startswith("manifest-") and place.name.endswith(".json")

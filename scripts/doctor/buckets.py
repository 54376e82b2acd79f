"""Objects: a probe object in every place that a pipeline writes to, a listing of those that it only reads."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from resources.object_store import FolderObjectStore, LocalObjectStore, ObjectNotFound, ObjectStore
from scripts.doctor.findings import Finding, ok, problem, sentence_of
from scripts.doctor.installation import Installation
from scripts.doctor.machine import folder
from scripts.doctor.probing import Probe


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of a bucket, that a pipeline writes to or only reads."""

    store: ObjectStore
    bucket: str
    folder: str
    is_written: bool = True

    @property
    def uri(self) -> str:
        """The folder as people write it."""
        return self.store.uri(self.bucket, self.folder) if self.folder else f"bucket {self.bucket}"


def probes(installation: Installation) -> Iterator[Probe]:
    """A probe for the places of each pipeline that has some."""
    kind = installation.matter("object_store")
    for pipeline in installation.pipelines:
        if pipeline in _PLACES and installation.is_needed_by(pipeline, "object_store"):
            matter = f"{kind}: {pipeline}"
            yield Probe(matter, partial(_looked, matter, installation, pipeline))


def _looked(matter: str, installation: Installation, pipeline: str) -> Iterator[Finding]:
    store = installation.hurried("object_store", ObjectStore)
    for place in _PLACES[pipeline](store, installation.environ):
        yield from look(matter, place)


def look(matter: str, place: Place) -> Iterator[Finding]:
    """Write, read and delete a probe object, or list; a folder of this machine is not made for it."""
    if (absent := _absent_folder(place)) is not None:
        if place.is_written:
            yield from folder(matter, absent)
        else:
            yield ok(matter, f"{place.uri} is empty yet")
        return
    try:
        yield _written(matter, place) if place.is_written else _listed(matter, place)
    except ObjectNotFound as error:
        yield problem(matter, sentence_of(error), f"make the bucket {place.bucket}, or correct its name")
    except Exception as error:  # noqa: BLE001 - the next place is looked at all the same.
        yield problem(matter, sentence_of(error))


def _absent_folder(place: Place) -> Path | None:
    """The folder of this machine that is the bucket, if there is none yet."""
    match place.store:
        case LocalObjectStore(root=root):
            bucket = Path(root, place.bucket)
        case FolderObjectStore(root=root):
            bucket = Path(root)
        case _:
            return None
    return None if bucket.is_dir() else bucket


def _listed(matter: str, place: Place) -> Finding:
    place.store.list_keys(place.bucket, f"{place.folder}/" if place.folder else "")
    return ok(matter, f"{place.uri} can be listed")


def _written(matter: str, place: Place) -> Finding:
    store, content = place.store, b"quintet doctor"
    key = f"{place.folder}/_quintet-doctor/{uuid4().hex}"
    store.put_bytes(place.bucket, key, content)
    try:
        is_same = store.read_bytes(place.bucket, key) == content
    finally:
        store.delete(place.bucket, key)
    if not is_same:
        found = f"{place.uri}: what is read is not what was written"
        return problem(matter, found, "use another store for these objects")
    return ok(matter, f"{place.uri}: a probe object was written, read and deleted")


def _market(store: ObjectStore, _: Mapping[str, str]) -> Iterator[Place]:
    from assets.market.months import BUCKET, RAW_PREFIX

    yield Place(store, BUCKET, RAW_PREFIX.rstrip("/"), is_written=False)
    yield Place(store, BUCKET, "processed-data")


def _aim(store: ObjectStore, environ: Mapping[str, str]) -> Iterator[Place]:
    from assets.aim.configuration import ConfigurationError
    from assets.aim.stages.sites import BUCKET, Sources, deployed_store

    try:
        settings = Sources(environ).read().settings
    except ConfigurationError:
        return  # The settings of aim say it.
    store = deployed_store(store, environ)
    if isinstance(store, FolderObjectStore):
        yield Place(store, BUCKET, "output")
    elif settings.bucket:
        yield Place(store, settings.bucket, f"{settings.prefix}/output")
        feeds = settings.feed_bucket or settings.bucket
        yield Place(store, feeds, settings.feed_folder, is_written=False)


def _dwh(store: ObjectStore, _: Mapping[str, str]) -> Iterator[Place]:
    from assets.dwh.stages.transforming import RAW_IMAGES, TRANSFORMED_IMAGES

    yield Place(store, RAW_IMAGES.bucket, RAW_IMAGES.key, is_written=False)
    yield Place(store, TRANSFORMED_IMAGES.bucket, TRANSFORMED_IMAGES.key)


def _discovery(store: ObjectStore, environ: Mapping[str, str]) -> Iterator[Place]:
    from assets.discovery.jobs_file import jobs_path
    from assets.discovery.roster import Roster
    from assets.discovery.strategies.params import ObjectStoreParams

    for job in Roster.load(jobs_path(environ)).jobs:
        params = job.discovery.params
        if job.enabled and isinstance(params, ObjectStoreParams):
            yield Place(store, params.bucket, params.prefix.rstrip("/"), is_written=False)


_PLACES: Final[Mapping[str, Callable[[ObjectStore, Mapping[str, str]], Iterator[Place]]]] = {
    "market": _market,
    "aim": _aim,
    "dwh": _dwh,
    "discovery": _discovery,
}
"""The places of a pipeline, by the store and the environment; none where settings do not name them."""

"""A day in a store of its own: transform runs that wrote rows, filter runs, and what a reader finds.

Rows are told by their media id and the letter of their version, which is the user id. A source is told by
its hour of the day. The reference is the rule in plain Python.
"""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.dwh.days import format_instant, parse_instant
from assets.dwh.filter_manifests import FilterManifest
from assets.dwh.frames.schemas import DATA_FIELDS, FILTERED_COLUMNS, FILTERED_FIELDS
from assets.dwh.metrics import JobRun
from assets.dwh.paths import FilteredImages, Location, TransformedImages
from assets.dwh.run_ids import new_run_id
from assets.dwh.stages.filter_request import FilterRequest
from assets.dwh.stages.filtering import filter_images
from assets.dwh.stages.site import Site
from assets.dwh.transform_manifests import TransformManifest, TransformOutput
from resources.object_store import LocalObjectStore
from resources.spark import Spark
from tests.assets.dwh.transform_runs import DAY, PACIFIC, hour, hours

BUCKET = "dwh-data"
BASE = Location(BUCKET, "filtered_images")
FILTERED = FilteredImages(BASE, PACIFIC)
TRANSFORMED = TransformedImages(Location(BUCKET, "transformed_images"), PACIFIC)
ARROW_TYPES = {"string": pa.string(), "int": pa.int32()}
NOON = "2025-01-15T20:00:00Z"

Row = dict[str, Any]

ARROW_SCHEMA = pa.schema([
    (name, pa.struct([(field, ARROW_TYPES[kind]) for field, kind in DATA_FIELDS.items()]))
    if name == "data"
    else (name, ARROW_TYPES[FILTERED_FIELDS[name]])
    for name in FILTERED_COLUMNS
])  # fmt: skip


def image(mediaid: str | None, version: str | None = "v", updated: str | None = NOON, **data: Any) -> Row:
    """A transformed row."""
    instant = parse_instant(updated) or datetime(1970, 1, 1, tzinfo=UTC)
    minute = instant.minute // 5 * 5
    return {
        "eventTime": updated,
        "event_time": updated,
        "pk": f"p_{version}",
        "data": {
            **dict.fromkeys(DATA_FIELDS),
            "projectguid": "p",
            "userid": version,
            "updated": updated,
            "mediaid": mediaid,
            **data,
        },
        "5min": minute,
        "year": f"{instant:%Y}",
        "month": f"{instant:%m}",
        "day": f"{instant:%d}",
        "hour": f"{instant:%H}",
        "min": f"{minute:02}",
    }


def sourced(row: Row, run_id: str, source: datetime) -> Row:
    """A row as the filtered output has it."""
    return {**row, "_source_job_timestamp": format_instant(source), "_source_run_id": run_id}


def lines(rows: Iterable[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def versions(rows: Iterable[Row]) -> list[tuple[str | None, str | None]]:
    """The media id and version of each row, in an order of their own."""
    pairs = [(row["data"]["mediaid"], row["data"]["userid"]) for row in rows]
    return sorted(pairs, key=lambda pair: [(text is not None, text or "") for text in pair])


def flat(row: Row) -> tuple[Any, ...]:
    """The fields of a row in schema order; the last two may be absent."""
    data = row["data"] or {}
    return tuple(
        data.get(name.removeprefix("data.")) if name.startswith("data.") else row.get(name)
        for name in FILTERED_FIELDS
    )


def ordered(rows: Iterable[Row]) -> list[tuple[Any, ...]]:
    """The rows themselves, however they are ordered."""
    return sorted(map(flat, rows), key=_comparable)


def kept_by_the_rule(
    rows: Iterable[Row], keys: tuple[str, ...] = ("data.mediaid",), order: str = "data.updated"
) -> list[Row]:
    """The rule in plain Python, for rows of `sourced`."""
    best: dict[tuple[Any, ...], Row] = {}
    passed: list[Row] = []
    places = {name: number for number, name in enumerate(FILTERED_FIELDS)}
    for row in rows:
        fields = flat(row)
        key = tuple(fields[places[name]] for name in keys)
        if None in key:
            passed.append(row)
        elif key not in best or _strength(row, places[order]) > _strength(best[key], places[order]):
            best[key] = row
    return [*best.values(), *passed]


def _strength(row: Row, order: int) -> tuple[Any, ...]:
    fields = flat(row)
    source = parse_instant(row["_source_job_timestamp"])
    assert source is not None
    instant = parse_instant(fields[order])
    run_id = row["_source_run_id"].encode()
    return source, instant is not None, instant or source, run_id, _comparable(fields)


def _comparable(fields: Iterable[Any]) -> list[tuple[bool, Any]]:
    """Fields that compare as the rule says: null lowest, text by its bytes."""
    return [(field is not None, field.encode() if isinstance(field, str) else field or 0) for field in fields]


class FilterDay:
    """One day in one store."""

    def __init__(self, site: Site, day: date = DAY) -> None:
        self.site = site
        self.day = day
        self.log: list[str] = []

    @property
    def store(self) -> Any:
        return self.site.store

    def put(self, place: Location, content: bytes) -> None:
        self.store.put_bytes(place.bucket, place.key, content)

    def content(self, place: Location) -> bytes:
        return self.store.read_bytes(place.bucket, place.key)

    def keys(self, folder: Location = BASE) -> list[str]:
        return self.store.list_keys(folder.bucket, folder.key)

    def transformed(
        self,
        run_id: str,
        rows: Iterable[Row],
        end: float = 24,
        *,
        start: float = 0,
        run_day: date | None = None,
        files: int = 1,
        **changes: Any,
    ) -> TransformManifest:
        """Publish the output of a transform run whose window ends at an hour of the day."""
        rows = list(rows)
        folder = TRANSFORMED.rows("nautilus", self.day, run_id)
        for number in range(files):
            self.put(folder / f"part-{number:05}", lines(rows[number::files]))
        window = hours(start, end)
        manifest = TransformManifest.model_validate({
            "run_id": run_id,
            "status": "SUCCESS",
            "day": run_day or self.day,
            "timezone": PACIFIC,
            "created_at": window.end,
            "window": window,
            "source_timestamp": window.end,
            "outputs": (
                TransformOutput(category="nautilus", day=self.day, path=folder.uri("s3"), records=len(rows)),
            )
            if rows
            else (),
            **changes,
        })  # fmt: skip
        self.put(TRANSFORMED.manifest(manifest.day, run_id), manifest.content())
        return manifest

    def request(self, run_id: str | None = None, **changes: Any) -> FilterRequest:
        now = self.site.now()
        run = JobRun("filter_images", run_id or new_run_id("filter", now), now)
        return FilterRequest(**{"run": run, "day": self.day, "base": BASE, **changes})

    def filter(self, run_id: str | None = None, **changes: Any):
        return filter_images(self.site, self.request(run_id, **changes))

    @property
    def pointer(self) -> FilterManifest:
        place = FILTERED.pointer(self.day)
        return FilterManifest.read(place.key, self.content(place))

    def manifest(self, run_id: str) -> FilterManifest:
        place = FILTERED.manifest(self.day, run_id)
        return FilterManifest.read(place.key, self.content(place))

    def rows_in(self, folder: Location) -> list[Row]:
        """The rows of the parquet objects in a folder."""
        return [
            row
            for key in self.keys(folder)
            for row in pq.read_table(io.BytesIO(self.content(Location(folder.bucket, key)))).to_pylist()
        ]

    def rows(self) -> list[Row]:
        """What a reader reads, who follows the pointer."""
        output = self.pointer.output
        assert output is not None
        return self.rows_in(Location.parse(output.path))

    def everything(self) -> Mapping[str, bytes]:
        """The pointer and all that it names, byte by byte."""
        output = self.pointer.output
        assert output is not None
        places = [FILTERED.pointer(self.day)]
        places += [Location(BUCKET, key) for key in self.keys(Location.parse(output.path))]
        return {place.key: self.content(place) for place in places}

    def with_store(self, store: Any) -> "FilterDay":
        """The same day through another handle, files of the engine included."""
        files = copy(self.site.files)
        files._store = store
        return FilterDay(replace(self.site, store=store, files=files), self.day)


@contextmanager
def open_day(root: Path, spark: Spark, session: Any = None) -> Iterator[FilterDay]:
    """A day in the store below a root; a session may be given, and else is started."""
    store = LocalObjectStore(root=str(root))
    clock = _Clock()
    log: list[str] = []
    if session is None:
        with spark.session() as started, open_day(root, spark, started) as day:
            yield day
        return
    with spark.files(store, BUCKET, "scratch") as files:
        day = FilterDay(Site(session, store, files, "s3", clock, log.append))
        day.log = log
        yield day


class _Clock:
    """Half a minute later at each look, from the morning after the day."""

    def __init__(self) -> None:
        self._now = hour(32)

    def __call__(self) -> datetime:
        self._now += timedelta(seconds=30)
        return self._now

"""A day of transformed images for the dwh benchmarks: rows, and the manifests of the runs that wrote them.

The same numbers give the same bytes. Of the rows 1 % have no media id, 1 % come twice, and about half are
duplicates of a media id in the same run or another. No two different rows tie: times have microseconds.

Not here: raw records (`scripts.sample_data.dwh`), and what reads the rows.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from assets.dwh.days import day_window
from assets.dwh.intervals import Interval
from assets.dwh.paths import FilteredImages, Location, TransformedImages
from assets.dwh.transform_manifests import TransformManifest, TransformOutput
from resources.object_store import LocalObjectStore, ObjectStore
from scripts.benchmarks.kept_inputs import made_once

DAY: Final = date(2025, 1, 15)
TIMEZONE: Final = "America/Los_Angeles"
BASE: Final = Location("dwh-data", "filtered_images")
FILTERED: Final = FilteredImages(BASE, TIMEZONE)
TRANSFORMED: Final[TransformedImages] = FILTERED.transformed_images()

_ROWS_PER_FILE: Final = 262_000
_KEY_SHARE: Final = 0.6
_REDELIVERED_SHARE: Final = 0.01
_NULL_KEY_EVERY: Final = 100


@dataclass(frozen=True, slots=True)
class Inputs:
    """How many rows a day has, and how many transform runs wrote them.

    Raises:
        ValueError: there is no run, or one without a row.
    """

    rows: int
    outputs: int

    def __post_init__(self) -> None:
        if not 1 <= self.outputs <= min(self.rows, 24):
            raise ValueError(
                f"{self.rows} rows do not fill {self.outputs} outputs; give 1 to 24 outputs, each with a row"
            )

    def rows_of(self, output: int) -> int:
        """The rows of one output; the first ones take what does not divide."""
        return self.rows // self.outputs + (output < self.rows % self.outputs)


def run_id_of(output: int) -> str:
    """The transform run that wrote an output."""
    return f"transform-20250116T{output:02}0000Z-{output:06x}"


def window_of(inputs: Inputs, output: int) -> Interval:
    """What that run read: its share of the day."""
    start, end = day_window(DAY, TIMEZONE)
    share = (end - start) / inputs.outputs
    return Interval(start=start + output * share, end=start + (output + 1) * share)


def store_of(home: Path) -> LocalObjectStore:
    """The store of a benchmark's folder, where a local deployment would have it."""
    return LocalObjectStore(root=str(home / "storage"))


def write_inputs(home: Path, inputs: Inputs) -> bool:
    """Make the day in a folder, unless it is there from an earlier call; return whether it was made.

    Raises:
        BenchmarkFailed: the folder holds files of something else.
    """

    def make() -> None:
        shutil.rmtree(home / "storage", ignore_errors=True)
        store = store_of(home)
        for output in range(inputs.outputs):
            _write_output(store, inputs, output)

    return made_once(home, json.dumps(asdict(inputs)), make, "--home")


def remove_outputs(home: Path) -> None:
    """Forget every filter run of the day, so that the next one is its first."""
    shutil.rmtree(home / "storage" / BASE.bucket / BASE.key, ignore_errors=True)


def _write_output(store: ObjectStore, inputs: Inputs, output: int) -> None:
    folder, window = TRANSFORMED.rows("nautilus", DAY, run_id_of(output)), window_of(inputs, output)
    files = 0
    for rows in _slices(inputs, output, window):
        place = folder / f"part-{files:05}"
        with store.open_write(place.bucket, place.key) as target:
            rows.write_ndjson(target)
        files += 1
    count = inputs.rows_of(output)
    entry = TransformOutput(category="nautilus", day=DAY, path=folder.uri("s3"), records=count, files=files)
    manifest = TransformManifest(
        run_id=run_id_of(output),
        status="SUCCESS",
        day=DAY,
        timezone=TIMEZONE,
        created_at=window.end,
        window=window,
        source_timestamp=window.end,
        outputs=(entry,),
        records_read=count,
        records_written=count,
    )
    place = TRANSFORMED.manifest(DAY, manifest.run_id)
    store.put_bytes(place.bucket, place.key, manifest.content())


def _slices(inputs: Inputs, output: int, window: Interval) -> Iterator[pl.DataFrame]:
    """The rows of an output, as many at a time as a file holds."""
    rng = np.random.default_rng([output, inputs.rows])
    count, keys = inputs.rows_of(output), max(1, round(inputs.rows * _KEY_SHARE))
    for start in range(0, count, _ROWS_PER_FILE):
        rows = min(_ROWS_PER_FILE, count - start)
        again = np.arange(rows) - (rng.random(rows) < _REDELIVERED_SHARE)
        source = np.maximum(again, 0)
        yield _rows(
            key=rng.integers(0, keys, rows)[source],
            project=rng.integers(0, 10**9, rows)[source],
            updated=_instants(rng, window, rows)[source],
        )


def _instants(rng: np.random.Generator, window: Interval, rows: int) -> np.ndarray:
    """Microseconds since 1970, anywhere in the window."""
    epoch = datetime(1970, 1, 1, tzinfo=window.start.tzinfo)
    first, last = ((bound - epoch) // timedelta(microseconds=1) for bound in (window.start, window.end))
    return rng.integers(first, last, rows)


def _rows(key: np.ndarray, project: np.ndarray, updated: np.ndarray) -> pl.DataFrame:
    """Transformed rows, about 600 bytes each as JSON."""
    drawn = pl.DataFrame({"key": key, "project": project, "updated": updated})
    time = pl.col("updated").cast(pl.Datetime("us"))
    text = time.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    minute = time.dt.minute() // 5 * 5
    media, owner = _padded("key", 12), _padded("project", 10)
    data = pl.struct(
        projectguid=pl.format("3f2504e0-4f89-11d3-9a0c-{}", owner),
        project_type=pl.lit("photobook"),
        project_subtype=pl.lit("8x8"),
        userid=pl.format("user{}", owner),
        inserted=text,
        updated=text,
        product_index=(pl.col("project") % 50).cast(pl.Int32),
        product_type=pl.lit("BOOK"),
        productguid=pl.format("9b1deb4d-3b7d-4bad-9bdd-{}", owner),
        productimageid=pl.format("image-{}", owner),
        msp=pl.lit("TP"),
        mspid=pl.format("tp-{}", media),
        mediaid=pl.when(pl.col("key") % _NULL_KEY_EVERY != 0).then(
            pl.format("media-6ec0bd7f-11c0-43da-975e-{}", media)
        ),
        locationspec=pl.format("thisid://{}/0", media),
    )
    return drawn.select(
        eventTime=text,
        event_time=text,
        pk=pl.format("3f2504e0-4f89-11d3-9a0c-{}_user{}", owner, owner),
        data=data,
        **{"5min": minute.cast(pl.Int32)},
        year=time.dt.strftime("%Y"),
        month=time.dt.strftime("%m"),
        day=time.dt.strftime("%d"),
        hour=time.dt.strftime("%H"),
        min=minute.cast(pl.String).str.zfill(2),
    )


def _padded(column: str, digits: int) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.zfill(digits)

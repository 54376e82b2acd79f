"""A store with raw objects, and transform runs over it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from assets.dwh.days import day_window, prefix_of
from assets.dwh.intervals import Interval
from assets.dwh.metrics import JobRun
from assets.dwh.paths import Location
from assets.dwh.stages.site import Site, scheme_of
from assets.dwh.stages.transforming import TransformOutcome, TransformRequest, transform_images
from resources.object_store import ObjectStore
from resources.spark import Spark
from tests.assets.dwh.transform_runs import DAY, PACIFIC, hour, hours

BUCKET = "dwh-data"
STORED = "transformed_images"


@dataclass
class Workplace:
    """A site whose clock advances by a second with every look, and a number for every run."""

    site: Site
    logged: list[str]
    bucket: str = BUCKET
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def store(self) -> ObjectStore:
        return self.site.store

    def put(self, begins: datetime, content: bytes, name: str = "images.json") -> str:
        """Store a raw object in the prefix of an instant, and return its key."""
        key = f"raw_images/{prefix_of(begins)}/{name}"
        self.store.put_bytes(self.bucket, key, content)
        return key

    def request(self, **changes: Any) -> TransformRequest:
        """The first hour of 2025-01-15 in Los Angeles, under a run id of its own."""
        number = next(self.numbers)
        start_time = hour(24) + timedelta(minutes=number)
        run = JobRun("transform_images", f"transform-{number}", start_time, created_by="tests")
        given = {"run": run, "day": DAY, "window": hours(0, 1), "timezone": PACIFIC}
        places = {name: Location(self.bucket, f"{name}_images") for name in ("raw", "transformed")}
        return TransformRequest(**{**given, **places, **changes})

    def transform(self, **changes: Any) -> TransformOutcome:
        return transform_images(self.site, self.request(**changes))

    def contents(self, folder: str = STORED) -> dict[str, bytes]:
        """All objects below a folder of the bucket, by key."""
        keys = self.store.list_keys(self.bucket, f"{folder}/")
        return {key: self.store.read_bytes(self.bucket, key) for key in keys}

    def lines(self, path: str) -> list[bytes]:
        """The lines of all objects of an output."""
        folder = Location.parse(path)
        keys = self.store.list_keys(folder.bucket, f"{folder.key}/")
        return [line for key in keys for line in self.store.read_bytes(folder.bucket, key).splitlines()]


def clock(start: datetime = datetime(2025, 1, 16, 9, tzinfo=UTC)) -> Callable[[], datetime]:
    seconds = count()
    return lambda: start + timedelta(seconds=next(seconds))


@contextmanager
def workplace_of(session: Any, spark: Spark, store: ObjectStore, bucket: str = BUCKET) -> Iterator[Workplace]:
    """A workplace in a session of a resource."""
    logged: list[str] = []
    with spark.files(store, bucket, "_scratch") as files:
        site = Site(session, store, files, scheme_of(store), clock(), logged.append)
        yield Workplace(site, logged, bucket)


def days_of(outcome: TransformOutcome) -> dict[tuple[str, date], int]:
    """The number of rows by category and row day."""
    return {(output.category, output.day): output.records for output in outcome.manifest.outputs}


def window_of(day: date) -> Interval:
    """The window of a local day."""
    start, end = day_window(day, PACIFIC)
    return Interval(start=start, end=end)

"""Where everything lies: locations in buckets, and the folders of each asset.

A location is written `s3://b/k` (also `s3a://`) or `gs://b/k` and means object or folder `k` of bucket `b`,
whatever the scheme. Folders are given without a slash at their end.

Not here: reading and writing (`resources.object_store`), and the names of runs (`run_ids`).
"""

import posixpath
import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator

from assets.dwh.days import zone_label
from assets.dwh.run_ids import check_run_id

Scheme = Literal["s3", "gs"]
"""How paths in manifests are written: `s3` on one machine and on AWS, `gs` on Google's cloud."""

Category = Literal["nautilus", "savedproject"]

_URI: Final = re.compile(r"(?:s3|s3a|gs)://(?P<bucket>[^/]+)(?P<key>/.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a bucket; equal to every other spelling of it."""

    bucket: str
    key: str
    """No slash at either end; empty for the bucket itself."""

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read an address; slashes at its end mean nothing.

        Raises:
            ValueError: it has another form or scheme, or its path has an empty, `.` or `..` component.
        """
        match = _URI.fullmatch(uri)
        if match is None:
            raise ValueError(
                f"Path {uri!r} is no address in a bucket; write s3://bucket/key or gs://bucket/key"
            )
        key = (match["key"] or "").removeprefix("/").rstrip("/")
        if key and not {"", ".", ".."}.isdisjoint(key.split("/")):
            raise ValueError(f"Path {uri!r} has an empty, '.' or '..' component; remove it")
        return cls(match["bucket"], key)

    def uri(self, scheme: Scheme) -> str:
        """The address as manifests write it."""
        return f"{scheme}://{self.bucket}/{self.key}".rstrip("/")

    def __truediv__(self, path: str) -> "Location":
        """What lies at a relative path inside this folder."""
        return Location(self.bucket, f"{self.key}/{path}".removeprefix("/"))

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> "Location":
        """The folder that this lies in; a bucket lies in itself."""
        return Location(self.bucket, self.key.rpartition("/")[0])

    def lies_in(self, folder: "Location") -> bool:
        """Whether this is the folder or something below it."""
        return self.bucket == folder.bucket and (
            folder.key in ("", self.key) or self.key.startswith(f"{folder.key}/")
        )

    def common_folder(self, other: "Location") -> "Location":
        """The deepest folder of the same bucket in which both lie.

        Raises:
            ValueError: they are in different buckets.
        """
        if self.bucket != other.bucket:
            raise ValueError(f"Buckets {self.bucket!r} and {other.bucket!r} have no folder in common")
        return Location(self.bucket, posixpath.commonpath([self.key, other.key]))


def _checked(uri: str) -> str:
    Location.parse(uri)
    return uri


StoredPath = Annotated[str, AfterValidator(_checked)]
"""An address in a document, as it was written; `Location.parse` takes it."""


def is_data(key: str) -> bool:
    """Whether an object holds rows: the last part of its name begins with neither `_` nor `.`.

    The markers of empty folders, which end with a slash, hold none.
    """
    name = key.rpartition("/")[2]
    return bool(name) and not name.startswith(("_", "."))


def day_folder(day: date) -> str:
    """`year=YYYY/month=MM/day=DD`."""
    return f"year={day.year:04}/month={day.month:02}/day={day.day:02}"


@dataclass(frozen=True, slots=True)
class RawImages:
    """The raw objects, which we only read."""

    base: Location

    def prefix(self, prefix: str) -> Location:
        """The folder of one prefix of `days.prefixes`."""
        return self.base / prefix


@dataclass(frozen=True, slots=True)
class TransformedImages:
    """What transform runs write. Each run writes below its own id only."""

    base: Location
    timezone: str

    def rows(self, category: Category, row_day: date, run_id: str) -> Location:
        """The folder of the rows of one category and row day."""
        return self._day(category, row_day) / check_run_id(run_id)

    def dropped(self, run_day: date, run_id: str) -> Location:
        """The folder of the dropped records of a run."""
        return self._day("_dropped", run_day) / check_run_id(run_id)

    def manifests(self, run_day: date) -> Location:
        """The folder of the manifests of a run day."""
        return self._day("_manifests", run_day)

    def manifest(self, run_day: date, run_id: str) -> Location:
        """The manifest of a run."""
        return self.manifests(run_day) / f"manifest-{check_run_id(run_id)}.json"

    def late_pointers(self, row_day: date) -> Location:
        """The folder of the pointers to runs of other days that have rows of this day."""
        return self._day("_late", row_day)

    def late_pointer(self, row_day: date, run_id: str) -> Location:
        """The pointer of a run to its rows of another day."""
        return self.late_pointers(row_day) / f"{check_run_id(run_id)}.json"

    def _day(self, folder: str, day: date) -> Location:
        return self.base / f"{folder}/{zone_label(self.timezone)}/{day_folder(day)}"


@dataclass(frozen=True, slots=True)
class FilteredImages:
    """What filter runs write. All but the pointer, the adopted inputs and `latest` carries the run's id."""

    base: Location
    timezone: str

    def transformed_images(self) -> TransformedImages:
        """The inputs: `transformed_images` beside the base.

        Raises:
            ValueError: the base is a whole bucket, which has nothing beside it.
        """
        if not self.base.key:
            raise ValueError(
                f"base_path s3://{self.base.bucket} is a whole bucket, which leaves no place for "
                "transformed_images beside it; give a folder in it"
            )
        return TransformedImages(self.base.parent / "transformed_images", self.timezone)

    def rows(self, day: date, run_id: str) -> Location:
        """The folder of the rows that a run wrote."""
        return self._day(day) / check_run_id(run_id)

    def quarantine(self, day: date, run_id: str) -> Location:
        """The folder of the null-key rows of a run that sets them aside."""
        return self._day(day) / f"_quarantine/{check_run_id(run_id)}"

    def adopted_inputs(self, day: date) -> Location:
        """The folder of the adopted inputs of a day."""
        return self._day(day) / "_inputs"

    def adopted_input(self, day: date, run_id: str) -> Location:
        """The document of one adopted input."""
        return self.adopted_inputs(day) / f"{check_run_id(run_id)}.json"

    def manifests(self, day: date) -> Location:
        """The folder of the manifests of a day, the pointer among them."""
        return self._day(day) / "_manifests"

    def manifest(self, day: date, run_id: str) -> Location:
        """The manifest of a run."""
        return self.manifests(day) / f"manifest-{check_run_id(run_id)}.json"

    def pointer(self, day: date) -> Location:
        """The pointer: the only thing that says what a reader reads."""
        return self.manifests(day) / "latest.json"

    def latest(self, day: date) -> Location:
        """The folder of the copy for readers that know no pointer."""
        return self._day(day) / "latest"

    def _day(self, day: date) -> Location:
        return self.base / f"{zone_label(self.timezone)}/{day_folder(day)}"


@dataclass(frozen=True, slots=True)
class RawPromotions:
    """The promotion extracts, which we only read."""

    base: Location

    def extract(self, ingress_day: date) -> Location:
        """The folder of the extract that came in on a day."""
        return self.base / f"ptn_ingress_date={ingress_day.isoformat()}"

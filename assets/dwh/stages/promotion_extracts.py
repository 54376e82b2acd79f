"""The promotion extracts of ingress days: their objects, what the footers of the files say, and their rows.

Not here: what the rows mean (`frames.promotions`), and whether they are good enough (`promoting`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, BinaryIO, Final

from assets.dwh.paths import Location, RawPromotions, is_data
from assets.failures import PermanentFailure
from resources.object_store import ObjectStore
from resources.spark import EngineFiles

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SUFFIX: Final = ".parquet"


@dataclass(frozen=True, slots=True)
class ExtractFile:
    """One file of an extract, as its footer describes it."""

    place: Location
    rows: int
    columns: frozenset[str]
    """The names of its columns."""
    schema: str
    """Names and types; equal for files that can be read together."""


def extract_files(store: ObjectStore, source: RawPromotions, days: Sequence[date]) -> tuple[ExtractFile, ...]:
    """The files of the days, each day once, in order of day and name.

    Raises:
        PermanentFailure: a file is no parquet; it is named.
    """
    places = [place for day in sorted(set(days)) for place in _places(store, source.extract(day))]
    return tuple(_described(store, place) for place in places)


def read_extract(
    session: "SparkSession", files: EngineFiles, extract: Sequence[ExtractFile]
) -> "list[DataFrame]":
    """The rows of the files, those with the same columns as one frame."""
    alike = groupby(sorted(extract, key=lambda file: (file.schema, file.place)), key=lambda file: file.schema)
    objects = [[(file.place.bucket, file.place.key) for file in group] for _, group in alike]
    return [session.read.parquet(*files.readable(group)) for group in objects]


def check_readable(store: ObjectStore, extract: Sequence[ExtractFile]) -> None:
    """Read the files through, to find the one that an engine has stumbled over.

    Raises:
        PermanentFailure: the rows of a file are damaged; it is named.
    """
    from pyarrow.parquet import ParquetFile

    for file in extract:
        with _parquet_of(store, file.place) as stream:
            for _ in ParquetFile(stream).iter_batches():
                pass


def _places(store: ObjectStore, folder: Location) -> list[Location]:
    prefix = f"{folder.key}/"
    names = (key.removeprefix(prefix) for key in store.list_keys(folder.bucket, prefix))
    return [folder / name for name in names if is_data(name) and "/" not in name and name.endswith(_SUFFIX)]


def _described(store: ObjectStore, place: Location) -> ExtractFile:
    from pyarrow.parquet import ParquetFile

    with _parquet_of(store, place) as stream:
        footer = ParquetFile(stream)
        schema = footer.schema_arrow
        text = schema.to_string(show_field_metadata=False, show_schema_metadata=False)
        return ExtractFile(place, footer.metadata.num_rows, frozenset(schema.names), text)


@contextmanager
def _parquet_of(store: ObjectStore, place: Location) -> Iterator[BinaryIO]:
    from pyarrow import ArrowException

    try:
        with store.open_read(place.bucket, place.key) as stream:
            yield stream
    except (ArrowException, OSError) as error:
        # PyArrow has a plain OSError for damaged data; those of the store have classes of their own.
        if isinstance(error, OSError) and type(error) is not OSError:
            raise
        raise PermanentFailure(
            f"{store.uri(place.bucket, place.key)} cannot be read as parquet; have it delivered again"
        ) from error

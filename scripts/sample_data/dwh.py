"""Inputs of the dwh pipeline under a folder that stands for its bucket: raw images and promotion extracts.

`write_inputs` is the command as a function. Bytes depend on day, numbers and seed, and on nothing else;
`expected` says what is in them. What an earlier call wrote for a day is replaced, all else is left alone.

Not here: what is in the files (`dwh_records`, `dwh_lines`, `dwh_promotions`).
"""

import argparse
import gzip
import io
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from assets.dwh.days import prefix_of
from assets.dwh.paths import Location, RawImages, RawPromotions
from resources.home import quintet_home
from scripts.sample_data.arguments import date_from, whole_number
from scripts.sample_data.dwh_expected import Expected, expected, expected_of
from scripts.sample_data.dwh_lines import contents, raw_lines
from scripts.sample_data.dwh_promotions import promotions
from scripts.sample_data.dwh_records import Records, records_of

__all__ = ["SIZES", "Size", "Written", "expected", "promotions", "raw_lines", "register", "write_inputs"]

SUMMARY: Final = "raw image records and promotion extracts of a photo service"
BUCKET: Final = "dwh-data"

_DEFAULT_DAY: Final = date(2025, 3, 9)
_FIRST_DAY: Final = date(2025, 1, 1)
# A marker such as Spark leaves; names that begin so are never data.
_MARKER: Final = "_SUCCESS"
_COMPRESSION_LEVEL: Final = 1


@dataclass(frozen=True, slots=True)
class Size:
    """How many records and promotions a day has."""

    rows: int
    promotions: int


SIZES: Final = {"small": Size(2_000, 200), "full": Size(1_700_000, 20_000)}


@dataclass(frozen=True, slots=True)
class Written:
    """A day as written: what is in it, its objects (those of promotions too), and how long it took."""

    day: date
    expected: Expected
    promotions: int
    objects: int
    bytes: int
    seconds: float


def write_inputs(
    root: Path,
    size: Size = SIZES["small"],
    *,
    day: date = _DEFAULT_DAY,
    days: int = 1,
    seed: int = 0,
    done: Callable[[Written], None] = lambda _: None,
) -> list[Written]:
    """Write the inputs of one local day or of several that follow one another.

    Args:
        root: the folder that stands for the bucket; made if it is not there.
        size: how much there is in a day.
        day: the first day; the ingress day of the promotions too.
        days: how many days.
        seed: other records, from 0.
        done: called after each day.

    Raises:
        ValueError: a number is negative.
        OSError: an object could not be written; what the day had before may be gone.
    """
    written = []
    for one in (day + timedelta(days=after) for after in range(days)):
        began = time.perf_counter()
        records = records_of(one, size.rows, seed)
        _remove(root, records)
        count = total = 0
        for path, data in _objects(records, one, size, seed):
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            count, total = count + 1, total + len(data)
        seconds = time.perf_counter() - began
        written.append(Written(one, expected_of(records), size.promotions, count, total, seconds))
        done(written[-1])
    return written


def _remove(root: Path, records: Records) -> None:
    """Remove what an earlier call left in the prefixes, else its objects would fill the gaps."""
    for begin in records.slots.begins:
        folder = root / _raw(prefix_of(begin)).key
        for path in (*folder.glob("images-?.json"), *folder.glob("images-?.json.gz"), folder / _MARKER):
            path.unlink(missing_ok=True)


def _objects(records: Records, day: date, size: Size, seed: int) -> Iterator[tuple[str, bytes]]:
    """All objects of a day, by key."""
    for place, (prefix, content) in enumerate(contents(records, seed)):
        for name, data in _files(place, content):
            yield (_raw(prefix) / name).key, data
    yield (_raw(prefix_of(records.slots.begins[records.slots.empty])) / _MARKER).key, b""
    frame = promotions(day, size.promotions, seed)
    folder = RawPromotions(Location(BUCKET, "promotions_raw")).extract(day)
    half = (frame.height + 1) // 2
    for part, rows in enumerate((frame.head(half), frame.tail(frame.height - half))):
        buffer = io.BytesIO()
        rows.write_parquet(buffer, compression="snappy")
        yield (folder / f"part-{part}.parquet").key, buffer.getvalue()


def _files(place: int, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The content of a prefix as its objects: one in four compressed, one in ten in two, some cut short.

    What is cut off is the last line's end, which such a file does without.
    """
    parts = [content]
    if place % 10 == 3 and b"\n" in content:
        parts = list(_halves(content))
    for number, part in enumerate(parts):
        data = part if not part or place % 7 == 0 else part + b"\n"
        if (place + number) % 4 == 0:
            yield f"images-{number}.json.gz", gzip.compress(data, _COMPRESSION_LEVEL, mtime=0)
        else:
            yield f"images-{number}.json", data


def _halves(content: bytes) -> tuple[bytes, bytes]:
    """Two texts without the line end between them."""
    middle = content.find(b"\n", len(content) // 2)
    middle = middle if middle >= 0 else content.rindex(b"\n")
    return content[:middle], content[middle + 1 :]


def _raw(prefix: str) -> Location:
    return RawImages(Location(BUCKET, "raw_images")).prefix(prefix)


def register(parser: argparse.ArgumentParser) -> None:
    """Give the sub-command its arguments and its `run`."""
    parser.description = f"Write {SUMMARY}. Numbers that are not given are those of the size."
    parser.add_argument(
        "--day",
        type=date_from(_FIRST_DAY, "first day"),
        default=_DEFAULT_DAY,
        metavar="YYYY-MM-DD",
        help=f"first local day (default: {_DEFAULT_DAY}, when summer time begins)",
    )
    parser.add_argument(
        "--days",
        type=whole_number,
        default=1,
        metavar="N",
        help="how many days, one after the other (default: 1)",
    )
    parser.add_argument("--size", choices=SIZES, default="small", help="numbers of a day (default: small)")
    parser.add_argument("--rows", type=whole_number, metavar="N", help="records of a day")
    parser.add_argument("--promotions", type=whole_number, metavar="N", help="promotions of a day")
    parser.add_argument(
        "--seed", type=whole_number, default=0, metavar="N", help="other records (default: 0)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"folder that stands for the bucket (default: $QUINTET_HOME/storage/{BUCKET})",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    root: Path = arguments.out or quintet_home() / "storage" / BUCKET
    usual = SIZES[arguments.size]
    size = Size(
        usual.rows if arguments.rows is None else arguments.rows,
        usual.promotions if arguments.promotions is None else arguments.promotions,
    )
    try:
        write_inputs(root, size, day=arguments.day, days=arguments.days, seed=arguments.seed, done=_print)
    except OSError as error:
        print(f"{root}: not written ({error}); choose another folder with --out", file=sys.stderr)
        return 1
    return 0


def _print(written: Written) -> None:
    known = written.expected
    dropped = known.read - known.written
    print(
        f"{written.day}: {known.read:,} records ({dropped:,} to be dropped), {len(known.gaps)} gaps, "
        f"{written.promotions:,} promotions, {written.objects:,} objects, {written.bytes:,} bytes, "
        f"{written.seconds:.1f} s",
        flush=True,
    )

"""Inputs of the aim pipeline under a local root: feeds, runlist, reference files, GA4 events.

`write_inputs` is the command as a function. Bytes depend on scale, date and seed, and on nothing else.
Vehicles and products are the same on all dates, so feeds of another date go with the reference files that are
there. The configuration of a root is never touched.

Not here: what is in the files (`aim_shop`, `aim_products`, `aim_sales`, `aim_runlist`, `aim_events`).
"""

import argparse
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

import polars as pl

from assets.aim import events as event_file
from assets.aim import reference
from assets.aim.settings import Settings
from resources.home import quintet_home
from scripts.sample_data import aim_events, aim_products, aim_runlist, aim_sales, aim_vehicles
from scripts.sample_data.aim_shop import SCALES, Scale, Shop, shop_of
from scripts.sample_data.arguments import date_from, whole_number
from scripts.whole_file import whole_file

SUMMARY: Final = "feeds, runlist, reference files and GA4 events of a shop for tyres"

Part = Literal["feeds", "runlist", "reference", "events"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)

_DEFAULT_DATE: Final = date(2025, 6, 10)
_FIRST_DATE: Final = date(2025, 1, 1)
_BOM: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"

Frames: TypeAlias = Callable[[], Iterable[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class Written:
    """A file as written: its path, the rows after the header, its size, and how long it took."""

    path: Path
    rows: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _File:
    """A file to be written: its path under the root, its first line, and frames of its rows."""

    part: Part
    path: str
    header: str
    frames: Frames
    quote_style: Literal["necessary", "never"] = "necessary"


def write_inputs(
    root: Path,
    scale: Scale,
    *,
    day: date = _DEFAULT_DATE,
    seed: int = 0,
    only: Collection[Part] = PARTS,
    done: Callable[[Written], None] = lambda _: None,
) -> list[Written]:
    """Write the inputs of a date under a local root, each file whole or not at all.

    Args:
        root: the local root; made if it is not there.
        scale: how much there is.
        day: the run date.
        seed: another shop, from 0.
        only: parts to write; a file is the same whichever others are written.
        done: called after each file.

    Raises:
        ValueError: vehicles and products make fewer CAMs than are asked for.
        OSError: a file could not be written; those before it are there.
    """
    shop = shop_of(scale, seed)
    written = []
    for file in _files(shop, scale, day, seed):
        if file.part in only:
            written.append(_write(root / file.path, file))
            done(written[-1])
    return written


def _files(shop: Shop, scale: Scale, day: date, seed: int) -> Iterator[_File]:
    settings = {field.name: field.default for field in fields(Settings)}
    feed = f"{settings['feed_folder']}/{day:%Y%m%d}_"
    yield _File("feeds", f"{feed}CarMakeModelSales.csv", "", lambda: [_sales_rows(shop, scale, day, seed)])
    header = ",".join(aim_products.FEED_HEADER)
    yield _File("feeds", f"{feed}TyreScore.csv", header, lambda: [_feed_rows(shop, day, seed)])
    # As spreadsheets save it, with a byte order mark.
    header = _BOM + aim_runlist.RUNLIST_HEADER
    yield _File("runlist", str(settings["runlist_path"]), header, lambda: [aim_runlist.runlist(shop, seed)])
    tables: list[tuple[reference.ReferenceFile, Callable[[], pl.DataFrame]]] = [
        (reference.VEHICLE_MAPPING, lambda: aim_vehicles.vehicle_mapping(shop.vehicles, seed)),
        (reference.PRODUCT_CATALOGUE, lambda: aim_products.catalogue(shop.products, seed)),
        (reference.INFLUENCE, lambda: aim_vehicles.influence(shop.vehicles, seed)),
        (reference.MANUAL_CAMS, lambda: aim_runlist.manual_cams(shop, seed)),
    ]
    for file, rows in tables:
        yield _File("reference", file.path, ",".join(file.schema), lambda rows=rows: [rows()])
    lines = aim_events.event_lines(shop, scale.events, day, seed)
    yield _File("events", event_file.PATH, "", lambda: (block.to_frame() for block in lines), "never")


def _sales_rows(shop: Shop, scale: Scale, day: date, seed: int) -> pl.DataFrame:
    rows = aim_sales.sales(shop, scale.sales, day, seed).cast(pl.String)
    return _with_slip(rows, ProductId="1234")


def _feed_rows(shop: Shop, day: date, seed: int) -> pl.DataFrame:
    return _with_slip(aim_products.tyre_feed(shop.products, day, seed), Price="on request")


def _with_slip(rows: pl.DataFrame, **cell: str) -> pl.DataFrame:
    """The rows, and one more of the kind that a reader rejects; one is always tolerated."""
    return pl.concat([rows, rows.head(1).with_columns(**{name: pl.lit(text) for name, text in cell.items()})])


def _write(path: Path, file: _File) -> Written:
    began = time.perf_counter()
    rows = 0
    with whole_file(path) as unfinished, unfinished.open("wb") as stream:
        stream.write(f"{file.header}\n".encode() if file.header else b"")
        for frame in file.frames():
            frame.write_csv(stream, include_header=False, quote_style=file.quote_style)
            rows += frame.height
    return Written(path, rows, path.stat().st_size, time.perf_counter() - began)


def register(parser: argparse.ArgumentParser) -> None:
    """Give the sub-command its arguments and its `run`."""
    parser.description = f"Write {SUMMARY}. Numbers that are not given are those of the size."
    parser.add_argument(
        "--date",
        type=date_from(_FIRST_DATE, "first run date"),
        default=_DEFAULT_DATE,
        metavar="YYYY-MM-DD",
        help=f"run date (default: {_DEFAULT_DATE})",
    )
    parser.add_argument(
        "--size", choices=SCALES, default="small", help="numbers of all kinds (default: small)"
    )
    for field in fields(Scale):
        parser.add_argument(f"--{field.name}", type=whole_number, metavar="N", help=_HELP[field.name])
    parser.add_argument("--seed", type=whole_number, default=0, metavar="N", help="another shop (default: 0)")
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="write these files only, repeatable (default: all)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="local root, AIM_LOCAL_ROOT (default: $QUINTET_HOME/storage/aim)",
    )
    parser.set_defaults(run=lambda arguments: _run(arguments, parser))


_HELP: Final = {
    "products": "tyres",
    "vehicles": "vehicles",
    "sales": "rows of the CarMakeModelSales feed",
    "events": "GA4 events",
    "cams": "CAMs of the runlist",
}


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    root: Path = arguments.out or quintet_home() / "storage" / "aim"
    given = {field.name: getattr(arguments, field.name) for field in fields(Scale)}
    try:
        scale = replace(
            SCALES[arguments.size], **{k: number for k, number in given.items() if number is not None}
        )
        write_inputs(
            root, scale, day=arguments.date, seed=arguments.seed, only=arguments.only or PARTS, done=_print
        )
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        print(f"{root}: not written ({error}); choose another folder with --out", file=sys.stderr)
        return 1
    return 0


def _print(file: Written) -> None:
    print(f"{file.path}: {file.rows:,} rows, {file.bytes:,} bytes, {file.seconds:.1f} s", flush=True)

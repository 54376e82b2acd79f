"""The raw objects' contents of the dwh samples: records as lines of JSON, prefix by prefix.

Texts are made for an hour of prefixes at a time, column by column. Not here: which records there are
(`dwh_records`), and how a content is cut into objects (`dwh`).
"""

import zlib
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final, TypeAlias

import numpy as np
import polars as pl

from assets.dwh.days import prefix_of
from scripts.sample_data.dwh_records import KINDS, Ints, Records, records_of
from scripts.sample_data.dwh_variants import BAD_BYTE, PICTURES, PROCESSORS, STYLES, Pieces

_BLOCK: Final = 12
_IMAGES_OF_A_PROJECT: Final = 12
_DAY_MICROSECONDS: Final = 86_400_000_000
_BLANK_LINES: Final = ("\n", "\n  \t", *[""] * 98)

Columns: TypeAlias = dict[str, pl.Series]

_DATA: Final = (
    "projectguid", "project_type", "project_subtype", "userid", "inserted", "updated", "state",
    "product_type", "productguid", "productimageid", "product_index", "image_view", "image_id", "image_data",
    "image_extra",
)  # fmt: skip
_TOP: Final = ("eventTime", "event_time", "data", "extra", "meta")

_PROJECT_TYPES: Final = ("photobook", "photobook", "card", "calendar", "canvas")
_SUBTYPES: Final = ("hardcover", "softcover", "layflat")
_STATES: Final = ("active", "active", "active", "ordered", "deleted")
_STORES: Final = ("vault", "vault", "albums", "upload")
_PLACES: Final = ("album/summer", "album/Zürich", "inbox", "album/子供")


def raw_lines(day: date, rows: int, seed: int = 0) -> Iterator[tuple[str, list[bytes]]]:
    """The lines of each prefix of a day that has an object, blank ones included, in order of time.

    `rows` is the number of records. Lines have no end of line; those of one prefix have no lines.
    """
    for prefix, content in contents(records_of(day, rows, seed), seed):
        yield prefix, content.split(b"\n") if content else []


def contents(records: Records, seed: int) -> Iterator[tuple[str, bytes]]:
    """The same lines as one text for each prefix, without the last line's end."""
    slots = records.slots
    bounds = np.searchsorted(records.slot, np.arange(len(slots.begins) + 1))
    for first in range(0, len(slots.begins), _BLOCK):
        last = min(first + _BLOCK, len(slots.begins))
        lines = _lines(records, slice(bounds[first], bounds[last]), seed)
        for slot in range(first, last):
            if slot in slots.missing or slot == slots.empty:
                continue
            chosen = lines[int(bounds[slot] - bounds[first]) : int(bounds[slot + 1] - bounds[first])]
            text = "\n".join(chosen.to_list())
            yield prefix_of(slots.begins[slot]), text.encode().replace(BAD_BYTE.encode(), b"\xff")


def _lines(records: Records, rows: slice, seed: int) -> pl.Series:
    """The lines of some records; a few have a blank line in the same text behind them."""
    draw = _Draw(records.number[rows], seed)
    kind, kinds = records.kind[rows], [kind.pieces for kind in KINDS]
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(kind))
    pieces: Columns = {
        **_times(draw, records.updated[rows]),
        **_project(draw),
        "image_data": _field("image_data", _encrypted(draw, records.picture[rows], records.media[rows])),
        "image_extra": nothing,
        "extra": nothing,
        "meta": pl.Series([one.piece for one in PROCESSORS]).gather(records.processor[rows]),
    }
    _replace(pieces, kinds, kind, list(pieces))
    pieces["data"] = _joined('"data":{', _listed(pieces, _DATA), "}")
    _replace(pieces, kinds, kind, ["data"])
    pieces["line"] = _joined("{", _listed(pieces, _TOP), "}")
    _replace(pieces, kinds, kind, ["line"])
    return pieces["line"] + draw.texts("blank", _BLANK_LINES)


class _Draw:
    """Draws that depend on numbers and seed alone: equal numbers draw the same, in any block."""

    def __init__(self, numbers: Ints, seed: int) -> None:
        self.numbers = numbers
        self.seed = seed

    def projects(self) -> "_Draw":
        """The same for the project that a record belongs to."""
        return _Draw(self.numbers // _IMAGES_OF_A_PROJECT, self.seed)

    def below(self, subject: str, bound: int) -> Ints:
        """A number from 0 to below `bound`; other subjects draw independently."""
        # The finaliser of SplitMix64; multiplication wraps around.
        salt = (self.seed + 1) * 0x9E3779B97F4A7C15 + zlib.crc32(subject.encode()) * 0xD1342543DE82EF95
        mixed = self.numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt % 2**64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((mixed >> np.uint64(32)) % np.uint64(bound)).astype(np.int64)

    def texts(self, subject: str, choices: Sequence[str]) -> pl.Series:
        """One of the texts."""
        return pl.Series(choices).gather(self.below(subject, len(choices)))

    def ids(self, subject: str, letter: str) -> pl.Series:
        """A letter and a number of up to ten digits."""
        return _joined(letter, _numbers(self.below(subject, 2**32)))


def _times(draw: _Draw, updated: Ints) -> Columns:
    """Fields of time. `eventTime` differs from `updated`, by which records are filed."""
    event = _seconds(updated + draw.below("event", 90) * 1_000_000)
    inserted = _seconds(updated - draw.below("inserted", 30) * _DAY_MICROSECONDS)
    return {
        "eventTime": _field("eventTime", event),
        "event_time": _field("event_time", event),
        "inserted": _field("inserted", inserted),
        "updated": _field("updated", _styled(draw, updated)),
    }


def _seconds(instants: Ints) -> pl.Series:
    return pl.Series(instants).cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def _styled(draw: _Draw, instants: Ints) -> pl.Series:
    """Instants in all styles; digits that a style does not show are cut off."""
    style = draw.below("style", len(STYLES))
    offset = np.array([style.offset_minutes for style in STYLES])[style] * 60_000_000
    local = pl.Series(instants + offset).cast(pl.Datetime("us"))
    nanoseconds = instants % 1_000_000 * 1_000 + draw.below("nanoseconds", 1_000)
    digits = pl.Series([style.digits for style in STYLES]).gather(style)
    fraction = _numbers(nanoseconds).str.zfill(9).str.slice(0, digits)
    return _joined(
        local.dt.strftime("%Y-%m-%d"),
        pl.Series([style.separator for style in STYLES]).gather(style),
        local.dt.strftime("%H:%M:%S"),
        pl.Series(["." if style.digits else "" for style in STYLES]).gather(style),
        fraction,
        pl.Series([style.zone for style in STYLES]).gather(style),
    )


def _project(draw: _Draw) -> Columns:
    """Fields of a project and a place in it; neighbours are mostly of one project."""
    project = draw.projects()
    values = {
        "projectguid": project.ids("projectguid", "p-"),
        "project_type": project.texts("project_type", _PROJECT_TYPES),
        "project_subtype": project.texts("project_subtype", _SUBTYPES),
        "userid": project.ids("userid", "u"),
        "state": draw.texts("state", _STATES),
        "product_type": project.texts("product_type", _PROJECT_TYPES),
        "productguid": project.ids("productguid", "g-"),
        "productimageid": draw.ids("productimageid", "i-"),
        "image_view": draw.ids("image_view", "v"),
        "image_id": draw.ids("image_id", "k"),
    }
    index = _joined('"product_index":', _numbers(draw.below("product_index", 40)))
    return {name: _field(name, value) for name, value in values.items()} | {"product_index": index}


def _encrypted(draw: _Draw, picture: Ints, media: Ints) -> pl.Series:
    """What the decryptor `base64_json` decrypts."""
    pieces = {
        "msp": _field("msp", draw.texts("msp", _STORES)),
        "mspid": _field("mspid", draw.ids("mspid", "s-")),
        "mediaid": _field("mediaid", _media_ids(media)),
        "locationspec": _field("locationspec", draw.texts("locationspec", _PLACES)),
    }
    _replace(pieces, [picture.pieces for picture in PICTURES], picture, list(pieces))
    return _joined("{", _listed(pieces, list(pieces)), "}").str.encode("base64")


def _media_ids(media: Ints) -> pl.Series:
    """An id for each number; some differ from another one by case or a space at the end only."""
    place = media % 100
    like_another = np.where((place == 1) | (place == 2), media - place, media)
    capital = pl.Series(np.where(place == 1, "m", "M"))
    return _joined(capital, _numbers(like_another).str.zfill(9), pl.Series(np.where(place == 2, " ", "")))


def _replace(pieces: Columns, variants: Sequence[Pieces], which: Ints, names: Sequence[str]) -> None:
    """Put the variants' pieces in the places of these fields; `which` is the variant of each record."""
    for name in names:
        having = [number for number, variant in enumerate(variants) if name in variant]
        place = np.full(len(variants), -1)
        place[having] = np.arange(len(having))
        chosen = place[which]
        if (chosen >= 0).any():
            others = pl.Series([variants[number][name] for number in having], dtype=pl.String)
            replaced = others.gather(np.maximum(chosen, 0))
            pieces[name] = replaced.zip_with(pl.Series(chosen >= 0), pieces[name])


def _field(name: str, values: pl.Series) -> pl.Series:
    return _joined(f'"{name}":"', values, '"')


def _listed(pieces: Columns, names: Sequence[str]) -> pl.Series:
    """The pieces that are not null, with commas between them."""
    columns = [pieces[name].alias(name) for name in names]
    return pl.select(pl.concat_str(columns, separator=",", ignore_nulls=True)).to_series()


def _joined(*pieces: pl.Series | str) -> pl.Series:
    """The pieces of each row as one text; a text is in every row."""
    return pl.select(
        pl.concat_str(pl.lit(piece) if isinstance(piece, str) else piece for piece in pieces)
    ).to_series()


def _numbers(values: Ints) -> pl.Series:
    return pl.Series(values).cast(pl.String)

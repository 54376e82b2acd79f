"""What can be special about a raw record of the dwh samples: reasons to drop it, oddities, spellings.

A variant is a set of pieces of JSON that take the place of the ordinary ones, by field; None leaves the field
out. `data`, `image_data` and `line` stand for all that they contain. Not here: which record gets which
variant (`dwh_records`), and the ordinary pieces (`dwh_lines`).
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

Pieces: TypeAlias = Mapping[str, str | None]

BAD_BYTE: Final = "\ue000"
"""Stands for a byte 0xFF, which no UTF-8 text has, for as long as lines are text."""

_REQUIRED: Final = ("projectguid", "userid", "project_type", "inserted")


def _set(name: str, *values: object) -> tuple[Pieces, ...]:
    """A variant per value of one field."""
    return tuple({name: f'"{name}":{json.dumps(value)}'} for value in values)


def _encrypted(text: str | bytes) -> Pieces:
    data = text.encode() if isinstance(text, str) else text
    return {"image_data": f'"image_data":"{base64.b64encode(data).decode()}"'}


_NO_PICTURE: Final[Pieces] = {"image_data": '"image_data":"%%%"'}

DROPPED: Final[Mapping[str, tuple[Pieces, ...]]] = {
    "extract_corrupt_json": (
        {"line": '{"eventTime":"2025-01-15T08:07:33Z","data":{"projectguid":"p-1","proj'},
        {"project_subtype": f'"project_subtype":"caf{BAD_BYTE}"'},
        {"line": "[1, 2]"},
        {"line": '"text"'},
        {"line": "null"},
        {"line": "not json"},
        {"line": '{"eventTime":"2025-01-15T08:07:33Z"} {}'},
        {"extra": '"rating":NaN'},
        {"data": '"data":"text"'},
        {"data": '"data":[]'},
        *_set("product_index", "3", 3.5, True),
        {"eventTime": None, "product_index": '"product_index":[3]'},
    ),
    "extract_null_eventtime": (
        {"eventTime": None},
        {"eventTime": '"eventTime":null'},
        {"eventTime": None, "event_time": None},
        {"eventTime": '"eventTime":null', "data": '"data":null'},
    ),
    "extract_null_data": ({"data": None}, {"data": '"data":null'}),
    "transform_missing_required": (
        *({name: None} for name in _REQUIRED),
        *(variant for name in _REQUIRED for variant in _set(name, None, "")),
        {"data": '"data":{}'},
        {"userid": None, "updated": '"updated":"yesterday"', **_NO_PICTURE},
    ),
    "transform_invalid_updated": (
        {"updated": None},
        *_set(
            "updated",
            None,
            "",
            "2025-01-15",
            "2025-01-15T08:07Z",
            "2025-01-15T08:07:60Z",
            "2025-02-29T08:07:33Z",
            "2025-01-15T24:00:00Z",
            "2025-01-15  08:07:33Z",
            "2025-01-15T08:07:33.1234567890Z",
            "2025-01-15T08:07:33+08",
            "1736928453",
        ),
        {"updated": '"updated":"yesterday"', **_NO_PICTURE},
    ),
    "transform_decryption_failure": (
        _NO_PICTURE,
        {"image_data": None},
        *_set("image_data", None, "", "eyJtZWRpYWlkIjoibSJ"),
        _encrypted("not json"),
        _encrypted('["mediaid"]'),
        _encrypted("{}"),
        _encrypted('{"msp":"","mspid":null,"mediaid":7,"locationspec":{"mediaid":"m"}}'),
        _encrypted(b'{"mediaid":"\xff"}'),
    ),
}
"""By drop reason, the ways to earn it; some would earn a later one too."""

ODDITIES: Final[tuple[Pieces, ...]] = (
    {"event_time": None},
    *_set("eventTime", "", "not a time"),
    {"project_subtype": None},
    *_set("project_subtype", None, "", "hard\ncover"),
    *_set("product_index", None, 0, -1, 2_147_483_647),
    {"product_index": None, "product_type": None, "productguid": None, "productimageid": None},
    {"state": None, "image_view": None, "image_id": None},
    *_set("image_view", None),
    *_set("project_type", "livre \N{GRINNING FACE}", 'a "quoted" \\ type'),
    {"extra": '"year":"1999","pk":"none","5min":7,"category":"x","_source_run_id":"y"'},
    {"extra": '"labels": [1, null, {"data": {"updated": "never"}}] , "ratio" : 1.5e-3'},
    # Separators of lines to `str.splitlines`, but not to JSON lines.
    {"extra": '"caption":"one\N{LINE SEPARATOR}two\N{NEXT LINE}three"'},
    {"image_extra": '"colour":"red","year":"1999"'},
)
"""Records that are kept all the same."""


@dataclass(frozen=True, slots=True)
class Processor:
    """What `__meta__` says, and whether that means nautilus."""

    piece: str | None
    nautilus: bool


def _meta(processor: str, *, nautilus: bool) -> Processor:
    framework, versions = '"framework":{"version":"4.1"}', '"version":"7"'
    return Processor(
        f'"__meta__":{{{framework},"savedproject":{{{versions},"processor":{processor}}}}}', nautilus
    )


PROCESSORS: Final = (
    *[_meta('"Nautilus-v2"', nautilus=True)] * 9,
    *[_meta('"savedproject"', nautilus=False)] * 5,
    _meta('"nautilus"', nautilus=True),
    _meta('"photo NAUTILUS import"', nautilus=True),
    _meta('"naut-ilus"', nautilus=False),
    _meta('""', nautilus=False),
    _meta("null", nautilus=False),
    Processor('"__meta__":{"savedproject":{"version":"7"},"source":"nautilus"}', nautilus=False),
    Processor('"__meta__":{"framework":{"version":"4.1"},"savedproject":null}', nautilus=False),
    Processor('"__meta__":null', nautilus=False),
    Processor(None, nautilus=False),
)
"""Each as often as the others."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What takes the place of the four decrypted fields, and whether that leaves a media id."""

    pieces: Pieces
    has_media_id: bool = True


_OTHERS_ABSENT: Final[Pieces] = {"msp": None, "mspid": None, "locationspec": None}

PICTURES: Final = (
    *[Picture({})] * 40,
    *[Picture({"locationspec": None})] * 3,
    *[Picture({"msp": '"msp":""', "mspid": '"mspid":12'})] * 2,
    *[Picture(_OTHERS_ABSENT)] * 3,
    Picture({"mediaid": None}, has_media_id=False),
    *[Picture(piece, has_media_id=False) for piece in _set("mediaid", None, "", 7)],
)
"""Each as often as the others."""


@dataclass(frozen=True, slots=True)
class Style:
    """How an instant is written: between date and time, digits of the second's fraction, zone at the end."""

    separator: str
    digits: int
    zone: str
    offset_minutes: int = 0


STYLES: Final = (
    Style("T", 0, "Z"),
    Style("T", 3, "Z"),
    Style("T", 6, "Z"),
    Style("T", 9, "Z"),
    Style("T", 1, ""),
    Style("T", 0, "+00:00"),
    Style("T", 6, "-08:00", -480),
    Style("T", 2, "-0700", -420),
    Style("T", 3, "+05:45", 345),
    Style(" ", 0, ""),
    Style(" ", 6, "Z"),
    Style(" ", 3, "+0900", 540),
)
"""Each as often as the others."""

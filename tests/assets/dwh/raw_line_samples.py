"""Raw lines, good and bad, for tests of whoever reads them; a reader of objects that lie in memory."""

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

GOOD: Mapping[str, Any] = {
    "projectguid": "p1",
    "project_type": "book",
    "userid": "u1",
    "inserted": "2025-01-14T00:00:00Z",
    "updated": "2025-01-15T08:07:33Z",
    "product_index": 3,
    "image_view": "v",
    "image_id": "i",
}


def encrypted(**places: object) -> str:
    return base64.b64encode(json.dumps(places).encode()).decode()


def line(
    media: str = "m1", processor: str = "nautilus", record: Mapping[str, Any] | None = None, **data: Any
) -> bytes:
    """A good line but for the changes; a field of its data that is `...` is left out."""
    fields = {**GOOD, "image_data": encrypted(mediaid=media), **data}
    given = {name: value for name, value in fields.items() if value is not ...}
    whole = {
        "eventTime": "2025-01-15T00:00:00Z",
        "data": given,
        "__meta__": {"savedproject": {"processor": processor}},
        **(record or {}),
    }
    return json.dumps(whole).encode()


def good_lines(number: int) -> bytes:
    """As many good lines, each with a media id of its own."""
    return b"\n".join(line(f"m{place}") for place in range(number))


TEXTS = st.text(max_size=6) | st.sampled_from(["", "\r", "\n", "\x00", "\u2028", "\x85", '"', "\\", "é😀"])
UPDATED = st.sampled_from(
    [
        "2025-01-15T07:59:59Z",
        "2025-01-15 08:00:00.9",
        "2025-01-16T07:59:59.999999999-0000",
        "2025-01-20T00:00:00+05:30",
        "2025-02-30T00:00:00Z",
        "",
    ]
)
ENCRYPTED = st.dictionaries(
    st.sampled_from(["msp", "mspid", "mediaid", "locationspec", "other"]),
    TEXTS | st.none() | st.integers(),
    max_size=4,
).map(lambda places: encrypted(**places))
DATA = st.fixed_dictionaries(
    {},
    optional={
        "projectguid": TEXTS | st.integers() | st.just(10**30),
        "project_subtype": TEXTS | st.booleans() | st.lists(st.none()),
        "userid": TEXTS | st.floats(allow_nan=True),
        "updated": UPDATED,
        "product_index": st.integers(-(2**33), 2**33) | st.just("3"),
        "image_data": ENCRYPTED | TEXTS | st.none(),
    },
).map(lambda changes: {**GOOD, "image_data": encrypted(mediaid="m1"), **changes})
WHOLE = st.builds(
    lambda data, processor, event_time: json.dumps(
        {"eventTime": event_time, "data": data, "__meta__": {"savedproject": {"processor": processor}}}
    ).encode(),
    DATA | st.none() | st.just([]),
    st.sampled_from(["Nautilus-v2", "older", None]),
    st.sampled_from(["2025-01-15T00:00:00Z", "2025-01-15T00:00:00Z", None]),
)
BROKEN = st.one_of(
    st.binary(max_size=12),
    WHOLE.map(lambda whole: whole[:-3]),
    WHOLE.map(lambda whole: whole.replace(b"book", b"caf\xff")),
    WHOLE.map(lambda whole: whole.replace(b'"userid"', b'"userid": "other", "userid"')),
    WHOLE.map(lambda whole: whole + b"\r"),
    st.integers(1, 3_000).map(lambda depth: b"[" * depth),
    st.integers(1, 3_000).map(lambda depth: b'{"a":' * depth + b"1" + b"}" * depth),
    st.sampled_from(
        [b"", b"  ", b"\r", b"null", b"[1]", b'{"eventTime": "\\ud800", "data": {}}', b"[" * 100_000]
    ),
)
CONTENTS = st.lists(WHOLE | WHOLE | BROKEN, max_size=12).map(b"\n".join)


@dataclass(frozen=True)
class ObjectsInMemory:
    """Reads objects of any bucket, by key; those whose names end with .gz are compressed."""

    stored: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, contents: Mapping[str, bytes]) -> "ObjectsInMemory":
        return cls(
            {key: gzip.compress(data) if key.endswith(".gz") else data for key, data in contents.items()}
        )

    def read_bytes(self, bucket: str, key: str) -> bytes:
        try:
            return self.stored[key]
        except KeyError:
            raise FileNotFoundError(f"{bucket}/{key} does not exist") from None


class StoreOutOfReach:
    def read_bytes(self, bucket: str, key: str) -> bytes:
        raise ConnectionError("no route\nto host")

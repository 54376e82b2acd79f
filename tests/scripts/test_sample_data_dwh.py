"""Sample inputs of dwh: reproducible to the byte, something for every rule, and as many as they say."""

import base64
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow.parquet as pq
import pytest

from assets.dwh.days import day_window, local_day, parse_instant, prefixes
from assets.dwh.paths import is_data
from scripts.sample_data.__main__ import main
from scripts.sample_data.dwh import SIZES, Size, expected, promotions, raw_lines, write_inputs
from scripts.sample_data.dwh_promotions import SCHEMA, TYPES
from scripts.sample_data.dwh_variants import BAD_BYTE, DROPPED

SPRING, PLAIN, AUTUMN = date(2025, 3, 9), date(2025, 1, 15), date(2025, 11, 2)
ZONE = "America/Los_Angeles"
SMALL = SIZES["small"]
TINY = Size(rows=60, promotions=10)
REQUIRED = ("projectguid", "userid", "project_type", "inserted")


class Read(NamedTuple):
    """A record as the plain reader sees it: the reason to drop it, or what it is filed by."""

    reason: str | None
    category: str = ""
    day: date | None = None
    media_id: str | None = None


def corrupt(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def read(line: bytes) -> Read:
    """A record by the rules of the contract, read one by one with the standard library."""
    try:
        record = json.loads(line.decode(), parse_constant=corrupt)
    except ValueError:
        return Read("extract_corrupt_json")
    reason = extract_reason(record) or transform_reason(record["data"])
    if reason:
        return Read(reason)
    updated = parse_instant(record["data"]["updated"])
    assert updated is not None
    media_id = decrypted(record["data"]["image_data"])["mediaid"]
    return Read(None, category_of(record), local_day(updated, ZONE), media_id)


def extract_reason(record: Any) -> str | None:
    data = record.get("data") if isinstance(record, dict) else "no record"
    index = data.get("product_index") if isinstance(data, dict) else None
    if not isinstance(data, dict | None) or type(index) not in (int, type(None)):
        return "extract_corrupt_json"
    if record.get("eventTime") is None:
        return "extract_null_eventtime"
    return "extract_null_data" if data is None else None


def transform_reason(data: dict[str, Any]) -> str | None:
    if not all(data.get(name) for name in REQUIRED):
        return "transform_missing_required"
    if parse_instant(data.get("updated")) is None:
        return "transform_invalid_updated"
    return None if any(decrypted(data.get("image_data")).values()) else "transform_decryption_failure"


def decrypted(image_data: str | None) -> dict[str, str | None]:
    names = ("msp", "mspid", "mediaid", "locationspec")
    try:
        values = json.loads(base64.b64decode(image_data or "", validate=True).decode())
    except ValueError:
        values = None
    found = values if isinstance(values, dict) else {}
    texts = {name: found.get(name) for name in names}
    return {name: text if isinstance(text, str) and text else None for name, text in texts.items()}


def category_of(record: dict[str, Any]) -> str:
    saved = (record.get("__meta__") or {}).get("savedproject") or {}
    return "nautilus" if "nautilus" in (saved.get("processor") or "").lower() else "savedproject"


def records_in(lines: list[bytes]) -> Iterator[bytes]:
    return (line for line in lines if line.strip())


def objects_of(root: Path) -> dict[str, bytes]:
    """The objects under a root by key."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def digests_of(root: Path) -> dict[str, str]:
    return {key: hashlib.sha256(data).hexdigest() for key, data in objects_of(root).items()}


def raw_records(root: Path) -> list[bytes]:
    """All records under a root, object by object."""
    lines: list[bytes] = []
    for key, data in sorted(objects_of(root / "raw_images").items()):
        if is_data(key):
            lines += (gzip.decompress(data) if key.endswith(".gz") else data).split(b"\n")
    return list(records_in(lines))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket with the small inputs of the default day."""
    root = tmp_path_factory.mktemp("dwh")
    write_inputs(root)
    return root


@pytest.fixture(scope="module")
def small_lines() -> list[bytes]:
    """The records of the small inputs."""
    return [line for _, lines in raw_lines(SPRING, SMALL.rows) for line in records_in(lines)]


@pytest.fixture(scope="module")
def kept(small_lines: list[bytes]) -> list[dict[str, Any]]:
    """The records of the small inputs that are not dropped."""
    return [json.loads(line) for line in small_lines if read(line).reason is None]


def test_equal_arguments_give_equal_bytes_in_any_process_and_time_zone(root: Path, tmp_path: Path):
    command = [sys.executable, "-m", "scripts.sample_data", "dwh", "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    environment["POLARS_MAX_THREADS"] = "1"
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert digests_of(tmp_path) == digests_of(root)
    assert re.search(r"2025-03-09: 2,000 records \(\d+ to be dropped\), 3 gaps, 200 promotions", done.stdout)


def test_another_seed_gives_other_records_and_promotions(root: Path):
    first, second = (
        {line for _, lines in raw_lines(SPRING, 500, seed) for line in lines if b"image_data" in line}
        for seed in (0, 1)
    )
    assert len(first) > 400
    assert not first & second
    assert not set(promotions(SPRING, 50, 0)["_id"]) & set(promotions(SPRING, 50, 1)["_id"])


@pytest.mark.parametrize(
    ("day", "rows", "seed"),
    [(SPRING, 2_000, 0), (PLAIN, 3_000, 1), (AUTUMN, 2_000, 2), (SPRING, 7, 0), (SPRING, 0, 0)],
)
def test_a_plain_reader_finds_what_is_expected(day: date, rows: int, seed: int):
    found = [read(line) for _, lines in raw_lines(day, rows, seed) for line in records_in(lines)]
    known = expected(day, rows, seed)
    kept = [one for one in found if one.reason is None]
    named = {(one.day, one.media_id) for one in kept if one.media_id is not None}
    assert len(found) == known.read == rows == known.written + sum(known.dropped.values())
    assert Counter(one.reason for one in found if one.reason) == known.dropped
    assert Counter((one.category, one.day) for one in kept) == known.rows
    assert Counter(day for day, _ in named) == known.keys
    assert Counter(one.day for one in kept if one.media_id is None) == known.null_keys


def test_several_days_are_expected_together_and_share_media_ids():
    days = [PLAIN, PLAIN + timedelta(days=1)]
    found = [read(line) for day in days for _, lines in raw_lines(day, 900, 5) for line in records_in(lines)]
    together, alone = expected(PLAIN, 900, 5, days=2), [expected(day, 900, 5) for day in days]
    media_ids = {(one.day, one.media_id) for one in found if one.media_id is not None}
    assert Counter(day for day, _ in media_ids) == together.keys
    assert together.read == len(found) == 1_800
    assert together.written == sum(one.written for one in alone)
    assert together.keys[PLAIN] < sum(one.keys[PLAIN] for one in alone)
    assert together.gaps == alone[0].gaps + alone[1].gaps


def test_the_written_objects_hold_the_same_records(root: Path, small_lines: list[bytes]):
    assert raw_records(root) == small_lines


def test_every_way_to_be_dropped_occurs_and_quality_stays_green(small_lines: list[bytes]):
    dropped = Counter(read(line).reason for line in small_lines)
    assert {reason for reason in dropped if reason} == set(DROPPED)
    assert 0.03 < 1 - dropped[None] / len(small_lines) < 0.05
    for reason, ways in DROPPED.items():
        lines = {line for line in small_lines if read(line).reason == reason}
        for way in ways:
            present = [piece.encode().replace(BAD_BYTE.encode(), b"\xff") for piece in way.values() if piece]
            absent = [f'"{name}":'.encode() for name, piece in way.items() if piece is None]
            assert any(
                all(piece in line for piece in present) and not any(piece in line for piece in absent)
                for line in lines
            )


def test_gaps_are_prefixes_that_are_missing_or_hold_a_marker_only(root: Path):
    with_objects = {key.rpartition("/")[0] for key in objects_of(root / "raw_images")}
    with_data = {key.rpartition("/")[0] for key in objects_of(root / "raw_images") if is_data(key)}
    gaps = expected(SPRING, SMALL.rows).gaps
    without_data = [prefix for prefix in prefixes(*day_window(SPRING, ZONE)) if prefix not in with_data]
    assert without_data == [prefix for gap in gaps for prefix in prefixes(*gap)]
    assert sorted((end - begin) // timedelta(minutes=5) for begin, end in gaps) == [1, 1, 2]
    (empty,) = with_objects - with_data
    assert [path.name for path in (root / "raw_images" / empty).iterdir()] == ["_SUCCESS"]


@pytest.mark.parametrize(("day", "count"), [(PLAIN, 288), (SPRING, 276), (AUTUMN, 300)])
def test_a_day_has_the_prefixes_of_its_length_but_for_four(day: date, count: int):
    found = [prefix for prefix, _ in raw_lines(day, 500)]
    wanted = prefixes(*day_window(day, ZONE))
    assert len(wanted) == count
    assert len(found) == count - 4
    assert found == [prefix for prefix in wanted if prefix in set(found)]


def test_some_objects_are_compressed_empty_in_two_or_without_a_last_line_end(root: Path):
    objects = objects_of(root / "raw_images")
    plain = {key: data for key, data in objects.items() if key.endswith(".json")}
    zipped = {key: data for key, data in objects.items() if key.endswith(".json.gz")}
    assert 0.1 < len(zipped) / len(objects) < 0.5
    assert {data[4:8] for data in zipped.values()} == {bytes(4)}
    assert any(not data for key, data in objects.items() if is_data(key))
    assert any(data and not data.endswith(b"\n") for data in plain.values())
    assert any("images-1" in key for key in objects)
    assert any(b"\n\n" in data for data in plain.values())
    assert any(b"\n  \t\n" in data for data in plain.values())


def test_instants_are_spelt_in_every_way_and_lie_on_the_edges_of_the_day(kept: list[dict[str, Any]]):
    texts = {record["data"]["updated"] for record in kept}
    spellings = {re.sub(r"\d", "9", text) for text in texts}
    day, clock = "9999-99-99", "99:99:99"
    assert spellings == {
        *(f"{day}T{clock}{end}" for end in ("Z", ".999Z", ".999999Z", ".999999999Z", ".9", "+99:99")),
        *(f"{day}T{clock}{end}" for end in (".999999-99:99", ".99-9999", ".999+99:99")),
        *(f"{day} {clock}{end}" for end in ("", ".999999Z", ".999+9999")),
    }
    start, end = day_window(SPRING, ZONE)
    seconds = {instant.replace(microsecond=0) for text in texts if (instant := parse_instant(text))}
    second = timedelta(seconds=1)
    assert {start - second, start, end - second, end} <= seconds


def test_rows_are_late_early_and_delivered_twice(small_lines: list[bytes]):
    days = expected(SPRING, SMALL.rows).rows
    for category in ("nautilus", "savedproject"):
        assert {day for of, day in days if of == category} >= {SPRING - timedelta(days=1), SPRING}
    assert max(day for _, day in days) == SPRING + timedelta(days=1)
    assert any(count > 1 for line, count in Counter(small_lines).items() if read(line).reason is None)


def test_pictures_lack_what_they_may_lack(kept: list[dict[str, Any]]):
    pictures = [decrypted(record["data"]["image_data"]) for record in kept]
    found = {tuple(name for name, text in picture.items() if text) for picture in pictures}
    assert {
        ("mediaid",),
        ("msp", "mspid", "locationspec"),
        ("msp", "mspid", "mediaid", "locationspec"),
    } <= found
    media_ids = Counter(picture["mediaid"] for picture in pictures)
    assert media_ids.pop(None) > 50
    assert sum(count > 1 for count in media_ids.values()) > 100
    spellings = Counter(media_id.lower().rstrip() for media_id in media_ids if media_id)
    assert max(spellings.values()) == 3


def test_a_picture_decrypts_to_its_four_fields(kept: list[dict[str, Any]]):
    encoded = max((record["data"]["image_data"] for record in kept), key=len)
    assert base64.b64encode(base64.b64decode(encoded, validate=True)).decode() == encoded
    picture = decrypted(encoded)
    assert re.fullmatch(r"[Mm]\d{9} ?", picture["mediaid"] or "")
    assert picture["locationspec"] in {"album/Zürich", "album/summer", "album/子供"}


def test_records_have_unknown_and_absent_fields_and_separators_that_end_no_line(
    kept: list[dict[str, Any]], small_lines: list[bytes]
):
    assert {"labels", "caption", "pk"} <= {name for record in kept for name in record}
    for optional in ("project_subtype", "product_index", "product_type", "image_view", "state"):
        assert any(optional not in record["data"] for record in kept)
    assert any("__meta__" not in record for record in kept)
    assert any(len(line.decode(errors="replace").splitlines()) > 1 for line in small_lines)


def test_an_extract_has_the_schema_of_the_contract_and_nothing_of_its_writing(root: Path):
    folder = root / "promotions_raw" / "ptn_ingress_date=2025-03-09"
    paths = sorted(folder.iterdir())
    assert [path.name for path in paths] == ["part-0.parquet", "part-1.parquet"]
    frame = pl.concat(pl.read_parquet(path, hive_partitioning=False) for path in paths)
    assert frame.schema == pl.Schema(SCHEMA)
    assert frame.equals(promotions(SPRING, SMALL.promotions))
    for path in paths:
        metadata = pq.read_metadata(path)
        assert set(metadata.metadata) == {b"ARROW:schema"}
        assert metadata.row_group(0).column(0).compression == "SNAPPY"
        field = pq.read_schema(path).field("updatedate")
        assert str(field.type) == "timestamp[us, tz=UTC]"


def test_promotions_have_all_types_and_nulls_at_every_level():
    frame = promotions(SPRING, SMALL.promotions)
    assert set(frame["properties_promotionType"]) == set(TYPES)
    assert frame["_id"].null_count() == 0
    full = {"_id", "properties_promotionType", "schedule_startDate"}
    assert {name for name in frame.columns if frame[name].null_count() == 0} == full
    skus = frame["skus_promotionSkus"]
    assert skus.null_count() > 0
    assert (skus.list.len() == 0).any()
    names = [[sku["skuOrCategoryId"] if sku else None for sku in one] for one in skus.drop_nulls().to_list()]
    assert any("" in one for one in names)
    assert any(None in one for one in names)
    assert any(len(set(one)) < len(one) for one in names)
    bundle = frame["bundles_bundleA"].drop_nulls().struct.field("promotionSkus")
    assert 0 < bundle.null_count() < len(bundle)
    flags = frame["properties_flags"].struct.field("codeUnique")
    assert set(flags) == {True, False, None}
    tags = frame["tags"].explode().drop_nulls().str.to_lowercase()
    assert {"prepaid", "personalized"} <= set(tags)


def test_ids_repeat_with_later_equal_and_absent_times_of_update():
    frame = promotions(SPRING, SMALL.promotions)
    repeats = frame.filter(pl.col("_id").is_duplicated())
    by_id = repeats.group_by("_id").agg("updatedate")["updatedate"].to_list()
    assert any(None in times for times in by_id)
    assert any(len(set(times)) < len(times) for times in by_id)
    assert any(len(set(times) - {None}) > 1 for times in by_id)
    midnight = datetime(2025, 3, 9, tzinfo=UTC)
    assert (frame["updatedate"] < midnight).any()
    assert (frame["updatedate"] > midnight).any()
    assert set(promotions(date(2025, 3, 10), 200)["_id"]) & set(frame["_id"])


def test_a_day_of_several_is_what_it_is_alone(tmp_path: Path):
    several, alone = tmp_path / "several", tmp_path / "alone"
    written = write_inputs(several, TINY, day=PLAIN, days=2)
    write_inputs(alone, TINY, day=PLAIN)
    write_inputs(alone, TINY, day=PLAIN + timedelta(days=1))
    assert [one.day for one in written] == [PLAIN, PLAIN + timedelta(days=1)]
    assert digests_of(several) == digests_of(alone)
    assert sum(one.objects for one in written) == len(objects_of(several))
    assert sum(one.bytes for one in written) == sum(map(len, objects_of(several).values()))


def test_a_day_that_is_written_again_keeps_nothing_but_what_others_put_there(tmp_path: Path):
    again, once = tmp_path / "again", tmp_path / "once"
    write_inputs(again, TINY, seed=1)
    foreign = again / "raw_images" / prefixes(*day_window(SPRING, ZONE))[0] / "delivered.json"
    foreign.write_bytes(b"{}\n")
    write_inputs(again, TINY)
    write_inputs(once, TINY)
    assert foreign.read_bytes() == b"{}\n"
    foreign.unlink()
    assert digests_of(again) == digests_of(once)


def test_the_command_writes_below_the_home_as_much_as_was_asked_for(
    isolated_environment: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = ["--day", "2025-11-02", "--rows", "25", "--promotions", "3", "--seed", "4", "--days", "2"]
    assert main(["dwh", *arguments]) == 0
    bucket = isolated_environment / "storage" / "dwh-data"
    assert len(raw_records(bucket)) == 50
    extracts = [
        pl.read_parquet(io.BytesIO(data)) for key, data in objects_of(bucket).items() if "part-" in key
    ]
    assert sum(extract.height for extract in extracts) == 6
    assert [line[:10] for line in capsys.readouterr().out.splitlines()] == ["2025-11-02", "2025-11-03"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--day", "09/03/2025"], "'09/03/2025' is no date; give it as YYYY-MM-DD"),
        (["--day", "2024-12-31"], "2024-12-31 lies before 2025-01-01, the first day; give a later one"),
        (["--rows", "-1"], "'-1' is not a number; give a whole number from 0 on"),
        (["--size", "huge"], "choose from"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as stopped:
        main(["dwh", *arguments])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "taken").write_text("a file")
    assert main(["dwh", "--rows", "5", "--out", str(tmp_path / "taken")]) == 1
    assert f"{tmp_path / 'taken'}: not written (" in capsys.readouterr().err


@pytest.mark.parametrize("make", [expected, promotions])
def test_negative_numbers_are_refused(make):
    with pytest.raises(ValueError, match=r"-1 .* cannot be made; give numbers from 0 on"):
        make(SPRING, -1)

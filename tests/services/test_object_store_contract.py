"""What every object store promises, in both kinds of directory, on moto's S3 and on the GCS emulator."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from threading import Event
from typing import Any

import dagster as dg
import polars as pl
import pytest

from resources.object_store import (
    FolderObjectStore,
    InvalidKey,
    LocalObjectStore,
    ObjectInfo,
    ObjectNotFound,
    ObjectStore,
    PreconditionFailed,
    ScanSource,
)

BUCKET = "quintet-contract"
MEBIBYTE = 1024 * 1024

VARIANTS = [
    "local",
    "folder",
    pytest.param("s3", marks=pytest.mark.services),
    pytest.param("gcs", marks=pytest.mark.services),
]
REMOTE_VARIANTS = VARIANTS[2:]


@pytest.fixture(params=VARIANTS)
def store(request: pytest.FixtureRequest) -> ObjectStore:
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture
def elsewhere(store: ObjectStore, pool: ProcessPoolExecutor) -> Callable[..., Future[Any]]:
    """Call a method of the store in one of two spawned processes, which serve all tests of this file."""
    return partial(pool.submit, call_in_environment, dict(os.environ))


def call_in_environment(environ: dict[str, str], use: Callable[..., Any], *args: Any, **options: Any) -> Any:
    os.environ.update(environ)
    return use(*args, **options)


def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    found = store.list_keys(BUCKET, prefix)
    assert found == [info.key for info in store.list(BUCKET, prefix)]
    return found


# ---- listing and describing ----


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", ["a.bin", "raw-old/2025-10", "raw/2025-09", "raw/2025-10", "raw/2025-10-extra/x", "raw/b/c/d"]),
        ("raw/", ["raw/2025-09", "raw/2025-10", "raw/2025-10-extra/x", "raw/b/c/d"]),
        ("raw", ["raw-old/2025-10", "raw/2025-09", "raw/2025-10", "raw/2025-10-extra/x", "raw/b/c/d"]),
        ("raw/2025-10", ["raw/2025-10", "raw/2025-10-extra/x"]),
        ("raw/b/c", ["raw/b/c/d"]),
        ("nothing/here/", []),
    ],
)
def test_a_listing_holds_every_key_with_the_prefix_in_order(
    store: ObjectStore, prefix: str, expected: list[str]
) -> None:
    for key in ("raw/b/c/d", "raw/2025-10", "raw-old/2025-10", "a.bin", "raw/2025-10-extra/x", "raw/2025-09"):
        store.put_bytes(BUCKET, key, key.encode())
    assert keys(store, prefix) == expected


def test_an_object_is_described_alike_by_the_write_the_listing_and_head(store: ObjectStore) -> None:
    before = datetime.now(UTC)
    written = store.put_bytes(BUCKET, "raw/a.bin", b"0123456789")
    found = store.head(BUCKET, "raw/a.bin")
    assert found is not None
    assert found == store.list(BUCKET)[0]
    assert (written.bucket, written.key, written.size, written.etag) == (
        (BUCKET, "raw/a.bin", 10, hashlib.md5(b"0123456789").hexdigest())
    )
    assert (found.bucket, found.key, found.size, found.etag) == (BUCKET, "raw/a.bin", 10, written.etag)
    for info in (written, found):
        assert info.modified.tzinfo is UTC
        assert abs(info.modified - before) < timedelta(minutes=1)


def test_what_does_not_exist_has_no_description_and_no_content(store: ObjectStore) -> None:
    store.put_bytes(BUCKET, "raw/a.bin", b"")
    assert store.head(BUCKET, "raw/b.bin") is None
    assert store.head(BUCKET, "raw") is None
    assert store.head(BUCKET, "raw/a.bin/c") is None
    with pytest.raises(ObjectNotFound, match=r"raw/b\.bin does not exist"):
        store.read_bytes(BUCKET, "raw/b.bin")
    with pytest.raises(ObjectNotFound), store.open_read(BUCKET, "raw"):
        pass


@pytest.mark.parametrize("variant", REMOTE_VARIANTS)
def test_a_missing_bucket_is_named(variant: str, request: pytest.FixtureRequest) -> None:
    store: ObjectStore = request.getfixturevalue(f"{variant}_store")
    with pytest.raises(ObjectNotFound, match=r"absent-bucket.*bucket"):
        store.list("absent-bucket")
    with pytest.raises(ObjectNotFound, match=r"absent-bucket.*bucket"):
        store.list_keys("absent-bucket")
    with pytest.raises(ObjectNotFound, match=r"absent-bucket.*bucket"):
        store.put_bytes("absent-bucket", "a", b"")
    store.delete("absent-bucket", "a")


def test_a_bucket_without_objects_is_empty(store: ObjectStore) -> None:
    assert store.list(BUCKET) == []


@pytest.mark.services
def test_a_listing_of_many_pages_is_complete(s3_store: ObjectStore) -> None:
    # S3 pages by 1,000. The GCS emulator never pages, so there the client's own paging stays untested.
    import boto3

    client = boto3.client("s3")
    expected = [f"raw/{number:04d}" for number in range(1_203)]
    for key in reversed(expected):
        client.put_object(Bucket=BUCKET, Key=key, Body=b"")
    assert keys(s3_store, "raw/") == expected


@pytest.mark.services
def test_folder_markers_are_left_out_of_listings(s3_store: ObjectStore) -> None:
    import boto3

    for key in ("raw/", "raw/a", "raw//b"):
        boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"")
    assert keys(s3_store) == ["raw/a"]


@pytest.mark.parametrize(
    "key",
    ["sp ace/ü+%41|b.txt", "what?#not", "x*[y]", "~t", "case-1|beam-2.dcm", "a:b@c&d=e;f,g'h\"i$j", "100%"],
)
def test_unusual_but_legal_keys_are_kept_letter_by_letter(store: ObjectStore, key: str) -> None:
    store.put_bytes(BUCKET, key, key.encode())
    assert keys(store) == [key]
    assert store.read_bytes(BUCKET, key) == key.encode()
    store.delete(BUCKET, key)
    assert keys(store) == []


# ---- reading ----


@pytest.mark.parametrize("size", [0, 1, 5 * MEBIBYTE, 20 * MEBIBYTE + 3])
def test_a_streamed_read_gives_the_written_bytes(store: ObjectStore, size: int) -> None:
    content = os.urandom(size)
    with store.open_write(BUCKET, "big.bin") as file:
        for start in range(0, size, 700_001):
            file.write(content[start : start + 700_001])
    with store.open_read(BUCKET, "big.bin") as file:
        assert b"".join(iter(lambda: file.read(999_999), b"")) == content
    assert store.read_bytes(BUCKET, "big.bin") == content


def test_a_read_object_can_be_searched_like_a_file(store: ObjectStore) -> None:
    with store.open_write(BUCKET, "a.zip") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("inner.txt", "hello")
    with store.open_read(BUCKET, "a.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("inner.txt") == b"hello"


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 4, b"PAR1"),
        (4, 3, b"012"),
        (-4, 4, b"1RAP"),
        (-8, 4, b"6789"),
        (-99, 5, b"PAR10"),
        (0, 99, b"PAR101234567891RAP"),
        (17, 5, b"P"),
        (18, 5, b""),
        (99, 1, b""),
        (3, 0, b""),
    ],
)
def test_a_range_counts_from_either_end(store: ObjectStore, start: int, length: int, expected: bytes) -> None:
    store.put_bytes(BUCKET, "a.parquet", b"PAR101234567891RAP")
    assert store.read_range(BUCKET, "a.parquet", start, length) == expected


def test_a_range_of_negative_length_is_refused(store: ObjectStore) -> None:
    store.put_bytes(BUCKET, "a", b"abc")
    with pytest.raises(ValueError, match="-1 bytes"):
        store.read_range(BUCKET, "a", 0, -1)


def test_a_range_of_an_absent_object_is_not_found(store: ObjectStore) -> None:
    with pytest.raises(ObjectNotFound):
        store.read_range(BUCKET, "absent", 0, 1)


def test_a_reader_never_sees_two_versions(store: ObjectStore) -> None:
    old, new = b"o" * (20 * MEBIBYTE), b"n" * (20 * MEBIBYTE)
    store.put_bytes(BUCKET, "a", old)
    with store.open_read(BUCKET, "a") as file:
        seen = file.read(MEBIBYTE)
        store.put_bytes(BUCKET, "a", new)
        if isinstance(store, LocalObjectStore | FolderObjectStore):
            assert seen + file.read() == old
        else:
            with pytest.raises(PreconditionFailed, match="replaced by another writer"):
                file.read()
    assert store.read_bytes(BUCKET, "a") == new


def test_readers_during_overwrites_see_whole_objects(store: ObjectStore) -> None:
    versions = [bytes([letter]) * (MEBIBYTE + letter) for letter in range(8)]
    store.put_bytes(BUCKET, "a", versions[0])
    stop = Event()

    def overwrite() -> int:
        count = 0
        while not stop.is_set():
            store.put_bytes(BUCKET, "a", versions[count % len(versions)])
            count += 1
        return count

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(overwrite)
        try:
            for _ in range(60):
                try:
                    assert store.read_bytes(BUCKET, "a") in versions
                except PreconditionFailed:  # Replaced between the look at its size and the read.
                    continue
        finally:
            stop.set()
        assert writing.result() > 0


# ---- writing ----


@pytest.mark.parametrize("earlier", [None, b"earlier"])
def test_an_exception_while_writing_leaves_what_was_there(store: ObjectStore, earlier: bytes | None) -> None:
    if earlier is not None:
        store.put_bytes(BUCKET, "a", earlier)

    def fail_half_way() -> None:
        with store.open_write(BUCKET, "a") as file:
            file.write(b"half" * MEBIBYTE)
            file.flush()
            assert keys(store) == ([] if earlier is None else ["a"])
            raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        fail_half_way()
    assert [store.read_bytes(BUCKET, key) for key in keys(store)] == ([] if earlier is None else [earlier])


def test_a_file_that_its_writer_closed_is_published(store: ObjectStore) -> None:
    with store.open_write(BUCKET, "a") as file:
        file.write(b"closed by the library that wrote it")
        file.close()
    assert store.read_bytes(BUCKET, "a") == b"closed by the library that wrote it"


def test_a_write_replaces_content_size_and_etag(store: ObjectStore) -> None:
    first = store.put_bytes(BUCKET, "a", b"a long first version")
    second = store.put_bytes(BUCKET, "a", b"short")
    assert first.etag != second.etag
    found = store.head(BUCKET, "a")
    assert found is not None
    assert (found.size, found.etag) == (5, second.etag)


def test_deleting_is_done_once_and_may_be_asked_twice(store: ObjectStore) -> None:
    store.put_bytes(BUCKET, "a/b/c", b"")
    store.put_bytes(BUCKET, "a/b/d", b"")
    store.delete(BUCKET, "a/b/c")
    store.delete(BUCKET, "a/b/c")
    store.delete(BUCKET, "a/b")
    assert keys(store) == ["a/b/d"]


@pytest.mark.parametrize("size", [0, 11, 9 * MEBIBYTE])
def test_the_etag_is_the_md5_of_the_content_in_every_store(store: ObjectStore, size: int) -> None:
    # Published files carry the etag of their input, and must be the same bytes wherever they are made. The
    # clients' own uploads would go in parts from 8 MiB on, and have other etags.
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    written = store.put_bytes(BUCKET, "a", content)
    found = store.head(BUCKET, "a")
    assert found is not None
    assert written.etag == found.etag == hashlib.md5(content).hexdigest()


# ---- conditional writing ----


def test_if_absent_writes_once(store: ObjectStore) -> None:
    store.put_bytes(BUCKET, "a", b"first", if_absent=True)
    with pytest.raises(PreconditionFailed, match="exists already"):
        store.put_bytes(BUCKET, "a", b"second", if_absent=True)
    assert store.read_bytes(BUCKET, "a") == b"first"
    store.delete(BUCKET, "a")
    store.put_bytes(BUCKET, "a", b"third", if_absent=True)
    assert store.read_bytes(BUCKET, "a") == b"third"


def test_if_match_replaces_the_version_it_names_only(store: ObjectStore) -> None:
    first = store.put_bytes(BUCKET, "a", b"first")
    with store.open_write(BUCKET, "a", if_match=first.etag) as file:
        file.write(b"second")
    with (
        pytest.raises(PreconditionFailed, match=first.etag),
        store.open_write(BUCKET, "a", if_match=first.etag) as file,
    ):
        file.write(b"third")
    assert store.read_bytes(BUCKET, "a") == b"second"


def test_if_match_does_not_bring_back_a_deleted_object(store: ObjectStore) -> None:
    first = store.put_bytes(BUCKET, "a", b"first")
    store.delete(BUCKET, "a")
    with pytest.raises(PreconditionFailed, match=first.etag):
        store.put_bytes(BUCKET, "a", b"second", if_match=first.etag)
    assert keys(store) == []


def test_two_conditions_at_once_are_a_mistake(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="if_absent and if_match"):
        store.put_bytes(BUCKET, "a", b"", if_absent=True, if_match="d41d8cd98f00b204e9800998ecf8427e")
    assert keys(store) == []


def test_of_many_processes_that_create_one_object_exactly_one_succeeds(
    store: ObjectStore, elsewhere: Callable[..., Future[Any]]
) -> None:
    for number in range(5):
        key = f"lease/{number}"
        contents = [f"writer {writer}".encode() for writer in range(6)]
        attempts = [elsewhere(store.put_bytes, BUCKET, key, content, if_absent=True) for content in contents]
        errors = [attempt.exception() for attempt in attempts]
        (winner,) = [content for content, error in zip(contents, errors, strict=True) if error is None]
        assert store.read_bytes(BUCKET, key) == winner
        assert sum(isinstance(error, PreconditionFailed) for error in errors) == len(contents) - 1


def test_no_increment_is_lost_between_processes(
    store: ObjectStore, elsewhere: Callable[..., Future[Any]]
) -> None:
    store.put_bytes(BUCKET, "counter", b"0")

    def increment() -> None:
        while True:
            before = store.head(BUCKET, "counter")
            assert before is not None
            try:
                count = int(store.read_bytes(BUCKET, "counter"))
                written = elsewhere(
                    store.put_bytes, BUCKET, "counter", str(count + 1).encode(), if_match=before.etag
                )
                written.result()
            except PreconditionFailed:
                continue
            return

    with ThreadPoolExecutor(4) as pool:
        for finished in [pool.submit(increment) for _ in range(12)]:
            finished.result()
    assert store.read_bytes(BUCKET, "counter") == b"12"


# ---- names ----


@pytest.mark.parametrize(
    "key",
    [
        *("", "/etc/passwd", "..", "../a", "a/../../b", "a/./b", ".", "a//b", "a/", "a\\b", "a\0b", "a\nb"),
        *("a\x7f", "\ud800", "a" * 256, "ab/" * 341 + "ab"),
    ],
)
def test_a_key_that_is_no_plain_path_is_refused_everywhere(store: ObjectStore, key: str) -> None:
    for use in (
        lambda: store.head(BUCKET, key),
        lambda: store.read_bytes(BUCKET, key),
        lambda: store.read_range(BUCKET, key, 0, 1),
        lambda: store.put_bytes(BUCKET, key, b""),
        lambda: store.delete(BUCKET, key),
        lambda: store.scan_source(BUCKET, key),
        lambda: store.uri(BUCKET, key),
    ):
        with pytest.raises(InvalidKey, match="is refused"):
            use()
    with pytest.raises(InvalidKey), store.open_write(BUCKET, key):
        pass
    with pytest.raises(InvalidKey), store.open_read(BUCKET, key):
        pass
    assert keys(store) == []


@pytest.mark.parametrize(
    "bucket", ["", ".", "..", "a/b", "ab", ".tmp", ".etags", "Upper", "a..b", "a" * 64, "a\n"]
)
def test_a_bucket_that_no_store_may_have_is_refused(store: ObjectStore, bucket: str) -> None:
    with pytest.raises(InvalidKey, match="Bucket"):
        store.list(bucket)
    with pytest.raises(InvalidKey, match="Bucket"):
        store.list_keys(bucket)
    with pytest.raises(InvalidKey, match="Bucket"):
        store.put_bytes(bucket, "a", b"")


@pytest.mark.parametrize("prefix", ["/", "/raw", "..", "../", "raw/../", "raw//", "raw\\", "raw\0"])
def test_a_prefix_that_no_key_begins_with_is_refused(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(InvalidKey, match="Prefix"):
        store.list(BUCKET, prefix)
    with pytest.raises(InvalidKey, match="Prefix"):
        store.list_keys(BUCKET, prefix)


# ---- elsewhere ----


SCAN = """
import json, sys
import polars as pl
scan = pl.scan_parquet(sys.argv[1], storage_options=json.loads(sys.argv[2]), glob=False)
print(json.dumps(scan.filter(pl.col("rows") > 1).collect().to_dicts()))
"""


def test_polars_scans_an_object_where_it_lies(store: ObjectStore) -> None:
    frame = pl.DataFrame({"month": ["2025-09", "2025-10"], "rows": [1, 2]})
    with store.open_write(BUCKET, "monthly tables/2025-10 [a]+b.parquet") as file:
        frame.write_parquet(file)
    source = store.scan_source(BUCKET, "monthly tables/2025-10 [a]+b.parquet")
    # In a process of its own: the clients of Polars and their threads live as long as the process does.
    scanned = subprocess.run(
        [sys.executable, "-c", SCAN, source.uri, json.dumps(source.storage_options)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert scanned.returncode == 0, scanned.stderr
    assert json.loads(scanned.stdout) == [{"month": "2025-10", "rows": 2}]


def test_a_scan_source_holds_no_credential(store: ObjectStore) -> None:
    assert "testing" not in repr(store.scan_source(BUCKET, "a.parquet"))


def test_a_store_works_in_a_spawned_process(
    store: ObjectStore, elsewhere: Callable[..., Future[Any]]
) -> None:
    store.put_bytes(BUCKET, "a", b"from here")
    assert store.list(BUCKET)  # Its client is open, and stays here.
    assert elsewhere(store.read_bytes, BUCKET, "a").result() == b"from here"
    written = elsewhere(store.put_bytes, BUCKET, "b", b"from there").result()
    assert isinstance(written, ObjectInfo)
    assert isinstance(elsewhere(store.scan_source, BUCKET, "a").result(), ScanSource)
    assert store.read_bytes(BUCKET, "b") == b"from there"


def test_an_error_keeps_its_sentence_on_the_way_from_a_spawned_process(
    store: ObjectStore, elsewhere: Callable[..., Future[Any]]
) -> None:
    with pytest.raises(ObjectNotFound, match="absent does not exist"):
        elsewhere(store.read_bytes, BUCKET, "absent").result()


def test_a_store_works_as_a_resource_of_a_run(store: ObjectStore) -> None:
    @dg.asset
    def greeting(object_store: ObjectStore) -> None:
        object_store.put_bytes(BUCKET, "greeting", b"hello")

    result = dg.materialize(
        [greeting], resources={"object_store": store}, instance=dg.DagsterInstance.ephemeral()
    )
    assert result.success
    assert store.read_bytes(BUCKET, "greeting") == b"hello"

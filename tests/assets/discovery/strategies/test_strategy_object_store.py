"""Objects of a bucket, on the local store itself."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.discovery.strategies.object_store import ObjectStore
from assets.failures import PermanentFailure, TransientFailure
from resources.object_store.local import LocalObjectStore
from tests.assets.discovery.strategies.source_worlds import Source, assert_a_second_read_changes_nothing


@pytest.fixture
def store(tmp_path):
    return LocalObjectStore(root=str(tmp_path / "storage"))


def bucket(store, **params) -> Source:
    return Source(ObjectStore(), {"bucket": "inbox"} | params, store=store)


def fill(store, prefix: str, count: int) -> None:
    """Many objects, as a bucket that was synchronised to the disk: one by one they cost 5 ms."""
    folder = Path(store.root) / "inbox" / prefix
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:04}").write_bytes(b"x")


def put(store, *keys: str, content: bytes = b"x") -> None:
    for key in keys:
        store.put_bytes("inbox", key, content)


def test_1001_objects_are_two_pages_of_one_complete_listing(store):
    fill(store, "in", 1001)
    source = bucket(store, prefix="in/")
    read = source.read()
    assert len(read.keys) == 1001
    assert (read.keys[0], read.keys[-1]) == ("inbox/in/0000", "inbox/in/1000")
    assert (read.marks[-1].page, read.is_complete) == (2, True)
    assert_a_second_read_changes_nothing(source)


def test_keys_come_in_the_order_of_their_utf_8_bytes_and_the_suffix_chooses(store):
    put(store, "é.csv", "z.csv", "Z.csv", "\U0001f600.csv", "\uff5e.csv", "a.txt")
    keys = bucket(store, suffix=".csv").read().keys
    assert keys == ["inbox/Z.csv", "inbox/z.csv", "inbox/é.csv", "inbox/\uff5e.csv", "inbox/\U0001f600.csv"]


def test_a_replaced_object_has_changed(store):
    put(store, "a")
    source = bucket(store)
    (before,) = source.read().candidates
    put(store, "a", content=b"y")
    (after,) = source.read().candidates
    assert after.key == before.key
    assert after.content_hash != before.content_hash == before.data["etag"]


def test_with_growing_keys_only_later_ones_are_read_and_nothing_is_complete(store):
    put(store, "1", "2")
    source = bucket(store, monotonic=True)
    assert source.read().keys == ["inbox/1", "inbox/2"]
    assert source.cursor == {"key": "2"}
    put(store, "3", "10")
    read = source.read()
    assert (read.keys, read.is_complete) == (["inbox/3"], False)
    assert_a_second_read_changes_nothing(source)


def test_with_growing_keys_a_page_cap_and_a_limit_leave_the_rest_for_the_next_time(store):
    fill(store, "", 1005)
    source = bucket(store, monotonic=True)
    source.max_pages = 1
    assert len(source.read().keys) == 1000
    assert [source.read(limit=3).keys for _ in range(2)] == [
        ["inbox/1000", "inbox/1001", "inbox/1002"],
        ["inbox/1003", "inbox/1004"],
    ]


def test_a_listing_without_a_cursor_goes_past_the_page_cap_for_nothing_else_would_find_the_rest(store):
    fill(store, "", 1001)
    source = bucket(store)
    source.max_pages = 1
    assert len(source.read().keys) == 1001


@settings(max_examples=30)  # Each example writes six objects, and waits until they are on the disk.
@given(crashes=st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=5))
def test_a_crash_anywhere_repeats_and_never_skips(tmp_path_factory, crashes):
    store = LocalObjectStore(root=str(tmp_path_factory.mktemp("storage")))
    put(store, *"abcdef")
    source = bucket(store, monotonic=True)
    for crash_after, is_limited in crashes:
        source.read(crash_after=crash_after, limit=100 if is_limited else None)
    source.read()
    assert set(source.known) == {f"inbox/{key}" for key in "abcdef"}


class FailingStore:
    """A store whose listing fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def list(self, bucket: str, prefix: str = ""):
        raise self._error


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (FileNotFoundError("no such bucket."), PermanentFailure),
        (PermissionError("refused."), PermanentFailure),
        (ValueError("the name is none."), PermanentFailure),
        (ConnectionError("down."), TransientFailure),
    ],
)
def test_a_store_that_refuses_or_is_away_fails_and_names_the_bucket(error, failure):
    with pytest.raises(failure, match="inbox"):
        bucket(FailingStore(error)).read()

"""Listing the raw objects of a window: how many calls it takes, what is no data, and what is an error."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.days import prefix_of, prefix_starts
from assets.dwh.frames.raw_lines import RawObject
from assets.dwh.intervals import Interval
from assets.dwh.paths import Location, RawImages
from assets.dwh.stages.raw_objects import list_raw
from resources.object_store import AccessRefused, LocalObjectStore
from tests.assets.dwh.transform_runs import MIDNIGHT, hours

RAW = RawImages(Location("dwh-data", "raw_images"))
UTC_DAY = datetime(2025, 1, 15, tzinfo=UTC)

LISTED: list[str] = []


class CountingStore(LocalObjectStore):
    def _list_keys(self, bucket, prefix):
        LISTED.append(prefix)
        return super()._list_keys(bucket, prefix)


class ListedStore(LocalObjectStore):
    """A store of which only the keys are known."""

    known: list[str]

    def _list_keys(self, bucket, prefix):
        return [key for key in self.known if key.startswith(prefix)]


class RefusingStore(LocalObjectStore):
    def _list_keys(self, bucket, prefix):
        raise AccessRefused(f"{prefix} may not be listed")


@pytest.fixture
def store(tmp_path):
    LISTED.clear()
    return CountingStore(root=str(tmp_path))


def put(store, instant, name="images.json"):
    key = f"raw_images/{prefix_of(instant)}/{name}"
    store.put_bytes("dwh-data", key, b"x")
    return key


@pytest.mark.parametrize(
    ("window", "calls"),
    [
        (hours(0, 24), 24),
        (Interval(start=UTC_DAY, end=UTC_DAY + timedelta(days=1)), 1),
        (Interval(start=UTC_DAY - timedelta(minutes=5), end=UTC_DAY + timedelta(days=1, minutes=1)), 3),
        (hours(0.5, 0.6), 1),
        (hours(1, 1), 0),
    ],
    ids=["local day", "UTC day", "and a bit", "two prefixes", "nothing"],
)
def test_a_listing_is_made_for_an_hour_or_a_whole_day(store, window, calls):
    list_raw(store, RAW, window, 5)
    assert len(LISTED) == calls


def test_objects_come_by_prefix_and_then_by_key(store):
    later = put(store, MIDNIGHT + timedelta(minutes=5))
    second = put(store, MIDNIGHT, "b.json.gz")
    first = put(store, MIDNIGHT, "a.json")
    put(store, MIDNIGHT + timedelta(hours=1))
    put(store, MIDNIGHT - timedelta(minutes=5))
    listing = list_raw(store, RAW, hours(0, 1), 5)
    assert listing.objects == (
        RawObject("dwh-data", first, MIDNIGHT),
        RawObject("dwh-data", second, MIDNIGHT),
        RawObject("dwh-data", later, MIDNIGHT + timedelta(minutes=5)),
    )
    assert (listing.prefixes, len(listing.empty), listing.outside) == (12, 10, ())


def test_a_window_begins_with_the_prefix_that_holds_its_start(store):
    put(store, MIDNIGHT)
    window = Interval(start=MIDNIGHT + timedelta(minutes=4), end=MIDNIGHT + timedelta(minutes=5))
    assert [found.begins for found in list_raw(store, RAW, window, 5).objects] == [MIDNIGHT]


def test_a_store_that_refuses_is_no_empty_prefix(tmp_path):
    with pytest.raises(AccessRefused):
        list_raw(RefusingStore(root=str(tmp_path)), RAW, hours(0, 1), 5)


def test_the_raw_images_may_be_a_whole_bucket(store):
    store.put_bytes("bucket", f"{prefix_of(MIDNIGHT)}/a.json", b"x")
    listing = list_raw(store, RawImages(Location("bucket", "")), hours(0, 1), 5)
    assert [found.key for found in listing.objects] == [f"{prefix_of(MIDNIGHT)}/a.json"]


@given(
    filled=st.sets(st.integers(0, 600)),
    start=st.integers(0, 600),
    length=st.integers(0, 400),
    interval=st.sampled_from([5, 10, 60]),
)
def test_every_prefix_is_either_read_or_empty(filled, start, length, interval):
    instants = {UTC_DAY + timedelta(minutes=5 * minute) for minute in filled}
    store = ListedStore(root="", known=[f"raw_images/{prefix_of(instant)}/a.json" for instant in instants])
    begin = UTC_DAY + timedelta(minutes=5 * start)
    window = Interval(start=begin, end=begin + timedelta(minutes=5 * length))
    listing = list_raw(store, RAW, window, interval)
    starts = list(prefix_starts(window.start, window.end, interval))
    found = [entry.begins for entry in listing.objects]
    assert sorted([*found, *listing.empty]) == starts
    assert set(found) == set(starts) & instants

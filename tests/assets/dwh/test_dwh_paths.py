"""Locations and folders: the worked example D9, every folder of the bucket, spellings that are one place."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.paths import (
    FilteredImages,
    Location,
    RawImages,
    RawPromotions,
    TransformedImages,
    is_data,
)

PACIFIC = "America/Los_Angeles"
DAY = date(2025, 1, 15)
RUN = "filter-20250115T080000Z-abc123"
BUCKET = Location.parse("s3://dwh-data")
FILTERED = FilteredImages(BUCKET / "filtered_images", PACIFIC)
TRANSFORMED = TransformedImages(BUCKET / "transformed_images", PACIFIC)
DATE = "year=2025/month=01/day=15"

NAMES = st.text(alphabet="ab=_-. ", min_size=1, max_size=4).filter(lambda name: name not in {".", ".."})
KEYS = st.lists(NAMES, max_size=4).map("/".join)
LOCATIONS = st.builds(Location, st.sampled_from(["b", "dwh-data"]), KEYS)


def test_a_run_directory_of_a_base_with_a_slash_at_its_end():
    filtered = FilteredImages(Location.parse("s3://b/filtered_images/"), PACIFIC)
    assert filtered.rows(DAY, RUN).uri("s3") == f"s3://b/filtered_images/pacific/{DATE}/{RUN}"


@pytest.mark.parametrize(
    ("location", "key"),
    [
        (
            RawImages(BUCKET / "raw_images").prefix(f"{DATE}/hour=08/min=05"),
            f"raw_images/{DATE}/hour=08/min=05",
        ),
        (TRANSFORMED.rows("nautilus", DAY, "r"), f"transformed_images/nautilus/pacific/{DATE}/r"),
        (TRANSFORMED.dropped(DAY, "r"), f"transformed_images/_dropped/pacific/{DATE}/r"),
        (TRANSFORMED.manifests(DAY), f"transformed_images/_manifests/pacific/{DATE}"),
        (TRANSFORMED.manifest(DAY, "r"), f"transformed_images/_manifests/pacific/{DATE}/manifest-r.json"),
        (TRANSFORMED.late_pointers(DAY), f"transformed_images/_late/pacific/{DATE}"),
        (TRANSFORMED.late_pointer(DAY, "r"), f"transformed_images/_late/pacific/{DATE}/r.json"),
        (FILTERED.rows(DAY, "r"), f"filtered_images/pacific/{DATE}/r"),
        (FILTERED.quarantine(DAY, "r"), f"filtered_images/pacific/{DATE}/_quarantine/r"),
        (FILTERED.adopted_inputs(DAY), f"filtered_images/pacific/{DATE}/_inputs"),
        (FILTERED.adopted_input(DAY, "r"), f"filtered_images/pacific/{DATE}/_inputs/r.json"),
        (FILTERED.manifests(DAY), f"filtered_images/pacific/{DATE}/_manifests"),
        (FILTERED.manifest(DAY, "r"), f"filtered_images/pacific/{DATE}/_manifests/manifest-r.json"),
        (FILTERED.pointer(DAY), f"filtered_images/pacific/{DATE}/_manifests/latest.json"),
        (FILTERED.latest(DAY), f"filtered_images/pacific/{DATE}/latest"),
        (RawPromotions(BUCKET / "promotions_raw").extract(DAY), "promotions_raw/ptn_ingress_date=2025-01-15"),
    ],
)
def test_every_folder_of_the_bucket(location, key):
    assert location == Location("dwh-data", key)


def test_another_zone_has_its_own_folder():
    london = FilteredImages(BUCKET / "filtered_images", "Europe/London")
    assert london.rows(DAY, "r").key == f"filtered_images/europe-london/{DATE}/r"


@pytest.mark.parametrize(
    ("base", "sibling"),
    [
        ("s3://b/filtered_images", "s3://b/transformed_images"),
        ("s3a://b/x/y/filtered/", "s3://b/x/y/transformed_images"),
    ],
)
def test_the_inputs_lie_beside_the_base(base, sibling):
    inputs = FilteredImages(Location.parse(base), PACIFIC).transformed_images()
    assert inputs == TransformedImages(Location.parse(sibling), PACIFIC)


def test_a_base_without_a_place_beside_it_is_refused():
    with pytest.raises(ValueError, match="s3://b is a whole bucket, which leaves no place for transformed"):
        FilteredImages(Location.parse("s3://b/"), PACIFIC).transformed_images()


@pytest.mark.parametrize("run_id", ["../other", "a/b", "", "_x"])
def test_no_run_id_leads_out_of_its_folder(run_id):
    for place in (FILTERED.rows, FILTERED.manifest, FILTERED.adopted_input, TRANSFORMED.late_pointer):
        with pytest.raises(ValueError, match="Run id"):
            place(DAY, run_id)


@pytest.mark.parametrize("uri", ["s3://b/x/y", "s3a://b/x/y", "gs://b/x/y", "s3://b/x/y/", "gs://b/x/y///"])
def test_schemes_and_slashes_at_the_end_make_no_other_place(uri):
    assert Location.parse(uri) == Location("b", "x/y")


@pytest.mark.parametrize("uri", ["s3://b", "s3a://b/", "gs://b//"])
def test_a_bucket_is_a_place_too(uri):
    assert Location.parse(uri) == Location("b", "")
    assert Location.parse(uri).uri("gs") == "gs://b"


@pytest.mark.parametrize(
    "uri",
    ["", "x/y", "/x/y", "file:///x", "http://b/x", "S3://b/x", "s3:/b/x", "s3://", "s3:///x", " s3://b/x"],
)
def test_an_address_outside_of_buckets_is_refused_and_named(uri):
    with pytest.raises(ValueError, match="is no address in a bucket; write s3://bucket/key") as refused:
        Location.parse(uri)
    assert repr(uri) in str(refused.value)


@pytest.mark.parametrize("uri", ["s3://b/x//y", "s3://b//x", "s3://b/../y", "s3://b/x/./y", "s3://b/.."])
def test_a_path_that_could_mean_two_places_is_refused(uri):
    with pytest.raises(ValueError, match=r"has an empty, '\.' or '\.\.' component"):
        Location.parse(uri)


@given(LOCATIONS, st.sampled_from(["s3", "gs"]), st.sampled_from(["", "/", "//"]))
def test_what_is_written_is_read_as_the_same_place(location, scheme, slashes):
    assert Location.parse(location.uri(scheme) + slashes) == location


@given(LOCATIONS, NAMES)
def test_what_lies_in_a_folder_has_the_folder_as_its_parent(folder, name):
    inside = folder / name
    assert (inside.parent, inside.name) == (folder, name)
    assert inside.lies_in(folder)
    assert not folder.lies_in(inside)
    assert folder.lies_in(folder)


def test_a_name_that_only_begins_alike_lies_beside():
    assert not Location.parse("s3://b/run-10").lies_in(Location.parse("s3://b/run-1"))
    assert not Location.parse("s3://c/x/y").lies_in(Location.parse("s3://b/x"))


@given(LOCATIONS, LOCATIONS)
def test_both_lie_in_their_common_folder_and_in_none_below(one, other):
    if one.bucket != other.bucket:
        with pytest.raises(ValueError, match="have no folder in common"):
            one.common_folder(other)
        return
    folder = one.common_folder(other)
    assert one.lies_in(folder)
    assert other.lies_in(folder)
    deeper = one
    while deeper not in (folder, deeper.parent):
        assert not other.lies_in(deeper)
        deeper = deeper.parent


@pytest.mark.parametrize(
    ("key", "holds_rows"),
    [
        ("x/part-0", True),
        ("part-0.snappy.parquet", True),
        ("_dropped/part-0", True),
        ("x/latest/part-0", True),
        ("x/_SUCCESS", False),
        ("x/.part-0.crc", False),
        ("_SUCCESS", False),
        ("x/min=05/", False),
        ("", False),
    ],
)
def test_only_the_last_part_of_a_name_says_whether_it_is_data(key, holds_rows):
    assert is_data(key) is holds_rows

"""Keys, digests and partition names: what is one thing, and that no thing is lost for its name."""

import json
import re
from decimal import Decimal
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.keys import (
    UnusableKey,
    canonical_json,
    data_key,
    digest,
    idempotency_key,
    joined_key,
    key_text,
    partition_key,
    revised_key,
    storable_key,
    text_key,
)

DYNAMIC_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("7", "7"),
        (7, "7"),
        (7.0, "7"),
        (Decimal("7.00"), "7"),
        (0.5, "0.5"),
        (" tag:x,1\n", "tag:x,1"),
        ("e\u0301", "e\u0301"),
        (True, "true"),
        (None, ""),
        ("  ", ""),
        (10**30, "1" + "0" * 30),
    ],
)
def test_a_key_is_text_without_white_space_around_it(value, text):
    assert key_text(value) == text


@pytest.mark.parametrize("value", [[1], {"a": 1}, float("nan"), float("inf"), Decimal("NaN"), b"x"])
def test_what_is_no_text_and_no_number_is_no_key(value):
    with pytest.raises(UnusableKey, match="no text and no number"):
        key_text(value)


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u2003"])
def test_a_blank_key_is_refused(text):
    with pytest.raises(UnusableKey, match="its key is empty"):
        storable_key(text)


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("x" * 300, "raw:0d4e2ca9e9cbced7"),
        ("x" * 201, f"raw:{sha256(b'x' * 201).hexdigest()[:16]}"),
        ("a\x00b", f"raw:{sha256(bytes([97, 0, 98])).hexdigest()[:16]}"),
        ("a\nb", f"raw:{sha256(b'a' + bytes([10]) + b'b').hexdigest()[:16]}"),
        ("a\x7fb", f"raw:{sha256(bytes([97, 127, 98])).hexdigest()[:16]}"),
    ],
)
def test_a_key_that_is_too_long_or_has_control_characters_is_replaced_and_kept_in_the_data(raw, key):
    assert storable_key(raw) == (key, raw)


@pytest.mark.parametrize("text", ["x" * 200, "../../etc/passwd", "a b", "日本", "\u200b"])
def test_any_other_key_is_stored_as_it_is(text):
    assert storable_key(f" {text} ") == (text, None)


@pytest.mark.parametrize(
    ("key", "partition"),
    [
        ("tag:x,1", "tag-x-1-2557a38cd5008bb5"),
        ("../../etc/passwd", "etc-passwd-3754d6cb3a38e118"),
        ("日本", f"k-{sha256('日本'.encode()).hexdigest()[:16]}"),
        ("Crème Brûlée", f"creme-brulee-{sha256('Crème Brûlée'.encode()).hexdigest()[:16]}"),
        ("a" * 39 + "--b", f"{'a' * 39}-{sha256(b'a' * 39 + b'--b').hexdigest()[:16]}"),
    ],
)
def test_a_partition_is_a_readable_part_and_a_hash_of_the_stored_key(key, partition):
    assert partition_key(key) == partition


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (data_key({"title": "x", "id": 7}), "data:08b7180481311dfa"),
        (text_key("Weekly note", "2026-03-01T09:00:00Z"), "text:fe373ecaf2cb0587"),
        (text_key("Untitled", ""), "text:000f1de25cdace81"),
        (revised_key("k", 2), "k@r2"),
        (joined_key(["a", 7, None]), "a|7|"),
        (joined_key([None, " "]), ""),
    ],
)
def test_derived_keys_are_the_documented_ones(key, expected):
    assert key == expected


def test_the_later_edition_of_a_long_key_still_fits_and_differs_from_the_next():
    second, third = revised_key("x" * 200, 2), revised_key("x" * 200, 3)
    assert max(len(second), len(third)) <= 200
    assert second != third


def test_the_idempotency_key_is_the_digest_of_four_lines():
    assert idempotency_key("job", "k", "fetch", 2) == sha256(b"job\nk\nfetch\n2").hexdigest()


def test_canonical_json_is_sorted_dense_and_not_escaped():
    assert canonical_json({"b": [1, None], "a": "é"}) == '{"a":"é","b":[1,null]}'
    assert digest({"a": 1}) == sha256(b'{"a":1}').hexdigest()


@pytest.mark.parametrize("value", [float("nan"), {"a": float("inf")}, {"a": b"x"}, {1: 1, "a": 2}])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(ValueError, match=r"JSON|Out of range"):
        canonical_json(value)


@given(JSON)
def test_canonical_json_keeps_the_value_and_is_its_own_canonical_form(value):
    again = json.loads(canonical_json(value))
    assert again == value
    assert canonical_json(again) == canonical_json(value)


@given(st.text(st.characters(), max_size=250))
def test_every_key_that_is_not_blank_can_be_stored_and_has_a_valid_partition(raw):
    try:
        key, replaced = storable_key(raw)
    except UnusableKey:
        assert not raw.strip()
        return
    assert 1 <= len(key) <= 200
    key.encode("utf-8")
    assert storable_key(key) == (key, None)
    assert replaced in (None, raw.strip())
    assert DYNAMIC_KEY.fullmatch(partition_key(key))
    assert len(partition_key(key)) <= 57


@given(st.lists(st.text(max_size=6) | st.text("x\x00", min_size=195, max_size=205), max_size=20))
def test_different_keys_stay_different_and_so_do_their_partitions(raws):
    distinct = {raw.strip() for raw in raws if raw.strip()}
    stored = {storable_key(raw)[0] for raw in distinct}
    assert len(stored) == len(distinct)
    assert len({partition_key(key) for key in stored}) == len(stored)

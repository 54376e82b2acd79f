"""Which names are accepted, as properties. The refusals, one by one, are in the contract of the stores."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.object_store import InvalidKey
from resources.object_store.names import check_key, check_prefix, is_key


@given(st.text(alphabet="ab./\\\0\n%é", max_size=12))
def test_an_accepted_key_stays_below_its_bucket_and_is_its_own_normal_form(key: str) -> None:
    if is_key(key):
        path = PurePosixPath("/bucket") / key
        assert str(path) == f"/bucket/{key}"
        assert ".." not in path.parts
        assert not set(key) & set("\\\0\n")
    else:
        with pytest.raises(InvalidKey):
            check_key(key)


@given(st.text(alphabet="ab./", min_size=1, max_size=8), st.integers(0, 8))
def test_every_beginning_of_a_key_up_to_a_whole_letter_is_a_prefix(key: str, length: int) -> None:
    # A beginning that ends with a dot, such as 'a/.', may be that of 'a/.b' and is refused all the same.
    beginning = key[:length]
    if is_key(key) and not beginning.endswith("."):
        check_prefix(beginning)


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("", "is empty"),
        ("/a", "is absolute"),
        ("a/", "ends with a slash"),
        ("a//b", "empty, '.' or '..' component"),
        ("a/../b", "empty, '.' or '..' component"),
        ("a\\b", "a backslash"),
        ("a\0", "a control character"),
        ("\ud800", "broken Unicode"),
        ("é" * 128, "a component longer than 255 bytes"),
        ("ab/" * 341 + "ab", "longer than 1024 bytes"),
    ],
)
def test_a_refusal_names_the_key_the_rule_and_a_remedy(key: str, fault: str) -> None:
    with pytest.raises(InvalidKey) as refusal:
        check_key(key)
    assert repr(key) in str(refusal.value)
    assert fault in str(refusal.value)
    assert "Use a relative path" in str(refusal.value)


@pytest.mark.parametrize("key", ["a", ".hidden", "a.b..c/..d", "é" * 127, "ab/" * 341 + "a"])
def test_keys_at_the_limits_are_accepted(key: str) -> None:
    check_key(key)

"""The size grammar: every alternative, every border, and its stability under its own output."""

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from assets.aim.sizes import SIZE_KEY_SCHEMA, find_core, size_key, size_keys

# Near misses and hits are both common among texts of these characters.
SIZE_LIKE = st.text(alphabet="0123456789 ./\\xXRrFfZzCc_-é ", max_size=24)
DIGIT = "[0-9]"
CORES = st.from_regex(
    r"([0-9]{3} ?[/\\] ?[0-9]{2}|[0-9]{2} ?[/xX] ?([0-9]{1,2}\.[0-9]{2}|[0-9]{3,4})|[0-9]{1,2}\.[0-9]{2}"
    r"|[0-9]{5}) ?[A-Za-z]{0,2}[Rr][Ff]? ?[0-9]{2}[Cc]?",
    fullmatch=True,
)


def canonical_size(text: str) -> str | None:
    core = find_core(text)
    return core.canonical if core else None


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("205 / 55 R 16", "205/55 R16"),
        ("205\t/\u00a055R16", "205/55 R16"),
        ("205\\55\\R16", None),
        ("205/55HR16", "205/55 HR16"),
        ("205/55hzr16", "205/55 HZR16"),
        ("205/55ABCR16", None),
        ("205/55 16", None),
        ("205/55RR16", "205/55 RR16"),
        ("225/40zrf18", "225/40 ZRF18"),
        ("195/70r15c", "195/70 R15C"),
        ("195/70R15 C", "195/70 R15"),
        ("195/70R15CP", None),
        ("195/70R155", None),
        ("195/70R15é", None),
        ("195/70R15_", "195/70 R15"),
        ("31 X 10.50 R15", "31x10.50 R15"),
        ("31\\10.50R15", "31/10.50 R15"),
        ("31x1050R15", "31x1050 R15"),
        ("31x105R15", "31x105 R15"),
        ("31x10R15", None),
        ("9.50R16.5", "9.50 R16"),
        ("10.00R20", "10.00 R20"),
        ("205 55 R16", None),
        ("2055516", None),
    ],
)
def test_the_canonical_text_follows_the_grammar(text, canonical):
    assert canonical_size(text) == canonical


@pytest.mark.parametrize("before", ["1", ".", "/", "\\", "٣"])
def test_a_core_never_follows_a_digit_a_dot_or_a_slash(before):
    assert canonical_size(f"A{before}205/55R16") is None


@pytest.mark.parametrize("before", ["G", "é", " ", "(", "_", "-"])
def test_a_core_may_follow_anything_else(before):
    core = find_core(f"A{before}205/55R16")
    assert core is not None
    assert (core.start, core.canonical) == (2, "205/55 R16")


def test_of_two_cores_the_leftmost_counts():
    assert canonical_size("7.50R16 or 205/55R16") == "7.50 R16"


def test_an_imperial_size_is_never_torn_into_a_narrow_one():
    assert canonical_size("JEEP 31/10.50R15") == "31/10.50 R15"
    assert canonical_size("JEEP 131/10.50R15") is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("205/55R16", ("205", "55", "16")),
        ("195/70R15c", ("195", "70", "15C")),
        ("31x1050R15", ("31", "10.50", "15")),
        ("31/950R15", ("31", "9.50", "15")),
        ("7.50R16", ("7.50", "", "16")),
        ("no size", None),
    ],
)
def test_the_key_has_width_profile_and_rim(text, key):
    assert size_key(text) == key


def test_construction_letters_are_no_part_of_the_key_and_the_rim_is():
    zr18, r18, zr19 = (size_key(text) for text in ("225/40 ZR18", "225/40 R18", "225/40ZR19"))
    assert zr18 == r18 != zr19


@given(SIZE_LIKE | CORES)
def test_a_canonical_text_is_its_own_core_with_the_same_key(text):
    core = find_core(text)
    if core is None:
        return
    again = find_core(core.canonical)
    assert again is not None
    assert (again.start, again.end) == (0, len(core.canonical))
    assert (again.canonical, again.key) == (core.canonical, core.key)


@given(CORES)
def test_every_text_of_the_grammar_is_a_core_whatever_the_case_of_its_letters(text):
    core = find_core(text)
    assert core is not None
    assert (core.start, core.end) == (0, len(text))
    assert {canonical_size(text.upper()), canonical_size(text.lower())} == {core.canonical}


@given(st.lists(st.none() | SIZE_LIKE | CORES | st.text(max_size=8), max_size=8))
def test_keys_of_a_column_are_those_of_its_texts(texts):
    keys = [size_key(text) if text is not None else None for text in texts]
    expected = [(*key, key.text) if key else (None,) * 4 for key in keys]
    assert_frame_equal(
        size_keys(pl.Series("Size", texts, dtype=pl.String)),
        pl.DataFrame(expected, SIZE_KEY_SCHEMA, orient="row"),
    )


@pytest.mark.parametrize(
    "hostile",
    [
        "205" + " " * 200_000 + "X",
        "205/55" + " " * 200_000 + "X",
        "205 " * 50_000,
        "1" * 200_000,
        "31x" * 50_000,
    ],
)
def test_a_long_text_without_a_size_is_searched_to_its_end(hostile):
    assert find_core(hostile) is None
    assert re.match("205/55 R16", canonical_size(hostile + " 205/55R16") or "")

"""YAML whose scalars keep their text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.yaml_text import PlainText, plain_values, read_yaml
from assets.failures import PermanentFailure


def test_every_scalar_keeps_its_text_and_only_a_plain_null_is_none():
    plain = ["NO", "1e3", "07", "1.10", "2026-01-01", "yes", "0x1F", "12:30"]
    assert read_yaml(f"[{', '.join(plain)}]").value == plain
    assert read_yaml("['7', null, ~, '', \"null\"]").value == ["7", None, None, "", "null"]
    assert read_yaml("a:").value == {"a": None}


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("3", 3),
        ("-4", -4),
        ("0.5", 0.5),
        ("true", True),
        ("False", False),
        ("NO", "NO"),
        ("yes", "yes"),
        ("1e3", "1e3"),
        ("07", "07"),
        ("+1", "+1"),
        ("1.10", "1.10"),
        ("1_000", "1_000"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("'3'", "3"),
        ('"true"', "true"),
    ],
)
def test_where_nobody_asks_for_a_type_a_plain_scalar_gets_the_one_that_loses_nothing(scalar, value):
    found = plain_values(read_yaml(f"a: [{scalar}]").value)
    assert found == {"a": [value]}
    assert type(found["a"][0]) is type(value)


@given(st.text("0123456789+-.eE_xinfatrueNO", min_size=1, max_size=8))
def test_no_text_of_a_scalar_is_lost_by_its_type(text):
    value = plain_values(PlainText(text))
    assert text in (str(value), str(value).lower(), str(value).upper())


def test_places_have_lines():
    document = read_yaml("a: 1\nb:\n  - c: 2\n    d: 3\n")
    assert document.line_of(("b", 0, "d")) == 4
    assert document.line_of(("b", 0, "gone", "deeper")) == 3
    assert document.line_of(("nowhere",)) == 1


def test_a_key_that_is_given_twice_is_told_and_the_first_counts():
    document = read_yaml("a: 1\nb: {c: 2, c: 3}\na: 4\n")
    assert document.value == {"a": "1", "b": {"c": "2"}}
    assert document.doubles == [("b", "c"), ("a",)]


def test_anchors_are_followed():
    assert read_yaml("a: &x {n: 1}\nb: *x\n").value == {"a": {"n": "1"}, "b": {"n": "1"}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1\n", "it is no YAML"),
        ("a: &x [*x]\n", "line 1: a value must not contain itself"),
        ("a: 1\n? [b, c]\n: 2\n", "line 2: a key must be a text"),
        ("a: 1\n---\nb: 2\n", "it is no YAML"),
        ("a: *nowhere\n", "it is no YAML"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text, sentence):
    with pytest.raises(PermanentFailure, match=sentence):
        read_yaml(text)


def test_an_empty_document_is_nothing():
    assert read_yaml("# nothing\n").value is None

"""The path rule: what is refused and why, and the normal form of what is accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.aim.paths import relative_path
from assets.failures import PermanentFailure

PATHS = st.text(alphabet="ab./\\ \0:g", max_size=12)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("", "empty"),
        ("  ", "empty"),
        (".", "empty"),
        (" /", "empty"),
        ("./.", "empty"),
        ("/etc/x", "absolute"),
        ("//x", "absolute"),
        ("..", "'..' component"),
        ("../x", "'..' component"),
        ("a/../b", "'..' component"),
        ("a/..", "'..' component"),
        ("gs://bucket/key", "URI"),
        ("s3://bucket/key", "URI"),
        ("file:///etc/x", "URI"),
        ("a\0b", "NUL"),
        ("C:\\x", "backslash"),
        ("a\\..\\b", "backslash"),
    ],
)
def test_a_path_that_leaves_its_root_is_refused_with_the_rule(path, rule):
    with pytest.raises(PermanentFailure) as refused:
        relative_path(path)
    assert rule in str(refused.value)
    assert repr(path) in str(refused.value)


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("a", "a"),
        ("a//b", "a/b"),
        ("./a", "a"),
        ("a/./b/", "a/b"),
        ("report..v2.csv", "report..v2.csv"),
        ("..a/b..", "..a/b.."),
        ("reference/ga4 events.jsonl", "reference/ga4 events.jsonl"),
    ],
)
def test_a_relative_path_is_brought_into_its_normal_form(path, normal):
    assert relative_path(path) == normal


@given(PATHS)
def test_an_accepted_path_has_plain_components_only_and_is_in_normal_form(path):
    try:
        normal = relative_path(path)
    except PermanentFailure:
        return
    assert relative_path(normal) == normal
    assert not {"", ".", ".."} & set(normal.split("/"))
    assert not {"\0", "\\"} & set(normal)

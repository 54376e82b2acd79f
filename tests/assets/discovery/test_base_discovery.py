"""What every strategy shares: candidates get their identity, and what has none is counted."""

from collections.abc import Iterator
from hashlib import sha256

import pytest

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.keys import digest
from assets.discovery.strategies.base import BaseDiscovery


class Listed(BaseDiscovery):
    """Yields what it is given."""

    def __init__(self, *found, **options):
        super().__init__(**options)
        self._found = found

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        yield from self._found


def listed(*found, **options):
    rejected: list[tuple[str, str]] = []
    ask = Ask(params={}, reject=lambda position, reason: rejected.append((position, reason)))
    return list(Listed(*found, **options).discover(ask)), rejected


OBJECT = {"id": 7, "title": "x"}


@pytest.mark.parametrize(
    ("raw", "options", "key"),
    [
        (OBJECT, {"key_field": "id"}, "7"),
        (OBJECT, {}, "data:08b7180481311dfa"),
        ({"id": "7", "title": "x"}, {"key_field": "id"}, "7"),
        ("abc", {}, "abc"),
        (" abc ", {"key_field": "id"}, "abc"),
        (7, {}, "7"),
        ({"url": "https://EXAMPLE.com", "title": "x"}, {}, "url:0f115db062b7c0dd"),
        ({"url": "https://example.com/?utm_source=x"}, {"drop_params": ["utm_*"]}, "url:0f115db062b7c0dd"),
        ({"url": "https://example.com/", "id": 7}, {"key_field": "id"}, "7"),
        (Candidate("own", {"url": "https://example.com/", "id": 7}), {"key_field": "id"}, "own"),
        (Candidate(None, {"a": 1}, url="https://example.com:443/#x"), {}, "url:0f115db062b7c0dd"),
        (Candidate(" tag:x,1 ", {}, url="https://example.com/"), {}, "tag:x,1"),
        ({"url": " ", "id": 7, "title": "x"}, {}, f"data:{digest({'url': ' ', 'id': 7, 'title': 'x'})[:16]}"),
    ],
)
def test_the_key_is_the_own_id_else_the_key_field_else_the_link_else_the_data(raw, options, key):
    assert Listed(**options).normalize(raw).key == key


def test_a_bare_scalar_is_its_key_and_its_value():
    candidate = Listed().normalize("abc")
    assert (candidate.key, candidate.data) == ("abc", {"value": "abc"})
    assert candidate.content_hash == sha256(b'{"value":"abc"}').hexdigest()


def test_text_fields_named_url_and_title_fill_those_two_and_do_not_replace_them():
    data = {"url": "https://a.example/", "title": "  A title "}
    plain = Listed().normalize(data)
    assert (plain.url, plain.title) == ("https://a.example/", "A title")
    own = Listed().normalize(Candidate("k", data, url="https://b.example/", title="Mine"))
    assert (own.url, own.title) == ("https://b.example/", "Mine")
    other = Listed().normalize({"id": 1, "url": 7, "title": ["x"]})
    assert (other.url, other.title) == (None, None)


def test_a_content_hash_that_the_source_gives_stays():
    assert Listed().normalize(Candidate("k", {"a": 1}, content_hash="etag-1")).content_hash == "etag-1"


def test_a_key_that_had_to_be_replaced_is_in_the_data():
    candidate = Listed().normalize(Candidate("x" * 300, {"a": 1}))
    assert candidate.key == "raw:0d4e2ca9e9cbced7"
    assert candidate.data == {"a": 1, "raw_key": "x" * 300}


def test_what_has_no_identity_is_rejected_with_its_position_and_the_others_go_on():
    blank = ["", None, Candidate("  ", {"x": 1}), {"x": 1}, {"id": None}, {"id": [1]}]
    found, rejected = listed("a", *blank, Mark(page=1), {"id": "b"}, key_field="id")
    assert [entry.key if isinstance(entry, Candidate) else entry for entry in found] == [
        "a",
        Mark(page=1),
        "b",
    ]
    assert [position for position, _ in rejected] == [f"item {n}" for n in (2, 3, 4, 5, 6, 7)]
    assert rejected[0][1] == "its key is empty"
    assert rejected[5][1] == "its key is [1], which is no text and no number"


def test_data_that_is_no_json_is_rejected():
    _, rejected = listed(Candidate("k", {"at": b"x"}, content_hash="1"), Candidate("l", {"n": float("nan")}))
    assert [position for position, _ in rejected] == ["item 1", "item 2"]


def test_text_that_utf_8_cannot_hold_does_not_lose_the_item():
    candidate = Listed().normalize({"url": "https://a.example/\ud800", "title": "half \ud83d"})
    assert candidate.title == "half ?"
    assert candidate.url == "https://a.example/?"


def test_reading_is_lazy():
    class Endless(BaseDiscovery):
        def fetch_items(self, ask):
            yield Candidate("a", {})
            raise AssertionError("read too far")

    first = next(Endless().discover(Ask(params={})))
    assert isinstance(first, Candidate)
    assert first.key == "a"


def test_an_entry_with_a_date_stays_as_it_is_but_for_its_identity():
    given = Candidate("k", {"a": 1}, "u", "t", 1_700_000_000_000, "h", 5, deleted=True)
    assert Listed().normalize(given) == given

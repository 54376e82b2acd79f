"""A recording answers in order, for ever, and never from the network."""

import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from resources.http import AnswerRefused, Http, NotRecorded, RecordingBroken, RequestRefused, Web
from resources.http.replay import Replay

URL = "http://site.test/feed"


def canonical(url: str) -> str:
    """Host in lower case, pairs sorted, tokens dropped: enough to see that it is asked."""
    parts = urlsplit(url)
    pairs = sorted(pair for pair in parts.query.split("&") if not pair.startswith("token="))
    return parts._replace(netloc=parts.netloc.lower(), query="&".join(pairs)).geturl()


def recorded(folder: Path, *lines: dict[str, Any]) -> Web:
    (folder / "index.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return Replay(folder, canonical)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a replay asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.fixture(autouse=True)
def bodies(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(name.encode())


def test_lines_of_one_url_are_served_in_order_and_the_last_for_ever(tmp_path: Path):
    lines = ({"url": URL, "file": "one"}, {"url": URL, "file": "two"})
    web = recorded(tmp_path, *lines)
    assert [web.fetch(URL).body for _ in range(4)] == [b"one", b"two", b"two", b"two"]
    assert Replay(tmp_path, canonical).fetch(URL).body == b"one", "a new replay begins anew"


def test_requests_match_by_canonical_url(tmp_path: Path):
    web = recorded(tmp_path, {"url": "http://site.test/feed?b=2&a=1", "file": "one"})
    assert web.fetch("http://SITE.test/feed?token=abc&a=1&b=2").body == b"one"


def test_requests_match_by_method(tmp_path: Path):
    web = recorded(tmp_path, {"method": "post", "url": URL, "file": "two"}, {"url": URL, "file": "one"})
    assert (web.fetch(URL).body, web.fetch(URL, method="Post", body=b"x").body) == (b"one", b"two")


@pytest.mark.parametrize(
    "url", ["http://site.test/other?token=abc", "http://127.0.0.1/", "file:///etc/passwd", "/etc/passwd"]
)
def test_what_is_not_recorded_is_an_error_that_names_the_url(tmp_path: Path, url: str):
    web = recorded(tmp_path, {"url": URL, "file": "one"})
    with pytest.raises(NotRecorded, match="no line for GET ") as caught:
        web.fetch(url, allow_private=True, allow_files=True)
    assert url.replace("abc", "***") in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_conditional_requests_get_the_recorded_status(tmp_path: Path):
    web = recorded(
        tmp_path, {"url": URL, "file": "one", "headers": {"ETag": '"1"'}}, {"url": URL, "status": 304}
    )
    first = web.fetch(URL)
    assert web.fetch(URL, validators=first.validators).not_modified


def test_a_line_without_a_file_has_no_body(tmp_path: Path):
    with pytest.raises(AnswerRefused, match="empty body"):
        recorded(tmp_path, {"url": URL}).fetch(URL)


def test_nobody_needs_a_contact_or_robots_to_replay(tmp_path: Path):
    recorded(tmp_path, {"url": URL, "file": "one"})
    assert Http().replaying(tmp_path, canonical).fetch(URL).body == b"one"


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("{", "JSON"),
        ("[]", "JSON"),
        ('{"file": "one"}', "url"),
        ('{"url": "http://site.test/", "body": "one"}', "body"),
        ('{"url": "http://site.test/", "status": "200"}', "status"),
        ('{"url": "http://site.test/", "status": 999}', "status"),
        ('{"url": "http://site.test/", "headers": {"A": 1}}', "headers.A"),
        ('{"url": "http://site.test/", "file": "none"}', "'none', which is no file in that folder"),
        ('{"url": "http://site.test/", "file": "../outside"}', "which is no file in that folder"),
        ('{"url": "http://site.test/", "file": "/etc/passwd"}', "which is no file in that folder"),
        ('{"url": "http://[::1/?token=abc"}', r"a url that is none: http://\[::1/\?token=\*\*\*"),
    ],
)
def test_a_line_that_is_wrong_is_named_before_anything_is_served(tmp_path: Path, line: str, rule: str):
    (tmp_path.parent / "outside").write_bytes(b"x")
    index = tmp_path / "index.jsonl"
    index.write_text(f'{{"url": "{URL}", "file": "one"}}\n\n{line}\n')
    with pytest.raises(RecordingBroken, match=rf"index.jsonl, line 3, .*{rule}"):
        Replay(tmp_path, canonical)


def test_a_folder_without_an_index_is_named(tmp_path: Path):
    with pytest.raises(RecordingBroken, match=r"index.jsonl cannot be read: No such file"):
        Replay(tmp_path, canonical)
    (tmp_path / "index.jsonl").write_bytes(b"\xff")
    with pytest.raises(RecordingBroken, match="it is not UTF-8"):
        Replay(tmp_path, canonical)


def test_a_url_without_canonical_form_is_refused(tmp_path: Path):
    def refuse(url: str) -> str:
        if "odd" in url:
            raise ValueError(url)
        return url

    (tmp_path / "index.jsonl").write_text(json.dumps({"url": URL, "file": "one"}))
    with pytest.raises(RequestRefused, match="is no URL that can be asked for"):
        Replay(tmp_path, refuse).fetch("http://odd.test/")

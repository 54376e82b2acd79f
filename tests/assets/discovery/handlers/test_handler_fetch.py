"""`fetch`, on the real client and recorded answers."""

import base64
import json
from hashlib import sha256

import pytest

from assets.discovery.contract import AuthFailure, RateLimited, Skip
from assets.discovery.handlers import fetch
from assets.discovery.keys import canonical_json
from assets.discovery.urls import canonical_url
from assets.failures import PermanentFailure, TransientFailure
from resources.http.errors import RateLimited as HostAsksToWait
from resources.http.replay import Replay
from tests.assets.discovery.handlers.works import a_work

URL = "https://www.example.com/a"


@pytest.fixture
def web(tmp_path):
    """A web that has one document, with this status, headers and body."""

    def recorded(body=b"", status=200, url=URL, **headers):
        (tmp_path / "body").write_bytes(body)
        line = {"url": url, "status": status, "headers": headers, "file": "body"}
        (tmp_path / "index.jsonl").write_text(json.dumps(line), encoding="utf-8")
        return Replay(tmp_path, canonical_url)

    return recorded


def payload(http, **changes):
    result = fetch.handle(a_work(**{"url": URL, "http": http, **changes}))
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"<p>x</p>", "text/html", "<p>x</p>"),
        ("é".encode(), "Text/Plain; charset=UTF-8", "é"),
        (b"\xe9", "text/plain; charset=iso-8859-1", "é"),
        (b"\xe9 \x80", "text/plain", "é €"),
        (b'<meta charset="windows-1251">\xdf', "text/html", '<meta charset="windows-1251">Я'),
        ("é".encode("utf-16"), "text/plain", "é"),
        (b"\xef\xbb\xbf\xc3\xa9", "text/vtt; charset=utf-8", "é"),
        ("é".encode(), "text/plain; charset=nonsense", "é"),
        (b"\xef\xbb\xbfWEBVTT", "application/octet-stream", "WEBVTT"),
        ('{"é": 1}'.encode(), "application/json", '{"é": 1}'),
        (b"<r>\xff</r>", "application/atom+xml; charset=utf-8", "<r>\ufffd</r>"),
        (b"plain", "", "plain"),
    ],
)
def test_a_text_is_kept_as_text_whatever_encoding_it_came_in(web, body, kind, text):
    headers = {"Content-Type": kind} if kind else {}
    result = payload(web(body, **headers))
    assert result["body"] == text
    assert "base64" not in result


@pytest.mark.parametrize("kind", ["application/pdf", "text/plain", "text/html; charset=utf-8", ""])
def test_what_is_no_text_is_kept_in_base64_whatever_the_host_calls_it(web, kind):
    body = b"%PDF-1.7\x00\xff\xfe\x00\x01"
    result = payload(web(body, **({"Content-Type": kind} if kind else {})))
    assert base64.b64decode(result["base64"]) == body
    assert "body" not in result


def test_type_length_and_digest_are_those_of_the_bytes_that_came(web):
    body = "é".encode("latin-1")
    result = payload(web(body, **{"Content-Type": " Text/HTML ; charset=latin-1"}))
    assert result == {
        "type": "text/html",
        "bytes": 1,
        "sha256": sha256(body).hexdigest(),
        "body": "é",
    }


def test_what_has_not_changed_has_the_same_payload_whatever_else_the_host_says(web):
    first = payload(web(b"x", Date="Sun, 01 Mar 2026 12:00:00 GMT", ETag='"1"'))
    assert canonical_json(first) == canonical_json(payload(web(b"x", ETag='"2"')))


def test_the_link_may_be_in_a_field_of_the_data(web):
    http = web(b"WEBVTT", url="https://cdn.example.com/t.vtt")
    data = {"transcript_url": "https://cdn.example.com/t.vtt"}
    assert payload(http, data=data, params={"url_field": "transcript_url"})["body"] == "WEBVTT"


@pytest.mark.parametrize(
    ("params", "reason"),
    [({}, "the item has no link"), ({"url_field": "transcript_url"}, "the item has no transcript_url")],
)
@pytest.mark.parametrize(
    "data", [{}, {"transcript_url": None}, {"transcript_url": ""}, {"transcript_url": [URL]}]
)
def test_an_item_without_a_link_is_skipped_and_nothing_is_read(params, reason, data):
    assert fetch.handle(a_work(params=params, data=data)) == Skip(reason)


@pytest.mark.parametrize(
    ("status", "failure", "sentence"),
    [
        (404, PermanentFailure, "does not exist"),
        (410, PermanentFailure, "gone"),
        (400, PermanentFailure, "400"),
        (401, AuthFailure, "refuses access"),
        (402, AuthFailure, "refuses access"),
        (403, AuthFailure, "refuses access"),
        (408, TransientFailure, "408"),
        (429, RateLimited, "asks us to wait"),
        (500, TransientFailure, "500"),
        (503, TransientFailure, "503"),
    ],
)
def test_a_refusal_is_the_failure_of_its_kind_and_names_the_address(web, status, failure, sentence):
    with pytest.raises(failure, match=sentence) as caught:
        payload(web(status=status))
    assert type(caught.value) is failure
    assert URL in str(caught.value)


@pytest.mark.parametrize(
    ("status", "asked", "waits_s"),
    [(429, "120", 120.0), (503, "0", 0.0), (429, "", 60.0), (429, "soon", 60.0)],
)
def test_the_pause_is_what_the_host_asks_for_or_a_minute(web, status, asked, waits_s):
    with pytest.raises(RateLimited) as caught:
        payload(web(status=status, **{"Retry-After": asked}))
    assert caught.value.retry_after_s == waits_s


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("https://www.example.com/other", "has no line for GET https://www.example.com/other"),
        ("file:///etc/hosts", "file:///etc/hosts"),
        ("http://[x", r"http://(\[|%5B)x"),
    ],
)
def test_what_cannot_be_asked_for_is_a_permanent_failure_that_names_it(web, url, sentence):
    with pytest.raises(PermanentFailure, match=sentence):
        payload(web(b"x"), url=url)


def test_an_empty_body_is_no_document(web):
    with pytest.raises(PermanentFailure, match="empty"):
        payload(web(b""))


def test_the_cap_of_the_params_holds_and_keys_of_other_stages_do_not_matter(web):
    params = {"max_bytes": 3, "keywords": {"release": 20}}
    with pytest.raises(PermanentFailure, match="3"):
        payload(web(b"four"), params=params)
    assert payload(web(b"one"), params=params)["bytes"] == 3


def test_wrong_params_are_named_with_their_stage_and_job(web):
    params = {"timeout_s": "soon", "robots": "perhaps"}
    with pytest.raises(PermanentFailure) as caught:
        payload(web(b"x"), params=params)
    for words in ("stage stage of job shows", "timeout_s: 'soon': it must be a number", "robots: 'perhaps'"):
        assert words in str(caught.value)


class Asked:
    """A web that answers nothing, and keeps what it was asked."""

    def __init__(self, error):
        self.error = error
        self.options = None

    def fetch(self, url, **options):
        self.options = options
        raise self.error


def test_files_and_private_hosts_are_read_only_if_the_params_say_so():
    web = Asked(HostAsksToWait("wait", retry_after_s=1.0))
    for params, allowed in (({}, False), ({"allow_files": "true", "allow_private": True}, True)):
        with pytest.raises(RateLimited):
            payload(web, params=params)
        assert web.options == {
            "allow_files": allowed,
            "allow_private": allowed,
            "robots": True,
            "headers": {},
            "timeout_s": 30,
            "max_bytes": 50 * 1024 * 1024,
        }


@pytest.mark.parametrize(
    "error", [ValueError("a defect"), OSError("disk full"), KeyError("x"), TypeError("y")]
)
def test_an_exception_that_is_none_of_the_resource_passes_unchanged(error):
    with pytest.raises(type(error)) as caught:
        payload(Asked(error))
    assert caught.value is error

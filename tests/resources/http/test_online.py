"""The real client against a real server: cut and slow answers, who we are, what stays at home."""

import logging
import socket

import httpx
import pytest

from resources.http import NotIdentified, RequestRefused, TooSlow, Unreachable, WebError
from resources.http.client import Client
from resources.http.online import Online
from tests.resources.http.conftest import CONTACT
from tests.resources.http.web_server import Answer, Drip, Late, Raw, Reply, WebServer, web_server

OK = b"HTTP/1.1 200 OK\r\n"


def read(online: Online, url: str, timeout_s: float = 30.0) -> bytes:
    return online.fetch(url, allow_private=True, robots=False, timeout_s=timeout_s).body


@pytest.mark.parametrize(
    "cut",
    [
        b"",
        b"HTTP/1.1 200",
        OK + b"Content-Length: 10\r\n\r\n12345",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
        b"no HTTP at all, token=abc\r\n\r\n",
        OK + b"Set-Cookie session=abc\r\n\r\n",
    ],
)
def test_an_answer_that_is_cut_or_broken_may_be_whole_the_next_time(
    server: WebServer, online: Online, cut: bytes
):
    server.answers["/feed"] = [Raw(cut)]
    with pytest.raises(Unreachable) as caught:
        read(online, f"{server.url}/feed")
    assert str(caught.value).startswith(f"{server.url}/feed broke off")
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize(
    "slow",
    [
        Raw(b"", stalls=True),
        Raw(OK + b"Content-Length: 10\r\n\r\n12345", stalls=True),
        Drip(b"HTTP/1.1 200 OK\r\nX: "),
        Drip(OK + b"\r\n"),
        Drip(OK + b"Content-Length: 1000000\r\n\r\n"),
    ],
)
def test_an_answer_ends_in_time_however_steadily_it_drips(server: WebServer, online: Online, slow: Reply):
    server.answers["/feed"] = [slow]
    with pytest.raises(TooSlow, match=r"was not read within 0.3 s \(timeout_s\)") as caught:
        read(online, f"{server.url}/feed", timeout_s=0.3)
    assert caught.value.failure == "transient"


def test_redirects_share_one_time(server: WebServer, online: Online):
    server.answers["/loop"] = [Late(0.1, Answer(302, b"", (("Location", "/loop"),)))]
    with pytest.raises(TooSlow, match=r"was not read within 0.4 s"):
        read(online, f"{server.url}/loop", timeout_s=0.4)


def test_a_body_that_is_not_taken_ends_in_time(online: Online):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/api"
        with pytest.raises(TooSlow, match=r"was not read within 0.3 s"):
            online.fetch(
                url, method="POST", body=bytes(50_000_000), allow_private=True, robots=False, timeout_s=0.3
            )


def test_a_host_that_takes_no_connection_may_take_one_later(online: Online):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/?api_key=abc"
        with pytest.raises(ConnectionError, match=r"api_key=\*\*\* cannot be reached: ") as caught:
            read(online, url)
    assert type(caught.value) is Unreachable


def test_no_exception_of_a_library_stands_behind_ours(server: WebServer, online: Online):
    server.answers["/feed"] = [Raw(b"")]
    with pytest.raises(WebError) as caught:
        read(online, f"{server.url}/feed?token=abc")
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_hosts_are_told_who_asks_and_for_gzip_only(server: WebServer, online: Online):
    server.answers["/feed"] = [Answer(200, b"x")]
    read(online, f"{server.url}/feed")
    (asked,) = server.asked
    assert asked.headers["User-Agent"] == f"Quintet (+{CONTACT})"
    assert asked.headers["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize("contact", [None, "", "  ", "Jürgen", "a\r\nb"])
def test_nothing_is_asked_without_a_contact(server: WebServer, contact: str | None):
    server.answers["/feed"] = [Answer(200, b"x")]
    with pytest.raises(NotIdentified, match="QUINTET_CONTACT") as caught:
        read(Online(contact), f"{server.url}/feed")
    assert (caught.value.failure, server.asked) == ("auth", [])


def test_a_request_may_name_itself(server: WebServer):
    server.answers["/feed"] = [Answer(200, b"x")]
    online = Online(None)
    online.fetch(f"{server.url}/feed", allow_private=True, headers={"user-agent": "Example Corp a@b.invalid"})
    online.close()
    assert [asked.headers.get_all("User-Agent") for asked in server.asked] == [
        ["Example Corp a@b.invalid"]
    ] * 2


def test_method_body_and_headers_are_sent(server: WebServer, online: Online):
    server.answers["/api"] = [Answer(200, b"x")]
    online.fetch(
        f"{server.url}/api",
        method="post",
        body=b'{"q": 1}',
        headers={"Content-Type": "application/json", "X-Key": "abc"},
        allow_private=True,
        robots=False,
    )
    (asked,) = server.asked
    assert (asked.method, asked.body) == ("POST", b'{"q": 1}')
    assert (asked.headers["Content-Type"], asked.headers["X-Key"]) == ("application/json", "abc")


def test_stored_validators_become_conditions(server: WebServer, online: Online):
    server.answers["/feed"] = [Answer(304)]
    validators = {"etag": '"1"', "last_modified": "Sun, 01 Mar 2026 09:00:00 GMT"}
    response = online.fetch(f"{server.url}/feed", validators=validators, allow_private=True, robots=False)
    assert (response.not_modified, response.validators) == (True, validators)
    (asked,) = server.asked
    assert asked.headers["If-None-Match"] == '"1"'
    assert asked.headers["If-Modified-Since"] == "Sun, 01 Mar 2026 09:00:00 GMT"


def test_a_304_leaves_the_connection_open(server: WebServer, online: Online):
    server.answers["/feed"] = [Answer(304)]
    for _ in range(2):
        online.fetch(f"{server.url}/feed", validators={"etag": '"1"'}, allow_private=True, robots=False)
    assert server.connections == 1


def test_a_redirect_leaves_no_connection_behind(server: WebServer, online: Online):
    server.answers["/a"] = [Answer(302, b"moved" * 100_000, (("Location", "/b"),))]
    server.answers["/b"] = [Answer(200, b"x")]
    read(online, f"{server.url}/a")
    assert server.connections == 2
    assert server.wait_until_closed(but=1)


def test_headers_of_a_request_stay_with_its_host(server: WebServer, online: Online):
    with web_server() as other:
        server.answers["/a"] = [Answer(302, b"", (("Location", "/b"),))]
        server.answers["/b"] = [Answer(302, b"", (("Location", f"{other.url}/c"),))]
        other.answers["/c"] = [Answer(200, b"x")]
        secret = {"X-Key": "abc", "Authorization": "Bearer abc", "User-Agent": "Example"}
        online.fetch(f"{server.url}/a", headers=secret, allow_private=True, robots=False)
    assert [asked.headers["X-Key"] for asked in server.asked] == ["abc", "abc"]
    (last,) = other.asked
    assert "abc" not in str(last.headers)
    assert last.headers["User-Agent"] == "Example"


@pytest.mark.parametrize(
    ("origin", "location", "is_sent"),
    [
        ("http://site.test/a", "https://site.test/b", True),
        ("http://site.test/a", "http://site.test:80/b", True),
        ("https://site.test/a", "http://site.test/b", False),
        ("http://site.test:8080/a", "https://site.test/b", False),
        ("http://site.test/a", "http://www.site.test/b", False),
    ],
)
def test_headers_go_along_when_the_same_host_turns_to_tls(origin: str, location: str, is_sent: bool):
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/a":
            return httpx.Response(302, headers={"Location": location})
        return httpx.Response(200, stream=httpx.ByteStream(repr(request.headers.get("X-Key")).encode()))

    client = Client(lambda _: httpx.MockTransport(answer), agent="Quintet")
    body = client.fetch(origin, headers={"X-Key": "abc"}).body
    assert body == (b"'abc'" if is_sent else b"None")


def test_a_body_stays_with_its_host(server: WebServer, online: Online):
    with web_server() as other:
        for path, place in [("/here", f"{server.url}/b"), ("/there", f"{other.url}/b?key=abc")]:
            server.answers[path] = [Answer(307, b"", (("Location", place),))]
        server.answers["/b"] = [Answer(200, b"x")]
        online.fetch(f"{server.url}/here", method="POST", body=b"q", allow_private=True, robots=False)
        with pytest.raises(
            RequestRefused, match=r"/there wants our request's body for .*key=\*\*\*, another host"
        ):
            online.fetch(f"{server.url}/there", method="POST", body=b"q", allow_private=True, robots=False)
        assert ([asked.body for asked in server.asked], other.asked) == ([b"q", b"q", b"q"], [])


def test_a_password_in_the_url_is_sent_and_not_shown(server: WebServer, online: Online):
    server.answers["/feed"] = [Answer(200, b"x"), Answer(500)]
    url = f"http://reader:abc@127.0.0.1:{server.port}/feed"
    response = online.fetch(url, allow_private=True, robots=False)
    assert server.asked[0].headers["Authorization"].startswith("Basic ")
    assert response.url == f"{server.url}/feed"
    with pytest.raises(WebError) as caught:
        read(online, url)
    assert str(caught.value).startswith(f"http://***@127.0.0.1:{server.port}/feed failed")


def test_cookies_last_from_redirect_to_redirect_and_no_longer(server: WebServer, online: Online):
    server.answers["/a"] = [Answer(302, b"", (("Location", "/b"), ("Set-Cookie", "visit=1")))]
    server.answers["/b"] = [Answer(200, b"x")]
    read(online, f"{server.url}/a")
    read(online, f"{server.url}/b")
    assert [asked.headers["Cookie"] for asked in server.asked] == [None, "visit=1", None]


def test_one_connection_serves_several_requests(server: WebServer, online: Online):
    server.answers["/feed"] = [Answer(200, b"x")]
    for _ in range(3):
        read(online, f"{server.url}/feed")
    assert (len(server.asked), server.connections) == (3, 1)


def test_a_closed_client_opens_anew(server: WebServer, online: Online):
    server.answers["/feed"] = [Answer(200, b"x")]
    read(online, f"{server.url}/feed")
    online.close()
    read(online, f"{server.url}/feed")
    assert server.connections == 2


def test_proxies_and_netrc_of_the_environment_are_not_used(
    server: WebServer, online: Online, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.answers["/feed"] = [Answer(200, b"x")]
    assert read(online, f"{server.url}/feed") == b"x"


def test_no_log_shows_a_credential(server: WebServer, online: Online, caplog: pytest.LogCaptureFixture):
    server.answers["/feed?token=abc"] = [Answer(200, b"x", (("Set-Cookie", "session=abc"),))]
    caplog.set_level(logging.DEBUG)
    read(online, f"{server.url}/feed?token=abc")
    assert "abc" not in caplog.text
    httpx.get(f"{server.url}/elsewhere")
    assert "/elsewhere" in caplog.text, "what others do with httpx is logged as ever"

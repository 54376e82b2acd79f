"""robots.txt after RFC 9309: who may read what, and what each state of the file means."""

import gzip
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.http import (
    RateLimited,
    RequestRefused,
    Response,
    RobotsRefused,
    ServerFailed,
    TooSlow,
    Unreachable,
    WebError,
)
from resources.http.online import Online
from resources.http.robots import EXPIRES_S, MOST_BYTES, product
from tests.resources.http.conftest import CONTACT
from tests.resources.http.web_server import Answer, Held, Raw, Reply, WebServer, web_server

FEED = Answer(200, b"feed")
CLOSED = b"User-agent: *\nDisallow: /\n"


@dataclass
class Clock:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def read(server: WebServer, clock: Clock, certificates: ssl.SSLContext) -> Iterator[Callable[..., Response]]:
    online = Online(CONTACT, ssl_context=certificates, monotonic=clock)

    def fetch(path: str, **asked) -> Response:
        server.answers.setdefault(path, [FEED])
        return online.fetch(f"{server.url}{path}", allow_private=True, **asked)

    yield fetch
    online.close()


@pytest.mark.parametrize(
    ("rules", "path", "may"),
    [
        (CLOSED, "/feed", False),
        (CLOSED, "/robots.txt", True),
        (b"User-agent: Quintet\nDisallow: /private\n", "/private/a", False),
        (b"user-AGENT: quintet\ndisALLOW: /private\n", "/private/a", False),
        (b"User-agent: Quintet/2\nDisallow: /\n", "/feed", True),
        (b"User-agent: tests\nDisallow: /\n", "/feed", True),
        (b"User-agent: *\nDisallow: /\n\nUser-agent: Quintet\nAllow: /\n", "/feed", True),
        (b"User-agent: *\nDisallow: /a\nAllow: /a/b\n", "/a/b/c", True),
        (b"User-agent: *\nAllow: /a\nDisallow: /a/b\n", "/a/b/c", False),
        (b"User-agent: *\nDisallow: /*.pdf$\n", "/x.pdf", False),
        (b"User-agent: *\nDisallow: /*.pdf$\n", "/x.pdf?a", True),
        (b"User-agent: *\nDisallow: /*?sort=\n", "/list?sort=1", False),
        (b"User-agent: *\nDisallow: /a%3Cd\n", "/a%3cd", False),
        (b"User-agent: *\nDisallow:\n", "/feed", True),
        (b"\xef\xbb\xbfUser-agent: *\r\nDisallow: /\r\n", "/feed", False),
        (b"User-agent: *\nCrawl-delay: 9\n", "/feed", True),
        (b"\xff\xfe no rules at all", "/feed", True),
        (b"", "/feed", True),
    ],
)
def test_the_rules_of_a_host_are_kept(server: WebServer, read, rules: bytes, path: str, may: bool):
    server.answers["/robots.txt"] = [Answer(200, rules)]
    if may:
        assert read(path).body
    else:
        with pytest.raises(RobotsRefused) as caught:
            read(path)
        assert f"The robots.txt of 127.0.0.1 does not let us read {server.url}{path};" in str(caught.value)
        assert server.paths() == ["/robots.txt"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_a_host_without_rules_may_be_read(server: WebServer, read, status: int):
    server.answers["/robots.txt"] = [Answer(status, CLOSED)]
    assert read("/feed").body == b"feed"


@pytest.mark.parametrize(
    ("answer", "kind", "failure"),
    [
        (Answer(500), ServerFailed, "transient"),
        (Answer(503), ServerFailed, "transient"),
        (Answer(503, b"", (("Retry-After", "7"),)), RateLimited, "rate_limited"),
        (Answer(429, b"", (("Retry-After", "7"),)), RateLimited, "rate_limited"),
        (Raw(b""), Unreachable, "transient"),
        (Raw(b"", stalls=True), TooSlow, "transient"),
    ],
)
def test_nothing_is_read_while_the_rules_cannot_be(
    server: WebServer, read, answer: Reply, kind: type[WebError], failure: str
):
    server.answers["/robots.txt"] = [answer, Answer(404)]
    with pytest.raises(kind, match=r"/robots.txt, without which|/feed (broke off|was not read)") as caught:
        read("/feed", timeout_s=0.3 if kind is TooSlow else 30.0)
    assert caught.value.failure == failure
    assert server.paths() == ["/robots.txt"]
    assert read("/feed").body == b"feed", "what went wrong is not kept"


def test_robots_can_be_switched_off(server: WebServer, read):
    server.answers["/robots.txt"] = [Answer(200, CLOSED)]
    assert read("/feed", robots=False).body == b"feed"
    assert server.paths() == ["/feed"]


def test_the_rules_are_fetched_once_a_day(server: WebServer, read, clock: Clock):
    server.answers["/robots.txt"] = [Answer(404), Answer(200, CLOSED)]
    read("/a")
    clock.seconds = EXPIRES_S - 1
    read("/b")
    assert server.paths() == ["/robots.txt", "/a", "/b"]
    clock.seconds = EXPIRES_S
    with pytest.raises(RobotsRefused):
        read("/c")


def test_threads_that_ask_at_once_fetch_the_rules_once(server: WebServer, read):
    with ThreadPoolExecutor(8) as pool:
        for body in pool.map(lambda number: read(f"/{number}").body, range(24)):
            assert body == b"feed"
    assert server.paths().count("/robots.txt") == 1


def test_who_waits_for_the_rules_another_thread_fetches_waits_no_longer_than_asked(server: WebServer, read):
    held = Held(Answer(404))
    server.answers["/robots.txt"] = [held]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: read("/a").body)
        assert held.arrived.wait(10)
        with pytest.raises(TooSlow, match=r"/b was not read within 0.1 s"):
            read("/b", timeout_s=0.1)
        assert not held.left.is_set()
        held.released.set()
        assert first.result() == b"feed"


def test_rules_behind_redirects_count_for_the_host_that_was_asked(server: WebServer, read):
    with web_server() as other:
        server.answers["/robots.txt"] = [Answer(301, b"", (("Location", f"{other.url}/rules"),))]
        other.answers["/rules"] = [Answer(200, b"User-agent: *\nDisallow: /feed\n")]
        with pytest.raises(RobotsRefused):
            read("/feed")
        assert read("/other").body == b"feed"


def test_rules_behind_endless_redirects_are_none(server: WebServer, read):
    server.answers["/robots.txt"] = [Answer(301, b"", (("Location", "/robots.txt"),))]
    assert read("/feed").body == b"feed"


def test_the_host_behind_a_redirect_has_its_own_rules(server: WebServer, read):
    with web_server() as other:
        other.answers["/robots.txt"] = [Answer(200, CLOSED)]
        server.answers["/moved"] = [Answer(302, b"", (("Location", f"{other.url}/feed"),))]
        with pytest.raises(RobotsRefused, match=r"/feed \(redirected from .*/moved\)"):
            read("/moved")
        assert other.paths() == ["/robots.txt"]


def test_rules_come_packed_too(server: WebServer, read):
    server.answers["/robots.txt"] = [Answer(200, gzip.compress(CLOSED), (("Content-Encoding", "gzip"),))]
    with pytest.raises(RobotsRefused):
        read("/feed")


def test_what_follows_500_kib_of_rules_is_ignored(server: WebServer, read):
    padding = b"# x\n" * (MOST_BYTES // 4)
    rules = b"User-agent: *\nDisallow: /a\n" + padding + b"Disallow: /b\n"
    server.answers["/robots.txt"] = [Answer(200, rules)]
    with pytest.raises(RobotsRefused):
        read("/a")
    assert read("/b").body == b"feed"


def test_headers_of_a_request_are_not_sent_for_the_rules(server: WebServer, read):
    read("/feed", headers={"Authorization": "Bearer abc", "User-Agent": "Example/1 a@b.invalid"})
    rules, _ = server.asked
    assert (rules.headers["Authorization"], rules.headers["User-Agent"]) == (None, "Example/1 a@b.invalid")


def test_a_request_that_names_itself_is_judged_by_that_name(server: WebServer, read):
    server.answers["/robots.txt"] = [Answer(200, b"User-agent: Example\nDisallow: /\n")]
    assert read("/feed").body == b"feed"
    with pytest.raises(RobotsRefused):
        read("/feed", headers={"User-Agent": "Example/1"})


def test_rules_on_a_private_host_are_not_fetched(server: WebServer, online: Online):
    with pytest.raises(RequestRefused, match="private address"):
        online.fetch(f"{server.url}/feed")
    assert server.asked == []


@given(st.text())
def test_a_user_agent_always_names_some_product(agent: str):
    assert product(agent).strip()

"""The webhook, against a real server on this machine that answers what it is told to."""

import json
import logging
import socket
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import dagster as dg
import pytest

from resources.notifier import NotificationFailed, WebhookNotifier, webhook

SECRET = "T0ken-of-the-webhook"


class Webhook(ThreadingHTTPServer):
    """Answers each request with the next of `answers` (status, headers), then with 200; keeps the bodies."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), AnsweringHandler)
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.bodies: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/{SECRET}?key={SECRET}"


class AnsweringHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Webhook)
        assert self.path.startswith(f"/services/{SECRET}")
        assert self.headers["Content-Type"] == "application/json"
        server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, headers = server.answers.pop(0) if server.answers else (200, {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the tests look at `Webhook.bodies`."""


@pytest.fixture
def server() -> Iterator[Webhook]:
    server = Webhook()
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, in seconds, none of which is really made.

    Only the module's own name is replaced: other threads of the process go on sleeping.
    """
    pauses: list[float] = []
    monkeypatch.setattr(webhook, "sleep", pauses.append)
    return pauses


def test_the_message_arrives_as_json_with_a_text(server: Webhook) -> None:
    WebhookNotifier(url=server.url).notify(
        "market failed", "raw/2025-10 is cut", "http://127.0.0.1:3000/runs/1"
    )
    assert server.bodies == [{"text": "market failed\nraw/2025-10 is cut\nhttp://127.0.0.1:3000/runs/1"}]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_server_is_tried_again(server: Webhook, status: int) -> None:
    server.answers = [(status, {}), (status, {})]
    WebhookNotifier(url=server.url).notify("subject", "text")
    assert server.bodies == [{"text": "subject\ntext"}] * 3


def test_the_pause_that_the_server_asks_for_is_kept(server: Webhook, pauses: list[float]) -> None:
    server.answers = [(429, {"Retry-After": "7"}), (503, {"Retry-After": "0.5"})]
    WebhookNotifier(url=server.url).notify("subject", "text")
    assert pauses == [7, 0.5]


def test_the_pause_may_be_given_as_a_date(server: Webhook, pauses: list[float]) -> None:
    now = datetime.now(UTC)
    soon, past = now + timedelta(seconds=30), now - timedelta(hours=1)
    server.answers = [(429, {"Retry-After": format_datetime(date, usegmt=True)}) for date in (soon, past)]
    WebhookNotifier(url=server.url).notify("subject", "text")
    assert 0 < pauses[0] <= 30
    assert pauses[1] == 0


def test_a_pause_that_is_too_long_is_not_waited_for(server: Webhook, pauses: list[float]) -> None:
    server.answers = [(429, {"Retry-After": "3600"})]
    with pytest.raises(NotificationFailed, match="429"):
        WebhookNotifier(url=server.url).notify("subject", "text")
    assert len(server.bodies) == 1
    assert pauses == []


@pytest.mark.parametrize("asked", ["soon", "", "inf", "1e999", "-5"])
def test_a_pause_that_is_no_pause_is_replaced_by_our_own(server: Webhook, asked: str) -> None:
    server.answers = [(503, {"Retry-After": asked})]
    WebhookNotifier(url=server.url).notify("subject", "text")
    assert len(server.bodies) == 2


def test_a_server_that_stays_busy_fails_after_a_few_attempts(server: Webhook, pauses: list[float]) -> None:
    server.answers = [(503, {})] * 99
    with pytest.raises(NotificationFailed, match="answered 503 again and again"):
        WebhookNotifier(url=server.url).notify("subject", "text")
    assert len(server.bodies) == webhook.ATTEMPTS
    assert len(pauses) == webhook.ATTEMPTS - 1
    assert sum(pauses) <= webhook.MOST_SECONDS


@pytest.mark.parametrize("status", [302, 400, 403, 404, 410])
def test_any_other_answer_is_final(server: Webhook, status: int) -> None:
    server.answers = [(status, {"Location": "/elsewhere"})]
    with pytest.raises(NotificationFailed, match=str(status)):
        WebhookNotifier(url=server.url).notify("subject", "text")
    assert len(server.bodies) == 1


def test_a_server_that_is_away_fails_after_a_few_attempts() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/{SECRET}"
        with pytest.raises(NotificationFailed, match=r"could not be reached \(ConnectError\)"):
            WebhookNotifier(url=url).notify("subject", "text")


@pytest.mark.parametrize(
    "url", ["hooks.example.com/x", "ftp://hooks.example.com/x", "http://host:port", "http://"]
)
def test_what_is_no_web_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(NotificationFailed, match="no http or https URL"):
        WebhookNotifier(url=url).notify("subject", "text")


def test_a_missing_url_fails_the_use_and_names_the_variable() -> None:
    with pytest.raises(NotificationFailed, match="set QUINTET_ALERT_WEBHOOK_URL"):
        WebhookNotifier().notify("subject", "text")


def test_the_url_is_read_from_the_environment_in_a_run_and_outside(
    server: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUINTET_ALERT_WEBHOOK_URL", server.url)
    notifier = WebhookNotifier(url=dg.EnvVar("QUINTET_ALERT_WEBHOOK_URL"))

    @dg.op
    def tell(notifier: WebhookNotifier) -> None:
        notifier.notify("inside", "text")

    @dg.job(resource_defs={"notifier": notifier})
    def telling_job() -> None:
        tell()

    notifier.notify("outside", "text")
    assert telling_job.execute_in_process(instance=dg.DagsterInstance.ephemeral()).success
    assert [body["text"].split()[0] for body in server.bodies] == ["outside", "inside"]


@pytest.mark.parametrize("status", [200, 404, 503, None])
def test_the_url_reaches_no_log_line_no_error_and_no_representation(
    server: Webhook, caplog: pytest.LogCaptureFixture, status: int | None
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.DEBUG)
    url = server.url
    if status is None:
        server.shutdown()
        server.server_close()
    elif status != 200:
        server.answers = [(status, {})] * webhook.ATTEMPTS
    notifier = WebhookNotifier(url=url)
    told = repr(notifier)
    try:
        notifier.notify("subject", "text")
    except NotificationFailed:
        told += traceback.format_exc()
    assert ("NotificationFailed" in told) == (status != 200)
    assert SECRET not in told + caplog.text

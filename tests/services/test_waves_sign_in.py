"""Waves over HTTP: logins, tokens and redirects, and that no secret goes where it does not belong."""

import base64
import json
import logging
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import dagster as dg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from resources.waves import HttpWaves, Journal, WavesMisconfigured, WavesRefused, WavesUnavailable
from resources.waves.remote import BATCH_PATH
from scripts.waves_faults import Fault
from scripts.waves_server import WavesServer
from tests.resources.waves.loopback import (
    EXPECTED,
    PASSWORD,
    TOKEN,
    ImpatientWaves,
    ask,
    codes,
    hotboxes,
    running,
    serving,
    statuses,
)

pytestmark = pytest.mark.services


@pytest.fixture
def server() -> Iterator[WavesServer]:
    with serving() as server:
        yield server


@pytest.fixture
def guarded() -> Iterator[WavesServer]:
    with serving(password=PASSWORD) as server:
        yield server


def test_without_a_password_nobody_logs_in(server):
    journal = Journal()
    ask(HttpWaves(url=server.url, password=" "), journal)
    assert statuses(journal, "/login") == {}


def test_a_wrong_password_ends_the_run_and_is_not_named(guarded):
    journal = Journal()
    with pytest.raises(
        WavesRefused, match=r"POST /login answered 401; check .*AIM_SERVICE_PASSWORD"
    ) as raised:
        ask(HttpWaves(url=guarded.url, password="wrong-" + PASSWORD), journal)
    assert PASSWORD not in "".join(traceback.format_exception(raised.value))
    assert journal.http_requests() == [{"method": "POST", "path": "/login", "status": 401, "count": 1}]


def test_a_login_without_a_cookie_ends_the_run(server):
    server.meet_with(Fault(302, location="/health"), path="/login")
    with pytest.raises(WavesRefused, match="POST /login set no cookie"):
        ask(HttpWaves(url=server.url, password=PASSWORD))


def test_a_busy_login_is_tried_again(guarded):
    guarded.meet_with("503:9", "429", path="/login")
    waves = ImpatientWaves(url=guarded.url, password=PASSWORD)
    assert hotboxes(ask(waves)) == EXPECTED
    assert waves.pauses == [9, 2]
    guarded.meet_with("503", "503", "503", "503", path="/login")
    with pytest.raises(WavesUnavailable, match="POST /login answered 503, also after 3 retries; try again"):
        ask(waves)


def test_a_login_that_fails_in_between_fails_only_its_batch(guarded):
    def end_all_sessions(progress):
        if progress.finished == 1 and not progress.second_pass:
            guarded.sessions.clear()
            guarded.meet_with("503", path="/login")

    journal = Journal(on_batch=end_all_sessions)
    answers = ask(ImpatientWaves(url=guarded.url, password=PASSWORD), journal, batch_size=4)
    assert hotboxes(answers) == EXPECTED
    assert statuses(journal, "/login") == {200: 2, 503: 1}
    assert journal.problems == {f"POST {BATCH_PATH} answered 401, and POST /login answered 503": 1}


def test_batches_in_flight_share_one_new_login(guarded):
    def end_all_sessions(progress):
        if progress.finished == 1:
            guarded.sessions.clear()

    guarded.meet_with("ok", *["slow:0.4"] * 3)
    journal = Journal(on_batch=end_all_sessions)
    answers = ask(HttpWaves(url=guarded.url, password=PASSWORD), journal, batch_size=1, in_flight=4)
    assert hotboxes(answers) == EXPECTED
    assert statuses(journal, "/login")[200] == 2


def test_the_identity_token_is_sent_and_fetched_anew_after_a_401():
    with serving(token="second") as server:
        journal = Journal()
        assert hotboxes(ask(ImpatientWaves(url=server.url, tokens=["first", "second"]), journal)) == EXPECTED
    assert statuses(journal) == {401: 1, 200: 1}
    assert [request.headers["authorization"] for request in server.received] == [
        "Bearer first",
        "Bearer second",
    ]


def test_a_token_that_cannot_be_had_is_a_warning(server, caplog):
    caplog.set_level(logging.WARNING)
    assert hotboxes(ask(ImpatientWaves(url=server.url, tokens=[]))) == EXPECTED
    assert "authorization" not in server.received[0].headers
    assert [record.getMessage() for record in caplog.records] == [
        "There is no token left. Waves is asked without an identity token."
    ]


class GoogleHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Google)
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        server.claims.append(claims_of(form["assertion"][0]))
        body = json.dumps({"id_token": server.token} if server.token else {"error": "access_denied"}).encode()
        self.send_response(200 if server.token else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the tests look at `Google.claims`."""


class Google(ThreadingHTTPServer):
    """Gives one identity token to whoever asks, or refuses if there is none, and keeps what was claimed."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), GoogleHandler)
        self.token: str | None = None
        self.claims: list[dict[str, str]] = []


def jwt_of(claims: dict[str, object]) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (*parts, b"signature"))


def claims_of(jwt: str) -> dict[str, str]:
    part = jwt.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    """Google's side of a service account whose file is on this machine."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with running(Google()) as server:
        account = {
            "type": "service_account",
            "client_email": "aim@example.com",
            "private_key": key.decode(),
            "token_uri": f"http://127.0.0.1:{server.server_port}/token",
        }
        (tmp_path / "account.json").write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
        yield server


def test_google_is_asked_for_a_token_for_the_address_of_the_service(google):
    google.token = jwt_of({"exp": 4_000_000_000})
    with serving(token=google.token) as server:
        assert hotboxes(ask(HttpWaves(url=f"{server.url}/", google_identity=True))) == EXPECTED
        assert [claims["target_audience"] for claims in google.claims] == [server.url]


@pytest.mark.parametrize("refusal", ["denied", "no file", "no account"])
def test_a_token_that_google_refuses_is_a_warning_that_tells_nothing_secret(
    google, refusal, tmp_path, caplog
):
    if refusal == "no file":
        (tmp_path / "account.json").unlink()
    elif refusal == "no account":
        (tmp_path / "account.json").write_text('{"type": "service_account", "private_key": "none"}')
    with serving() as server:
        assert hotboxes(ask(HttpWaves(url=server.url, google_identity=True))) == EXPECTED
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("Google gave no identity token (")
    assert "PRIVATE KEY" not in caplog.text


def test_redirects_are_followed_on_the_same_host(guarded):
    guarded.meet_with(Fault(302, location="/login-is-done"), path="/login")
    with pytest.raises(WavesRefused, match="POST /login answered 404"):
        ask(HttpWaves(url=guarded.url, password=PASSWORD))
    guarded.meet_with(Fault(307, location=f"{guarded.url}{BATCH_PATH}?again"))
    journal = Journal()
    waves = ImpatientWaves(url=guarded.url, password=PASSWORD, tokens=[TOKEN])
    assert hotboxes(ask(waves, journal)) == EXPECTED
    assert statuses(journal) == {307: 1, 200: 1}
    assert guarded.received[-1].headers["authorization"] == f"Bearer {TOKEN}"
    assert guarded.received[-1].headers["cookie"].startswith("session=")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_host_is_sent_neither_cookie_nor_token(guarded, host):
    with serving() as other:
        guarded.meet_with(Fault(308, location=f"http://{host}:{other.server_port}{BATCH_PATH}"))
        waves = ImpatientWaves(url=guarded.url, password=PASSWORD, tokens=[TOKEN])
        journal = Journal()
        assert hotboxes(ask(waves, journal)) == EXPECTED
    (request,) = other.received
    assert json.loads(request.body)["cams"][0] == {"Vehicle": "Car 0", "Size": "205/55 R16"}
    assert {"cookie", "authorization"}.isdisjoint(request.headers)
    assert {"cookie", "authorization"} <= set(guarded.received[-1].headers)
    assert statuses(journal) == {308: 1, 200: 1}


@pytest.mark.parametrize("status", [307, 308])
def test_another_host_is_not_sent_the_password(guarded, status):
    with serving() as other:
        guarded.meet_with(Fault(status, location=f"{other.url}/login"), path="/login")
        with pytest.raises(WavesRefused, match="POST /login was sent on to another host"):
            ask(HttpWaves(url=guarded.url, password=PASSWORD))
    assert other.received == []


def test_a_cookie_of_another_host_is_no_login(guarded):
    with serving() as other:
        guarded.meet_with(Fault(303, location=f"{other.url}/app"), path="/login")
        other.meet_with(Fault(set_cookie="session=of-another; Path=/"), path="/app")
        with pytest.raises(WavesRefused, match="POST /login set no cookie"):
            ask(HttpWaves(url=guarded.url, password=PASSWORD))
    assert [request.method for request in other.received] == ["GET"]


def test_a_circle_of_redirects_has_an_end(server):
    server.meet_with(*[Fault(307, location=BATCH_PATH)] * 22)
    journal = Journal()
    assert set(codes(ask(HttpWaves(url=server.url), journal))) == {"BATCH_FAILED"}
    assert statuses(journal) == {307: 22}
    assert journal.problems == {f"POST {BATCH_PATH} was sent on more than 10 times": 2}


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (None, "set AIM_WAVES_URL"),
        (" ", "set AIM_WAVES_URL"),
        ("waves.example.com", "AIM_WAVES_URL is no http or https address"),
        ("ftp://waves.example.com", "AIM_WAVES_URL is no http or https address"),
        ("http://", "AIM_WAVES_URL is no http or https address"),
        ("http://waves:port", "AIM_WAVES_URL is no http or https address"),
        ("http://waves.example.com?key=1", "AIM_WAVES_URL is no http or https address"),
        (f"http://user:{PASSWORD}@waves.example.com", "AIM_WAVES_URL holds a user or password"),
    ],
)
def test_an_address_that_is_none_is_refused_before_anything_is_sent(url, sentence):
    with pytest.raises(WavesMisconfigured, match=sentence) as raised:
        ask(HttpWaves(url=url))
    assert PASSWORD not in "".join(traceback.format_exception(raised.value))


def test_the_client_comes_with_neither_address_nor_password():
    waves = HttpWaves()
    assert (waves.url, waves.password, waves.google_identity) == (None, None, False)
    with pytest.raises(WavesMisconfigured, match="set AIM_WAVES_URL"):
        ask(waves)


def test_url_and_password_are_read_from_the_environment_in_a_run_and_outside(guarded, monkeypatch):
    monkeypatch.setenv("AIM_WAVES_URL", guarded.url)
    monkeypatch.setenv("AIM_SERVICE_PASSWORD", PASSWORD)
    waves = HttpWaves(url=dg.EnvVar("AIM_WAVES_URL"), password=dg.EnvVar("AIM_SERVICE_PASSWORD"))

    @dg.op
    def recommend(waves: HttpWaves) -> list[str]:
        return hotboxes(ask(waves))

    @dg.job(resource_defs={"waves": waves})
    def recommend_job():
        recommend()

    assert hotboxes(ask(waves)) == EXPECTED
    with dg.DagsterInstance.ephemeral() as instance:
        done = recommend_job.execute_in_process(instance=instance)
    assert done.output_for_node("recommend") == EXPECTED


@pytest.mark.parametrize("faults", ["", "503 503 503 503", "403 403", "cut", "401 401 401"])
def test_no_secret_reaches_a_log_line_an_error_or_a_representation(guarded, faults, caplog):
    for name in ("", "httpx", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, logger=name)
    guarded.meet_with(*faults.split())
    waves = ImpatientWaves(url=guarded.url, password=PASSWORD, tokens=[TOKEN])
    journal = Journal()
    answers = ask(waves, journal)
    told = caplog.text + repr(answers) + repr(journal) + repr(HttpWaves(url=guarded.url, password=PASSWORD))
    assert guarded.sessions
    assert [secret for secret in (PASSWORD, TOKEN, *guarded.sessions) if secret in told] == []

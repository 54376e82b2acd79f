"""The rehearsed Waves service as an operator starts it."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from resources.waves import HttpWaves, Journal, Usage
from scripts.waves_faults import Fault, parse_fault
from scripts.waves_server import main
from tests.resources.waves.loopback import EXPECTED, PASSWORD, SCORES, ask, hotboxes, serving, statuses


@pytest.fixture(params=["parquet", "csv"])
def scores(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What Stage 3 writes, which has no keys."""
    path = tmp_path / f"scores.{request.param}"
    table = SCORES.drop("vehicle_key", "size_key")
    table.write_csv(path) if request.param == "csv" else table.write_parquet(path)
    return path


@contextmanager
def started(root: Path, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and where it says it listens."""
    command = [sys.executable, "-m", "scripts.waves_server", *map(str, arguments)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "AIM_WAVES_URL=" in line
            yield process, line.split("AIM_WAVES_URL=")[1].split(";")[0]
        finally:
            process.kill()


@pytest.mark.services
def test_the_command_serves_a_score_table_until_it_is_stopped(pytestconfig, scores, monkeypatch):
    monkeypatch.setenv("AIM_SERVICE_PASSWORD", PASSWORD)
    arguments = ("--scores", scores, "--faults", "401, 404", "--prompt-tokens=60", "--candidate-tokens=40")
    with started(pytestconfig.rootpath, *arguments) as (process, url):
        journal = Journal()
        answers = ask(HttpWaves(url=url, password=PASSWORD), journal)
        assert hotboxes(answers) == EXPECTED
        assert statuses(journal) == {401: 1, 404: 1, 200: 1}
        assert journal.usage == Usage(60, 40, 100)
        assert httpx.get(f"{url}/health").text == "OK"
        assert httpx.get(f"{url}/api/status/engine").json() == {"state": "ready", "scored_products": 48}
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.services
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/recommendations/batch", b"{", 400),
        ("/api/recommendations/batch", b"[]", 400),
        ("/api/recommendations/batch", b'{"run_id": "x", "cams": []}', 400),
        ("/api/recommendations/batch", b'{"run_id": "x", "cams": [{"Vehicle": "A"}]}', 400),
        ("/api/recommendations/batch", b'{"run_id": "x", "cams": [{"Vehicle": null, "Size": 7}]}', 200),
        ("/elsewhere", b"", 404),
    ],
)
def test_what_is_no_batch_is_refused(served, path, body, status):
    assert httpx.post(f"{served.url}{path}", content=body).status_code == status


@pytest.mark.services
def test_a_batch_of_more_than_500_is_refused(served):
    for count, status in [(500, 200), (501, 400)]:
        body = {"run_id": "x", "cams": [{"Vehicle": "A", "Size": "B"}] * count}
        assert httpx.post(f"{served.url}/api/recommendations/batch", json=body).status_code == status


@pytest.mark.services
def test_a_page_needs_an_offset_and_a_length(served):
    assert httpx.get(f"{served.url}/api/recommendations?segment=City").status_code == 400
    page = httpx.get(f"{served.url}/api/recommendations?segment=unknown&offset=0&top_n=5")
    assert (page.status_code, page.json()) == (200, [])


@pytest.fixture
def served():
    with serving() as server:
        yield server


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--scores", "absent.parquet"], "absent.parquet"),
        (["--scores", "{scores}", "--faults", "503,oops"], "'oops' is no fault"),
        (["--scores", "{scores}", "--port", "70000"], "port"),
        (["--scores", "{broken}"], "no column Units"),
    ],
)
def test_wrong_usage_is_told_in_one_sentence(arguments, sentence, tmp_path, capsys):
    SCORES.drop("vehicle_key", "size_key").write_parquet(tmp_path / "scores.parquet")
    SCORES.drop("Units").write_parquet(tmp_path / "broken.parquet")
    names = {name: tmp_path / f"{name}.parquet" for name in ("scores", "broken")}
    assert main([argument.format(**names) for argument in arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_a_port_that_is_taken_is_wrong_usage(tmp_path, capsys):
    SCORES.write_parquet(tmp_path / "scores.parquet")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["--scores", str(tmp_path / "scores.parquet"), "--port", port]) == 2
    assert "in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ok", Fault()),
        (" 503 ", Fault(503)),
        ("429:7", Fault(429, "7")),
        ("slow:1.5", Fault(seconds=1.5)),
        ("cut", Fault(is_cut=True)),
        ("short", Fault(surplus=-1)),
        ("long:3", Fault(surplus=3)),
    ],
)
def test_a_fault_is_named_in_a_word(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    "text", ["", "200", "600", "503x", "slow", "slow:x", "ok:1", "short:x", "cut:1", "429:+x"]
)
def test_what_is_no_fault_is_refused_with_the_choice(text):
    with pytest.raises(ValueError, match=r"is no fault; write one of:\nok"):
        parse_fault(text)

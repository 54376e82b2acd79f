"""A Databricks workspace for the tests: its REST interface over HTTP, and each run's script as a process.

The real SDK talks to it through DATABRICKS_HOST. A volume is a folder of the test; what the SDK uploads lies
there, and the process finds it under the same path, as it does on Databricks.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.resources.compute.backend_runs import ROOT

FILES = re.compile(r"/api/2\.0/fs/(?P<kind>files|directories)(?P<path>/.*)")


@dataclass
class FakeRun:
    """One submitted run: how it was asked for, and its process."""

    id: int
    asked: dict[str, Any]
    process: subprocess.Popen[bytes]
    cancelled: bool = False
    expired: bool = False

    @property
    def active(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def described(self, host: str) -> dict[str, Any]:
        code = self.process.poll()
        if code is None:
            state = {"life_cycle_state": "RUNNING", "state_message": "In run"}
        else:
            result = "SUCCESS" if code == 0 else "FAILED"
            result = "CANCELED" if self.cancelled else "TIMEDOUT" if self.expired else result
            state = {"life_cycle_state": "TERMINATED", "result_state": result, "state_message": "It is over."}
        return {
            "run_id": self.id,
            "run_name": self.asked["run_name"],
            "run_type": "SUBMIT_RUN",
            "run_page_url": f"{host}/?o=7#job/3/run/{self.id}",
            "state": state,
            "tasks": self.asked["tasks"],
        }


@dataclass
class FakeDatabricks:
    """The workspace, the runs that it was asked for, and whether it has no time at the moment."""

    runs: dict[int, FakeRun] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    host: str = ""

    @contextmanager
    def serving(self) -> Iterator["FakeDatabricks"]:
        workspace = self

        class Handler(_Handler):
            databricks = workspace

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.host = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
            for run in self.runs.values():
                if run.active:
                    run.end()

    def submit(self, asked: dict[str, Any]) -> int:
        token = asked["idempotency_token"]
        assert len(token) <= 64
        if token in self.tokens:
            return self.tokens[token]
        (task,) = asked["tasks"]
        script = task["spark_python_task"]
        variables = task.get("new_cluster", {}).get("spark_env_vars", {})
        process = subprocess.Popen(
            [sys.executable, script["python_file"], *script["parameters"]],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        run_id = 1000 + len(self.runs)
        self.runs[run_id] = FakeRun(run_id, asked, process)
        self.tokens[token] = run_id
        return run_id


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    databricks: FakeDatabricks

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  The name is of the base class.
        """Say nothing; the tests read their own output."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if files := FILES.fullmatch(parts.path):
            self._file(method, files["kind"], Path(unquote(files["path"])), body)
            return
        runs = self.databricks.runs
        match method, parts.path.rpartition("/jobs/runs/")[2]:
            case "POST", "submit":
                self._send(200, {"run_id": self.databricks.submit(json.loads(body))})
            case "GET", "get" if int(query["run_id"]) in runs:
                self._send(200, runs[int(query["run_id"])].described(self.databricks.host))
            case "GET", "list":
                assert query["active_only"] == "true"
                active = [run.described(self.databricks.host) for run in runs.values() if run.active]
                # The list shows a run without the parameters of its tasks.
                self._send(200, {"runs": [{**run, "tasks": []} for run in active], "has_more": False})
            case "POST", "cancel":
                run = runs[json.loads(body)["run_id"]]
                run.cancelled = True
                run.end()
                self._send(200, {})
            case _:
                self._send(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"No {self.path}."})

    def _file(self, method: str, kind: str, path: Path, body: bytes) -> None:
        match method, kind:
            case "PUT", "directories":
                path.mkdir(parents=True, exist_ok=True)
                self._send(204)
            case "PUT", "files":
                path.write_bytes(body)
                self._send(204)
            case (("GET" | "HEAD"), "files") if path.is_file():
                self._send(200, path.read_bytes(), "application/octet-stream")
            case _:
                self._send(404, {"error_code": "NOT_FOUND", "message": f"There is no {path}."})

    def _send(self, status: int, content: object = None, kind: str = "application/json") -> None:
        body = (
            content
            if isinstance(content, bytes)
            else b""
            if content is None
            else json.dumps(content).encode()
        )
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

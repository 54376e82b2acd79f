"""A Docker daemon for the tests: it speaks Docker's protocol, and runs a container's command as a process.

The real client talks to it through DOCKER_HOST. The project is in every image: commands start in its root.
What a command writes in `/tmp` of its container lies in a folder of the test, since the process has no file
system of its own.
"""

import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dagster_pipes import DAGSTER_PIPES_MESSAGES_ENV_VAR, decode_param, encode_param

from tests.resources.compute.backend_runs import ROOT
from tests.resources.compute.reporting_job import MINUTE

ROUTE = re.compile(r"^(?:/v[\d.]+)?/(?P<kind>\w+)(?:/(?P<id>[^/]+))?(?:/(?P<verb>\w+))?$")


@dataclass
class FakeContainer:
    """One container: how it was asked for, and its process."""

    id: str
    asked: dict[str, Any]
    root: Path
    process: subprocess.Popen[bytes] | None = None
    killed_for_memory: bool = False

    def start(self) -> None:
        given = dict(line.split("=", 1) for line in self.asked["Env"])
        messages = decode_param(given[DAGSTER_PIPES_MESSAGES_ENV_VAR])
        inside = {**messages, "path": str(self.at(messages["path"]))}
        given[DAGSTER_PIPES_MESSAGES_ENV_VAR] = encode_param(inside)
        python, *words = self.asked["Cmd"]
        assert python == "python"
        with (self.root / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **given},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        if self.process:
            self.process.send_signal(signal.Signals[self.asked["StopSignal"]])
            self.process.wait(timeout=MINUTE)

    def at(self, path: str) -> Path:
        return self.root / Path(path).name

    @property
    def state(self) -> dict[str, Any]:
        code = self.process.poll() if self.process else None
        status = "created" if not self.process else "running" if code is None else "exited"
        # A shell, and Docker, say 128 + n where Python says -n.
        shown = 128 - code if code is not None and code < 0 else code or 0
        return {"Status": status, "ExitCode": shown, "OOMKilled": self.killed_for_memory, "Error": ""}


@dataclass
class FakeDocker:
    """The daemon: what it has, what it could pull from its registry, and what it was asked for."""

    root: Path
    images: set[str] = field(default_factory=set)
    registry: set[str] = field(default_factory=set)
    containers: dict[str, FakeContainer] = field(default_factory=dict)
    made: list[FakeContainer] = field(default_factory=list)
    address: str = ""

    @contextmanager
    def serving(self) -> Iterator["FakeDocker"]:
        daemon = self

        class Handler(_Handler):
            docker = daemon

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.address = f"tcp://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
            for container in self.made:
                if container.process and container.process.poll() is None:
                    container.process.kill()
                    container.process.wait()

    def create(self, asked: dict[str, Any]) -> FakeContainer:
        name = f"{len(self.made):064x}"
        root = self.root / name
        root.mkdir(parents=True)
        container = FakeContainer(name, asked, root)
        self.containers[name] = container
        self.made.append(container)
        return container

    def matching(self, filters: Mapping[str, list[str]]) -> list[FakeContainer]:
        return [
            container
            for container in self.containers.values()
            if all(
                container.asked["Labels"].get(label.split("=", 1)[0]) == label.split("=", 1)[1]
                for label in filters.get("label", [])
            )
            and container.state["Status"] in filters.get("status", [container.state["Status"]])
        ]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    docker: FakeDocker

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  The name is of the base class.
        """Say nothing; the tests read their own output."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        route = ROUTE.match(parts.path)
        assert route, self.path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        match method, route["kind"], route["id"], route["verb"]:
            case "GET", "version", None, None:
                self._send(200, {"ApiVersion": "1.47"})
            case "POST", "images", "create", None:
                self._pull()
            case "GET", "images", name, "json":
                self._send(200, {"Id": name, "RepoTags": [name]})
            case "POST", "containers", "create", None:
                self._create(json.loads(body))
            case "GET", "containers", "json", None:
                found = self.docker.matching(json.loads(self.query.get("filters", "{}")))
                self._send(200, [{"Id": container.id} for container in found])
            case _, "containers", str(name), verb if name in self.docker.containers:
                self._container(method, self.docker.containers[name], verb)
            case _:
                self._send(404, {"message": f"No such container: {route['id']}"})

    def _container(self, method: str, container: FakeContainer, verb: str | None) -> None:
        match method, verb:
            case "POST", "start":
                container.start()
                self._send(204)
            case "GET", "json":
                config = {
                    "Labels": container.asked["Labels"],
                    "Image": container.asked["Image"],
                    "Tty": False,
                }
                self._send(200, {"Id": container.id, "State": container.state, "Config": config})
            case "GET", "archive":
                self._archive(container)
            case "GET", "logs":
                log = (container.root / "log").read_bytes()
                frame = bytes([1, 0, 0, 0]) + len(log).to_bytes(4, "big") + log
                self._send(200, frame, "application/vnd.docker.multiplexed-stream")
            case "POST", "stop":
                container.stop()
                self._send(204)
            case "DELETE", None:
                del self.docker.containers[container.id]
                self._send(204)
            case _:
                raise AssertionError(self.path)

    def _create(self, asked: dict[str, Any]) -> None:
        if asked["Image"] not in self.docker.images:
            self._send(404, {"message": f"No such image: {asked['Image']}"})
        else:
            self._send(201, {"Id": self.docker.create(asked).id, "Warnings": []})

    def _pull(self) -> None:
        image = f"{self.query['fromImage']}:{self.query['tag']}"
        if image not in self.docker.registry:
            self._send(404, {"message": f"pull access denied for {image}, repository does not exist"})
            return
        self.docker.images.add(image)
        self._send(200, {"status": "Downloaded newer image"})

    def _archive(self, container: FakeContainer) -> None:
        path = container.at(self.query["path"])
        if not path.exists():
            self._send(404, {"message": f"Could not find the file {path.name}"})
            return
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(path, path.name)
        self._send(200, archive.getvalue(), "application/x-tar", {"X-Docker-Container-Path-Stat": "e30="})

    def _send(
        self,
        status: int,
        content: object = None,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        body = (
            content
            if isinstance(content, bytes)
            else b""
            if content is None
            else json.dumps(content).encode()
        )
        self.send_response(status)
        for key, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

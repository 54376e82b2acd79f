"""AWS EMR for the tests: moto's, whose steps really run, over HTTP beside moto's S3.

moto keeps clusters and steps but runs nothing. Here each request about EMR first brings them up to date: a
step of a live cluster is a process that runs the script which the step names, fetched from S3 with its
packages.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import httpx
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.emr.models import Cluster, Step, emr_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

from tests.resources.compute.backend_runs import ROOT
from tests.resources.compute.reporting_job import MINUTE

REGION = "us-east-1"
ALIVE = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
}


@dataclass
class FakeEmr:
    """The service. While `starting` is set, clusters stay in that state and no step begins.

    The answers to the first `lost_answers` starts are lost on their way: the gateway says 502.
    """

    folder: Path
    starting: bool = False
    lost_answers: int = 0
    endpoint: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @contextmanager
    def serving(self) -> Iterator["FakeEmr"]:
        app = self._over(DomainDispatcherApplication(create_backend_app))
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.endpoint = f"http://127.0.0.1:{server.server_port}"
        httpx.post(
            f"{self.endpoint}/moto-api/reset", timeout=30
        ).raise_for_status()  # moto's state is global.
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
            for process in self.processes.values():
                if process.poll() is None:
                    process.kill()
                    process.wait()

    @property
    def clusters(self) -> dict[str, Cluster]:
        return emr_backends[DEFAULT_ACCOUNT_ID][REGION].clusters

    @property
    def steps(self) -> list[Step]:
        return [step for cluster in self.clusters.values() for step in cluster.steps]

    def _over(self, app: Callable[..., Any]) -> Callable[..., Any]:
        lock = Lock()

        def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            with lock:
                target = environ.get("HTTP_X_AMZ_TARGET", "")
                if not target.startswith("ElasticMapReduce."):
                    return app(environ, start_response)
                self._bring_up_to_date()
                if target == "ElasticMapReduce.CancelSteps":  # moto has none.
                    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
                    start_response("200 OK", [("Content-Type", "application/x-amz-json-1.1")])
                    return [json.dumps(self._cancel(**json.loads(body))).encode()]
                lost = target == "ElasticMapReduce.RunJobFlow" and self.lost_answers > 0
                answer = list(app(environ, (lambda *_: None) if lost else start_response))
                self._bring_up_to_date()  # A cluster that this request terminated has no process left.
                if lost:
                    self.lost_answers -= 1
                    start_response("502 Bad Gateway", [])
                    return [b"{}"]
                return answer

        return serve

    def _bring_up_to_date(self) -> None:
        for cluster in self.clusters.values():
            for step in cluster.steps:
                process = self.processes.get(step.id)
                if cluster.state not in ALIVE:
                    self._cut_short(step)
                elif process is None:
                    self._begin(cluster, step)
                elif process.poll() is not None and step.state == "RUNNING":
                    _end(cluster, step, process.returncode)

    def _begin(self, cluster: Cluster, step: Step) -> None:
        if self.starting:
            cluster.state, step.state = "STARTING", "PENDING"
            return
        submit, *words = step.args
        assert submit == "spark-submit"
        code = [str(ROOT)]
        if words[0] == "--py-files":
            _, address, *words = words
            if packages := _stored(address):
                code.insert(0, str(self.folder / f"{step.id}.zip"))
                Path(code[0]).write_bytes(packages)
        script, content = self.folder / f"{step.id}.py", _stored(words[0])
        assert content, words[0]
        script.write_bytes(content)
        self.processes[step.id] = subprocess.Popen(
            [sys.executable, str(script), *words[1:]],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(code),
                "AWS_ENDPOINT_URL": self.endpoint,
                **CREDENTIALS,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        cluster.state = step.state = "RUNNING"

    def _cut_short(self, step: Step) -> None:
        process = self.processes.get(step.id)
        if process and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=MINUTE)
        if step.state in ("PENDING", "RUNNING"):
            step.state = "CANCELLED"

    def _cancel(self, ClusterId: str, StepIds: list[str], **_: str) -> dict[str, Any]:  # noqa: N803  AWS' names.
        (step,) = [step for step in self.clusters[ClusterId].steps if step.id in StepIds]
        self._cut_short(step)
        self.clusters[ClusterId].state = "WAITING"
        return {"CancelStepsInfoList": [{"StepId": step.id, "Status": "SUBMITTED"}]}


def _stored(address: str) -> bytes | None:
    """The content of an object on S3; None if there is none."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    stored = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_object(bucket, key)
    return stored.value if stored else None


def _end(cluster: Cluster, step: Step, code: int) -> None:
    step.state = "FAILED" if code else "COMPLETED"
    if code and step.action_on_failure == "TERMINATE_CLUSTER":
        cluster.state = "TERMINATED_WITH_ERRORS"
    else:
        cluster.state = "TERMINATED" if cluster.auto_terminate else "WAITING"

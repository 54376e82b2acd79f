"""A control plane of AWS Glue on the loopback interface that really runs the uploaded script.

moto keeps the job definitions and refuses what Glue would; the script and the packages that a run names come
from moto's S3. The script runs in a process of its own with the arguments of the run, and reports through
moto's S3. boto3's own client talks to it.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import httpx

PAGE = 2
"""Runs on a page, fewer than any client asks for, as AWS itself may answer."""

Refused = tuple[int, str]


@dataclass
class JobRun:
    """One run: its process, and what GetJobRun says of it."""

    id: str
    job: str
    arguments: Mapping[str, str]
    process: subprocess.Popen[bytes]
    log: Path
    stopped: bool = False
    held: str | None = None
    """A state that is answered whatever the process does."""

    @property
    def state(self) -> str:
        if self.held or self.stopped:
            return self.held or "STOPPED"
        status = self.process.poll()
        return "RUNNING" if status is None else "FAILED" if status else "SUCCEEDED"

    def described(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "Id": self.id,
            "JobName": self.job,
            "JobRunState": self.state,
            "Arguments": self.arguments,
        }
        if self.state == "FAILED":
            told["ErrorMessage"] = self.log.read_text().strip().rpartition("\n")[2]
        return told

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class LocalGlue:
    """What was asked, the runs there are, and what goes wrong with the next requests."""

    moto: str
    folder: Path
    asked: Counter[str] = field(default_factory=Counter)
    runs: dict[str, JobRun] = field(default_factory=dict)
    refusals: defaultdict[str, list[Refused]] = field(default_factory=lambda: defaultdict(list))
    """By operation: status and error code of the next answers."""
    before_answer: dict[str, Callable[[], None]] = field(default_factory=dict)
    """By operation: called when all is done but the answer; if it raises, there is none."""

    @property
    def run(self) -> JobRun:
        """The only run."""
        (run,) = self.runs.values()
        return run

    def answer(self, operation: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        self.asked[operation] += 1
        if self.refusals[operation]:
            status, code = self.refusals[operation].pop(0)
            return status, json.dumps({"__type": code, "message": "as the test wishes"}).encode()
        request = json.loads(body)
        match operation:
            case "StartJobRun":
                return self._start(request, headers, body)
            case "GetJobRun":
                return 200, json.dumps({"JobRun": self.runs[request["RunId"]].described()}).encode()
            case "GetJobRuns":
                return 200, json.dumps(self._page(int(request.get("NextToken", 0)))).encode()
            case "BatchStopJobRun":
                return 200, json.dumps(self._stop(request["JobRunIds"])).encode()
            case _:
                return self._moto(headers, body)

    def _moto(self, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        passed = {name: value for name, value in headers.items() if name.lower() != "host"}
        answer = httpx.post(self.moto, headers=passed, content=body, timeout=30)
        return answer.status_code, answer.content

    def _start(self, request: dict[str, Any], headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        status, content = self._moto(headers, body)
        if status == 200:
            run_id = json.loads(content)["JobRunId"]
            job = boto3.client("glue").get_job(JobName=request["JobName"])["Job"]
            self.runs[run_id] = self._launched(run_id, job, request.get("Arguments", {}))
        return status, content

    def _launched(self, run_id: str, job: Mapping[str, Any], arguments: Mapping[str, str]) -> JobRun:
        script, log = self.folder / f"{run_id}.py", self.folder / f"{run_id}.log"
        script.write_bytes(_stored(job["Command"]["ScriptLocation"]))
        given = [*arguments.items(), ("--JOB_NAME", job["Name"]), ("--JOB_RUN_ID", run_id)]
        # Of our environment Glue has nothing but the account, the region and the network.
        environ = {name: os.environ[name] for name in os.environ if name.startswith(("AWS_", "PATH"))}
        if package := arguments.get("--extra-py-files"):
            environ["PYTHONPATH"] = str(self.folder / f"{run_id}.zip")
            Path(environ["PYTHONPATH"]).write_bytes(_stored(package))
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, str(script), *(part for pair in given for part in pair)],
                env=environ,
                cwd=self.folder,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        return JobRun(run_id, job["Name"], arguments, process, log)

    def _page(self, first: int) -> dict[str, Any]:
        newest_first = list(reversed(self.runs.values()))
        page: dict[str, Any] = {"JobRuns": [run.described() for run in newest_first[first : first + PAGE]]}
        if first + PAGE < len(newest_first):
            page["NextToken"] = str(first + PAGE)
        return page

    def _stop(self, run_ids: list[str]) -> dict[str, Any]:
        told: dict[str, Any] = {"SuccessfulSubmissions": [], "Errors": []}
        for run in (self.runs[run_id] for run_id in run_ids):
            about = {"JobName": run.job, "JobRunId": run.id}
            if run.state == "RUNNING":
                run.kill()
                run.stopped = True
                told["SuccessfulSubmissions"].append(about)
            else:
                detail = {"ErrorCode": "InvalidInputException", "ErrorMessage": f"The run is {run.state}."}
                told["Errors"].append({**about, "ErrorDetail": detail})
        return told


def _stored(address: str) -> bytes:
    """The content of an object on S3."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


@contextmanager
def serving(glue: LocalGlue) -> Iterator[str]:
    """The endpoint of a control plane; at the end every process that it started is gone."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].removeprefix("AWSGlue.")
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, content = glue.answer(operation, dict(self.headers), body)
            try:
                glue.before_answer.pop(operation, lambda: None)()
            except ConnectionError:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(ConnectionError):  # Whoever asked may have been interrupted.
                self.wfile.write(content)

        def log_request(self, code: object = None, size: object = None) -> None:
            """Nothing: the tests read `asked`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        for run in glue.runs.values():
            run.kill()

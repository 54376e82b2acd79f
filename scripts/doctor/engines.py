"""Where dwh works: the Spark engine, and the platform that its jobs are sent to."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from resources.compute import Compute, RemoteBackend, Settings
from resources.spark import Spark
from scripts.doctor.buckets import Place
from scripts.doctor.buckets import look as look_at_place
from scripts.doctor.findings import Finding, ok, problem, warning
from scripts.doctor.installation import Installation, hurried

_HEAP: Final = re.compile(r"[1-9][0-9]*[kmgtKMGT]")
_OLDEST_JAVA: Final = 17
_CONNECT_PORT: Final = 15002
_SECONDS: Final = 5.0
_NO_JOB: Final = "quintet-doctor"
"""A launch token that no job has."""


def spark(matter: str, installation: Installation) -> Iterator[Finding]:
    """Whether the engine starts and counts; before that, whether Java is there or the server answers."""
    engine = installation.resource("spark", Spark)
    before = list(_before_the_start(matter, engine))
    yield from before
    if any(finding.state == "problem" for finding in before):
        return
    with engine.session() as session:
        rows = session.range(3).count()
        yield ok(matter, f"Spark {session.version} started and counted {rows} rows")


def _before_the_start(matter: str, engine: Spark) -> Iterator[Finding]:
    """What a start would end in minutes of waiting or in a trace of Java."""
    memory, remote = engine.driver_memory, engine.remote
    if engine.engine == "jvm":
        if memory and not _HEAP.fullmatch(memory):
            found = f"QUINTET_SPARK_DRIVER_MEMORY is {memory!r}, which is no size of a heap"
            yield problem(matter, found, "write a number and m or g, such as 8g")
        yield from _java(matter)
    if engine.engine == "connect" and remote and (refusal := _refusal_of(remote)):
        remedy = "correct QUINTET_SPARK_REMOTE, or start the server"
        yield problem(matter, f"{remote} does not answer ({refusal})", remedy)


def _java(matter: str) -> Iterator[Finding]:
    """Which Java there is; where there is none, the session says so."""
    home = os.environ.get("JAVA_HOME", "").strip()
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    if not java or not Path(java).is_file():
        return
    asked = subprocess.run(
        [java, "-version"], capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
    )
    found = re.search(r'version "(\d+)[^"]*"', asked.stderr)
    if found is None:
        yield warning(matter, f"{java} does not say its version", "install Java 17 or later")
    elif int(found[1]) < _OLDEST_JAVA:
        yield problem(
            matter, f"{java} is Java {found[1]}", "install Java 17 or later, and set JAVA_HOME to it"
        )
    else:
        yield ok(matter, f"{java} is Java {found[1]}")


def _refusal_of(remote: str) -> str | None:
    """Why nobody listens at an address `sc://host:port`; the client itself would go on trying."""
    address = urlsplit(remote)
    try:
        target = (address.hostname or "", address.port or _CONNECT_PORT)
        if address.scheme != "sc" or not target[0]:
            return "it is not sc://host:port"
        socket.create_connection(target, timeout=_SECONDS).close()
    except (OSError, ValueError) as error:
        return str(error)
    return None


def compute(matter: str, installation: Installation) -> Iterator[Finding]:
    """Whether the backend can be made of its settings, and the platform answers for our job."""
    backend = installation.resource("compute", Compute).for_run({}, installation.environ)
    if not isinstance(backend, RemoteBackend):
        yield ok(matter, "jobs run on this machine")
        return
    backend.find(_NO_JOB)
    yield ok(matter, "the platform answers; no job was started")
    if backend.name in ("glue", "emr"):
        yield from _messages(matter, installation, backend.name)


def _messages(matter: str, installation: Installation, backend: str) -> Iterator[Finding]:
    """Where jobs on AWS report: S3 in every deployment."""
    from resources.compute.s3_messages import S3Messages
    from resources.object_store.s3 import S3ObjectStore

    messages = S3Messages.from_settings(Settings(backend, installation.environ))
    yield from look_at_place(matter, Place(hurried(S3ObjectStore()), messages.bucket, messages.prefix))

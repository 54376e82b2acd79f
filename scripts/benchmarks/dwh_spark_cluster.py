"""A Spark standalone cluster on this machine, out of the pyspark wheel: a master, two workers, Spark Connect.

All listen on the loopback interface, on ports that the system chooses, and end with the block that they were
started for. A worker has one core and 1 GB for its executor. Not here: what runs on the cluster.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.benchmarks.lines import BenchmarkFailed
from scripts.benchmarks.processes import started

WORKERS: Final = 2

_MASTER: Final = "org.apache.spark.deploy.master.Master"
_WORKER: Final = "org.apache.spark.deploy.worker.Worker"
_CONNECT: Final = "org.apache.spark.sql.connect.service.SparkConnectServer"
_MEMORY: Final = "1g"
# On a busy machine Java takes half a minute to say where it listens.
_STARTING_SECONDS: Final = 180
_BETWEEN_LOOKS: Final = 0.2

_OF_APPLICATIONS: Final = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.executor.memory": _MEMORY,
    "spark.ui.enabled": "false",
    # Task counts of two cores: 200 shuffle tasks of nothing take seconds.
    "spark.sql.shuffle.partitions": "8",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster."""

    master: str
    """`spark://host:port`."""
    folder: Path
    environ: Mapping[str, str]

    def submit(self, *options: str, packages: Sequence[Path] = ()) -> list[str]:
        """The command that runs something on the cluster, its driver in the process of the command."""
        command = [str(_bin() / "spark-submit"), "--master", self.master, "--driver-memory", _MEMORY]
        for name, value in _OF_APPLICATIONS.items():
            command += ["--conf", f"{name}={value}"]
        if packages:
            command += ["--py-files", ",".join(map(str, packages))]
        return [*command, *options]

    @property
    def executors(self) -> list[int]:
        """How many executors each application so far has had, by the folders that workers made for them."""
        found = [path for path in self.folder.glob("worker-*/app-*/*") if path.is_dir()]
        names = sorted(path.parent.name for path in found)
        return [names.count(name) for name in sorted(set(names))]


@contextmanager
def standalone_cluster(folder: Path, environ: Mapping[str, str]) -> Iterator[Cluster]:
    """A master and its workers, ready to work; logs and work folders are kept in an empty folder.

    Raises:
        BenchmarkFailed: one of them ended, or was not ready in time.
    """
    daemons = {
        **environ,
        "SPARK_HOME": str(_bin().parent),
        "SPARK_DAEMON_MEMORY": "512m",
        "SPARK_NO_DAEMONIZE": "1",
        # Its second way to take applications has a port of its own, always the same.
        "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false",
    }
    java = str(_bin() / "spark-class")
    with ExitStack() as held:
        master_log = folder / "master.log"
        command = [java, _MASTER, "--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
        master = _start(held, command, daemons, master_log)
        address = _said(master, master_log, r"Starting Spark master at (spark://\S+)")
        for number in range(WORKERS):
            command = [java, _WORKER, "--host", "127.0.0.1", "--webui-port", "0"]
            command += ["--cores", "1", "--memory", _MEMORY]
            command += ["--work-dir", str(folder / f"worker-{number}"), address]
            log = folder / f"worker-{number}.log"
            _said(_start(held, command, daemons, log), log, "(Successfully registered with master)")
        yield Cluster(address, folder, environ)


@contextmanager
def connect_server(cluster: Cluster) -> Iterator[str]:
    """A Spark Connect server whose sessions work on the cluster; its address `sc://host:port`.

    Raises:
        BenchmarkFailed: it ended, or was not ready in time.
    """
    command = cluster.submit(
        "--conf",
        "spark.connect.grpc.binding.address=127.0.0.1",
        "--conf",
        "spark.connect.grpc.binding.port=0",
        "--class",
        _CONNECT,
    )
    log = cluster.folder / "connect.log"
    with ExitStack() as held:
        server = _start(held, command, cluster.environ, log)
        port = _said(server, log, r"Spark Connect server started at: .*:(\d+)")
        yield f"sc://127.0.0.1:{port}"


def _bin() -> Path:
    """The commands inside the pyspark wheel."""
    import pyspark

    return Path(pyspark.__file__).parent / "bin"


def _start(
    held: ExitStack, command: Sequence[str], environ: Mapping[str, str], log: Path
) -> subprocess.Popen[str]:
    errors = held.enter_context(log.open("wb"))
    return held.enter_context(started(command, environ, errors.fileno()))


def _said(process: subprocess.Popen[str], log: Path, pattern: str) -> str:
    """Wait until a process has said something, and return the group of it that the pattern names."""
    deadline = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < deadline:
        found = re.search(pattern, log.read_text(errors="replace"))
        if found:
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(_BETWEEN_LOOKS)
    print(log.read_text(errors="replace"), file=sys.stderr)
    raise BenchmarkFailed(f"{log.stem} of the Spark cluster did not start; what it said is above")

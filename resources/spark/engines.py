"""What each Spark engine needs to start: the settings of its session, and who stops it.

A process holds either a classic session or Spark Connect ones, never both at a time. PySpark notes which in
the variable `SPARK_CONNECT_MODE_ENABLED` and does not take it back, so that is done here.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from resources.spark.sail_server import SAIL, SailGone

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Engine = Literal["sail", "jvm", "connect"]
ENGINES: Final[tuple[Engine, ...]] = get_args(Engine)

# Wrong arithmetic and casts fail on every engine, and text is never read in the zone of a machine.
_EVERYWHERE: Final = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true"}

# Loopback, no web UI: the session is ours alone. The heap holds what a day of 5 million rows needs at a time.
_LOCAL_JVM: Final = {
    "spark.master": "local[*]",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "2g",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Task counts of a machine, not of a cluster: 200 shuffle tasks of nothing take seconds.
    "spark.sql.shuffle.partitions": "8",
}

# Set on a session that we made on this machine, which is not one of a platform.
_OURS: Final = "spark.quintet.embedded"

_CONNECT_MODE: Final = "SPARK_CONNECT_MODE_ENABLED"
_SUBMITTED: Final = "PYSPARK_GATEWAY_PORT"
"""Set by spark-submit, and so on every platform that runs Python through it."""


class SparkMissing(RuntimeError):
    """The engine cannot start here: Java, the address of a server or a part of PySpark is missing."""


@contextmanager
def sail_session() -> Iterator["SparkSession"]:
    """A session of its own on this process's server, which takes 20 ms once that is started."""
    try:
        port = SAIL.port()
    except SailGone as gone:
        raise SparkMissing(f"{gone}; its reason is on standard error. Or use the engine jvm") from gone
    with connect_session(f"sc://127.0.0.1:{port}") as session:
        from resources.spark import retries

        session.client.set_retry_policies(retries.of_this_machine())
        yield session


@contextmanager
def connect_session(remote: str) -> Iterator["SparkSession"]:
    """A session on the Spark Connect server of an address `sc://host:port`."""
    try:
        session = _session({"spark.remote": remote})
        try:
            yield session
        finally:
            session.stop()
    finally:
        os.environ.pop(_CONNECT_MODE, None)


@contextmanager
def jvm_session(options: Mapping[str, str]) -> Iterator["SparkSession"]:
    """The session of the platform that runs this process, which stays; else one on this machine's Java."""
    if has_platform_session():
        yield _session({})
        return
    if not _has_java():
        raise SparkMissing(
            "The Spark engine jvm needs Java 17 or later, which is neither in JAVA_HOME nor on the PATH; "
            "install it (on Debian: apt-get install openjdk-17-jre-headless), or use the engine sail"
        )
    # Its Python workers would otherwise be those of the PATH, which need not have our packages. The setting
    # `spark.pyspark.python` is spark-submit's alone.
    with _variable("PYSPARK_PYTHON", sys.executable):
        session = _session({**_LOCAL_JVM, _OURS: "true", **options})
    try:
        yield session
    finally:
        session.stop()


def has_platform_session() -> bool:
    """Whether somebody else made the session: spark-submit, Glue, EMR or a Databricks cluster."""
    if os.environ.get(_SUBMITTED):
        return True
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    return session is not None and session.conf.get(_OURS, "false") != "true"


def _session(options: Mapping[str, str]) -> "SparkSession":
    from dagster_pyspark import LazyPySparkResource

    return LazyPySparkResource(spark_config={**_EVERYWHERE, **options}).spark_session


@contextmanager
def _variable(name: str, otherwise: str) -> Iterator[None]:
    """Set an environment variable that is not set."""
    if os.environ.get(name):
        yield
        return
    os.environ[name] = otherwise
    try:
        yield
    finally:
        del os.environ[name]


def _has_java() -> bool:
    home = os.environ.get("JAVA_HOME", "").strip()
    return bool(Path(home, "bin", "java").is_file() if home else shutil.which("java"))

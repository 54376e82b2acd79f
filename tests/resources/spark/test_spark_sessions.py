"""Sessions of every engine: what they promise, one after another in one process, and what is missing."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from resources.deployments import resources_for
from resources.spark import Spark, SparkMissing
from resources.spark.sail_server import NAME, SailServer


def rows_and_settings(spark: Spark) -> tuple[int, str, str]:
    with spark.session() as session:
        return (
            session.range(1000).count(),
            str(session.conf.get("spark.sql.session.timeZone")),
            str(session.conf.get("spark.sql.ansi.enabled")),
        )


def test_sail_runs_in_utc_with_ansi_rules_and_needs_no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert rows_and_settings(Spark(work_folder=str(tmp_path))) == (1000, "UTC", "true")


@pytest.mark.services
def test_engines_follow_one_another_in_one_process(
    tmp_path: Path, missing_service: Callable[[str], NoReturn]
):
    if shutil.which("java") is None:
        missing_service("Java is not installed: apt-get install openjdk-17-jre-headless")
    spark = Spark(work_folder=str(tmp_path))
    for engine in ("sail", "jvm", "sail", "jvm"):
        assert rows_and_settings(spark.for_run({"spark_engine": engine})) == (1000, "UTC", "true")


def test_a_session_is_stopped_when_the_block_fails(tmp_path: Path):
    spark = Spark(work_folder=str(tmp_path))
    with pytest.raises(KeyError, match="mine"), spark.session() as session:
        raise KeyError("mine")
    with pytest.raises(Exception, match=r"(?i)session|channel|connect"):
        session.range(1).count()
    assert "SPARK_CONNECT_MODE_ENABLED" not in os.environ
    assert rows_and_settings(spark)[0] == 1000


def test_sessions_of_one_process_share_nothing(tmp_path: Path):
    spark = Spark(work_folder=str(tmp_path))
    with spark.session() as first:
        first.range(3).createOrReplaceTempView("mine")
        first.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    with spark.session() as second:
        assert second.conf.get("spark.sql.session.timeZone") == "UTC"
        with pytest.raises(Exception, match="mine"):
            second.sql("SELECT * FROM mine").count()


def servers() -> list[psutil.Process]:
    """The Sail servers of this process."""
    children = psutil.Process().children()
    return [child for child in children if NAME in child.cmdline()]


def test_a_server_that_died_is_started_again_for_the_next_session(tmp_path: Path):
    spark = Spark(work_folder=str(tmp_path))
    with pytest.raises(Exception, match=r"(?i)connect|socket|unavailable"), spark.session() as session:  # noqa: PT012
        (server,) = servers()
        server.kill()
        server.wait(10)
        session.range(1000).count()
    assert rows_and_settings(spark) == (1000, "UTC", "true")


def test_functions_find_the_modules_of_this_process_and_may_print_at_length(tmp_path: Path):
    (tmp_path / "words_of_mine.py").write_text(
        "def said(number):\n    print('x' * 1000)\n    return -number\n"
    )
    program = """
import sys
from pyspark.sql.functions import udf
from resources.spark import Spark
from words_of_mine import said
with Spark(work_folder=sys.argv[1]).session() as session:
    print(session.range(300).select(udf(said, "long")("id").alias("n")).groupBy().sum("n").collect()[0][0])
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "-44850\n"), ended.stderr


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_ends_with_its_process_however_that_ends(tmp_path: Path, end: signal.Signals):
    program = """
import sys, time
from resources.spark import Spark
with Spark(work_folder=sys.argv[1]).session() as session:
    session.range(10).count()
    print("ready", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (server,) = psutil.Process(process.pid).children()
        process.send_signal(end)
        process.wait(30)
        server.wait(30)


def test_a_server_that_cannot_start_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("resources.spark.engines.SAIL", SailServer())
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with (
        pytest.raises(SparkMissing, match=r"exit code 1 before it listened.*engine jvm"),
        Spark(work_folder=str(tmp_path)).session(),
    ):
        pass


def test_connect_joins_the_server_of_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUST_LOG", "error")
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer(port=0)
    server.start(background=True)
    try:
        address = server.listening_address
        assert address is not None
        remote = f"sc://127.0.0.1:{address[1]}"
        spark = Spark(engine="connect", remote=remote, work_folder=str(tmp_path))
        assert rows_and_settings(spark) == (1000, "UTC", "true")
    finally:
        server.stop()


def test_connect_without_an_address_names_the_variable(tmp_path: Path):
    with (
        pytest.raises(SparkMissing, match="QUINTET_SPARK_REMOTE"),
        Spark(engine="connect", work_folder=str(tmp_path)).session(),
    ):
        pass


def test_the_jvm_without_java_names_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with (
        pytest.raises(SparkMissing, match="openjdk-17-jre-headless"),
        Spark(engine="jvm", work_folder=str(tmp_path)).session(),
    ):
        pass


@pytest.mark.parametrize("engine", ["flink", "Sail", "local"])
def test_an_unknown_engine_lists_the_known_ones(tmp_path: Path, engine: str):
    with pytest.raises(ValueError, match="sail, jvm, connect"):
        Spark(work_folder=str(tmp_path)).for_run({"spark_engine": engine})
    with (
        pytest.raises(ValueError, match="sail, jvm, connect"),
        Spark(engine=engine, work_folder=str(tmp_path)).session(),
    ):
        pass


@pytest.mark.parametrize("tags", [{}, {"spark_engine": " "}])
def test_a_run_without_the_tag_keeps_the_engine(tmp_path: Path, tags: dict[str, str]):
    assert Spark(engine="jvm", work_folder=str(tmp_path)).for_run(tags).engine == "jvm"


@pytest.mark.parametrize(
    ("deployment", "environ", "engine"),
    [
        ("local", {}, "sail"),
        ("test", {}, "sail"),
        ("aws", {}, "jvm"),
        ("aws", {"QUINTET_SPARK_REMOTE": "sc://127.0.0.1:15002"}, "connect"),
        ("gcp", {}, "jvm"),
        ("local", {"QUINTET_SPARK_ENGINE": "jvm"}, "jvm"),
        ("aws", {"QUINTET_SPARK_ENGINE": "sail"}, "sail"),
    ],
)
def test_each_deployment_has_its_engine(
    tmp_path: Path, deployment: str, environ: dict[str, str], engine: str
):
    spark = resources_for(deployment, {"QUINTET_HOME": str(tmp_path), **environ})["spark"]
    assert isinstance(spark, Spark)
    assert spark.engine == engine
    assert spark.remote == environ.get("QUINTET_SPARK_REMOTE")

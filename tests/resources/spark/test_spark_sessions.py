"""Sessions of every engine: what they promise, one after another in one process, and what is missing."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from resources.deployments import resources_for
from resources.spark import Spark, SparkMissing


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

"""Spark sessions for the tests of dwh: one on Sail, and one on each engine in turn."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from resources.spark import Spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JVM = pytest.param("jvm", marks=pytest.mark.services)


@pytest.fixture
def spark_resource(tmp_path: Path) -> Spark:
    """The resource on Sail, with a work folder of the test."""
    return Spark(engine="sail", work_folder=str(tmp_path / "work"))


@pytest.fixture
def spark(spark_resource: Spark) -> Iterator["SparkSession"]:
    """A session on Sail."""
    with spark_resource.session() as session:
        yield session


@pytest.fixture(params=["sail", JVM])
def either_resource(
    request: pytest.FixtureRequest, tmp_path: Path, missing_service: Callable[[str], NoReturn]
) -> Spark:
    """The resource on each embedded engine in turn."""
    if request.param == "jvm" and shutil.which("java") is None:
        missing_service("Java is not installed: apt-get install openjdk-17-jre-headless")
    return Spark(engine=request.param, work_folder=str(tmp_path / "work"))


@pytest.fixture
def either_spark(either_resource: Spark) -> Iterator["SparkSession"]:
    """A session on each embedded engine in turn."""
    with either_resource.session() as session:
        yield session

"""The `spark` resource itself: which engine a run gets, its session, and the files of that session."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Final

import dagster as dg
from pydantic import Field

from resources.object_store import ObjectStore
from resources.spark.engines import (
    ENGINES,
    Engine,
    SparkMissing,
    connect_session,
    has_platform_session,
    jvm_session,
    sail_session,
)
from resources.spark.files import EngineFiles, files_of_engine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ENGINE_TAG: Final = "spark_engine"
"""The run tag that chooses another engine for one run."""

_ONE_AT_A_TIME: Final = Lock()


class Spark(dg.ConfigurableResource):
    """Sessions of one engine. Nothing is imported or started before a session is asked for."""

    engine: str = Field(default="sail", description="sail, jvm or connect.")
    remote: str | None = Field(default=None, description="sc://host:port, for connect.")
    work_folder: str = Field(description="Where an engine on this machine keeps its files for a run.")
    driver_memory: str | None = Field(default=None, description="Heap of a Java on this machine, such as 8g.")

    def for_run(self, tags: Mapping[str, str]) -> "Spark":
        """This resource, or the same with the engine that the run's tag `spark_engine` names.

        Raises:
            ValueError: there is no such engine.
        """
        chosen = tags.get(ENGINE_TAG, "").strip() or self.engine
        if chosen not in ENGINES:
            raise ValueError(f"There is no Spark engine {chosen!r}; choose one of {', '.join(ENGINES)}")
        return self.model_copy(update={"engine": chosen})

    @property
    def most_python_tasks(self) -> int:
        """Into how many tasks work in Python should be cut at most.

        Sail begins all tasks of a stage at once, so that their memory adds up: 16 of them took 1.8 GB for a
        day of 1.7 million raw lines. Every other engine begins as many as it has cores.
        """
        return 16 if self.engine == "sail" else 1000

    @contextmanager
    def session(self) -> Iterator["SparkSession"]:
        """A session in UTC with ANSI rules, stopped at the end; a process has one at a time.

        Raises:
            SparkMissing: the engine cannot start here.
        """
        with _ONE_AT_A_TIME, self._new_session() as session:
            yield session

    @contextmanager
    def files(self, store: ObjectStore, bucket: str, prefix: str) -> Iterator[EngineFiles]:
        """The files of one run on this engine, gone at the end.

        An engine elsewhere keeps them in that folder of the store, one of this machine in its work folder.
        """
        with files_of_engine(
            store, work_folder=self.work_folder, elsewhere=None if self._is_here else (bucket, prefix)
        ) as files:
            yield files

    @property
    def _is_here(self) -> bool:
        """Whether the engine sees the disk of this machine and nothing else has to be reached by it."""
        match self._checked_engine:
            case "sail":
                return True
            case "connect":
                return False
            case "jvm":
                return not has_platform_session()

    @property
    def _checked_engine(self) -> Engine:
        for engine in ENGINES:
            if engine == self.engine:
                return engine
        raise ValueError(f"There is no Spark engine {self.engine!r}; choose one of {', '.join(ENGINES)}")

    def _new_session(self) -> AbstractContextManager["SparkSession"]:
        match self._checked_engine:
            case "sail":
                return sail_session()
            case "jvm":
                return jvm_session({"spark.driver.memory": self.driver_memory} if self.driver_memory else {})
            case "connect":
                if not self.remote:
                    raise SparkMissing(
                        "The Spark engine connect needs the address of its server; set QUINTET_SPARK_REMOTE "
                        "to sc://host:port"
                    )
                return connect_session(self.remote)

"""Where a stage works: the engine, the store, the files between them, and the clock.

Dagster and the command lines open one for a run and close it at its end. Not here: what a stage is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from assets.dwh.paths import Scheme
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from resources.spark import EngineFiles

CODE_VERSION: Final = "1.0"
"""The version of the rules of the three jobs in manifests; it rises when rows may come out otherwise."""


@dataclass(frozen=True)
class Site:
    """Everything outside that a stage needs."""

    session: "SparkSession"
    store: ObjectStore
    files: "EngineFiles"
    scheme: Scheme
    """How manifests write addresses here, see `scheme_of`."""
    now: Callable[[], datetime]
    """The time, with its zone."""
    log: Callable[[str], None]
    """Takes one line for people."""
    most_python_tasks: int = 16
    """See `Spark.most_python_tasks`."""


def scheme_of(store: ObjectStore, bucket: str = "dwh-data") -> Scheme:
    """How manifests write addresses in a store: `gs` on Google's cloud, `s3` everywhere else."""
    return "gs" if store.uri(bucket, "key").startswith("gs://") else "s3"

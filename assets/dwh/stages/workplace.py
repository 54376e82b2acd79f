"""Where jobs work: the resources of a deployment, opened for one job at a time.

A step of Dagster and an entry on a platform each make one. Not here: what a job does (`jobs`).
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from assets.dwh.decryptor import Base64Json, Decryptor, SqlFunction
from assets.dwh.paths import Location
from assets.dwh.publishers import Outbox
from assets.dwh.stages.events import outbox_for
from assets.dwh.stages.site import Site, scheme_of
from resources.object_store import ObjectStore
from resources.spark import Spark
from resources.warehouse import Warehouse

DECRYPT_VARIABLE: Final = "DWH_DECRYPT_FUNCTION"
"""Names the SQL function that decrypts, registered on the cluster; unset, records are in the open form."""


def configured_decryptor(environ: Mapping[str, str]) -> Decryptor | SqlFunction:
    """The decryptor of a deployment.

    Raises:
        ValueError: the variable names no SQL function.
    """
    name = environ.get(DECRYPT_VARIABLE, "").strip()
    return SqlFunction(name) if name else Base64Json()


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Workplace:
    """The resources of a deployment, a clock, and who reads the log."""

    store: ObjectStore
    spark: Spark
    warehouse: Warehouse
    log: Callable[[str], None]
    now: Callable[[], datetime] = field(default=_now)
    decryptor: Decryptor | SqlFunction = field(default_factory=lambda: configured_decryptor(os.environ))

    @contextmanager
    def site(self, base: Location, run_id: str) -> Iterator[Site]:
        """A Spark session and its files, stopped and gone at the end.

        Args:
            base: the folder that the job writes to. An engine elsewhere keeps its files in `_scratch` there,
                in a folder of the run.
            run_id: the run that it is opened for.
        """
        scratch = base / "_scratch" / run_id
        with (
            self.spark.session() as session,
            self.spark.files(self.store, scratch.bucket, scratch.key) as files,
        ):
            yield Site(
                session=session,
                store=self.store,
                files=files,
                scheme=scheme_of(self.store),
                now=self.now,
                log=self.log,
                most_python_tasks=self.spark.most_python_tasks,
            )

    @property
    def outbox(self) -> Outbox:
        """The events of finished jobs."""
        return outbox_for(self.store)

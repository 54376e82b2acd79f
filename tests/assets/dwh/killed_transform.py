"""A transform run whose process is killed at one of its writes: what `test_transform_kills` starts.

Arguments: the root of a local object store, a work folder, and how many writes happen before.
"""

import os
import signal
import sys
from datetime import UTC, datetime

from assets.dwh.metrics import JobRun
from assets.dwh.stages.site import Site, scheme_of
from assets.dwh.stages.transforming import TransformRequest, transform_images
from resources.object_store import LocalObjectStore, ObjectInfo
from resources.object_store.values import Condition, Spool
from resources.spark import Spark
from tests.assets.dwh.transform_runs import DAY, PACIFIC, hours


class KillingStore(LocalObjectStore):
    """A local store that kills its own process instead of a write."""

    writes_before: int

    def _publish(self, bucket: str, key: str, spool: Spool, condition: Condition) -> ObjectInfo:
        if len(self.list_keys("dwh-data", "transformed_images/")) == self.writes_before:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._publish(bucket, key, spool, condition)


if __name__ == "__main__":
    root, work_folder, writes_before = sys.argv[1:]
    store = KillingStore(root=root, writes_before=int(writes_before))
    spark = Spark(work_folder=work_folder)
    run = JobRun("transform_images", "transform-killed", datetime.now(UTC))
    with spark.session() as session, spark.files(store, "dwh-data", "_scratch") as files:
        site = Site(session, store, files, scheme_of(store), lambda: datetime.now(UTC), lambda _: None)
        transform_images(site, TransformRequest(run=run, day=DAY, window=hours(0, 1), timezone=PACIFIC))

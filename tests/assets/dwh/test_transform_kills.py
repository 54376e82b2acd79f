"""A transform run that ends at any of its writes leaves nothing to read, and the next one is whole."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from assets.dwh.inputs import LatePointer, day_inputs
from assets.dwh.paths import TransformedImages
from assets.dwh.stages.transform_publication import read_manifests
from assets.dwh.stages.transforming import TRANSFORMED_IMAGES
from resources.object_store import LocalObjectStore, StoreUnavailable
from tests.assets.dwh import killed_transform
from tests.assets.dwh.raw_line_samples import line
from tests.assets.dwh.transform_runs import DAY, MIDNIGHT, PACIFIC
from tests.assets.dwh.transform_workplaces import BUCKET, workplace_of

PLACES = TransformedImages(TRANSFORMED_IMAGES, PACIFIC)
CONTENT = b"\n".join(
    [line("m1"), line("m2", "other"), line("m3", updated="2025-01-14T12:00:00Z"), *[line()] * 20, b"{"]
)
WRITES = 6
"""Three outputs, the dropped records, a late pointer, the manifest."""


class FailingStore(LocalObjectStore):
    """A local store that takes only so many objects below the folder of transformed images."""

    writes_before: int

    def _publish(self, bucket, key, spool, condition):
        if key.startswith("transformed_images/") and self.writes_before == written(self):
            raise StoreUnavailable(f"{key} was not written")
        return super()._publish(bucket, key, spool, condition)


def written(store) -> int:
    return len(store.list_keys(BUCKET, "transformed_images/"))


def readable(store, day):
    """The runs that a reader of a day finds, as the filter looks for them."""
    folder = PLACES.late_pointers(day)
    pointers = [
        LatePointer.read(key, store.read_bytes(BUCKET, key))
        for key in store.list_keys(BUCKET, f"{folder.key}/")
    ]
    manifests = [*read_manifests(store, PLACES.manifests(DAY)), *read_manifests(store, PLACES.manifests(day))]
    return day_inputs(day, manifests, pointers, []).runs


@pytest.mark.parametrize("writes_before", range(WRITES))
def test_a_run_that_fails_at_a_write_is_not_readable(spark, spark_resource, tmp_path, writes_before):
    root = str(tmp_path / "storage")
    store = FailingStore(root=root, writes_before=writes_before)
    with workplace_of(spark, spark_resource, store) as workplace:
        workplace.put(MIDNIGHT, CONTENT)
        with pytest.raises(StoreUnavailable):
            workplace.transform()
    whole = LocalObjectStore(root=root)
    assert written(whole) == writes_before
    assert readable(whole, DAY) == readable(whole, DAY.replace(day=14)) == ()
    with workplace_of(spark, spark_resource, whole) as workplace:
        next(workplace.numbers)
        outcome = workplace.transform()
    assert [run.run_id for run in readable(whole, DAY)] == [outcome.manifest.run_id]
    assert [run.run_id for run in readable(whole, DAY.replace(day=14))] == [outcome.manifest.run_id]
    assert written(whole) == writes_before + WRITES


@pytest.mark.parametrize("writes_before", [1, WRITES - 1])
def test_a_killed_process_leaves_nothing_readable(spark, spark_resource, tmp_path, writes_before):
    root = tmp_path / "storage"
    store = LocalObjectStore(root=str(root))
    with workplace_of(spark, spark_resource, store) as workplace:
        workplace.put(MIDNIGHT, CONTENT)
        arguments = [str(root), str(tmp_path / "work"), str(writes_before)]
        script = Path(killed_transform.__file__)
        ended = subprocess.run(
            [sys.executable, str(script), *arguments], timeout=120, check=False, capture_output=True
        )
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
        assert written(store) == writes_before
        assert readable(store, DAY) == ()
        outcome = workplace.transform()
    assert [run.run_id for run in readable(store, DAY)] == [outcome.manifest.run_id]
    assert outcome.manifest.records_written == 23

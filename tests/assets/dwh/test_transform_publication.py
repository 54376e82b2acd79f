"""How transform runs stand beside one another: folders, manifests, and what a failed one leaves."""

import pytest

from assets.dwh.decryptor import SqlFunction
from assets.dwh.documents import UnreadableDocument
from assets.dwh.frames.raw_lines import RawObjectUnreadable
from assets.dwh.paths import Location
from assets.dwh.quality import QualityRules
from assets.dwh.stages.transform_publication import RunHasWritten
from resources.object_store import LocalObjectStore
from tests.assets.dwh.raw_line_samples import good_lines, line
from tests.assets.dwh.transform_runs import MIDNIGHT, hours
from tests.assets.dwh.transform_workplaces import BUCKET, workplace_of


@pytest.fixture
def store(tmp_path):
    return LocalObjectStore(root=str(tmp_path / "storage"))


@pytest.fixture
def workplace(spark, spark_resource, store):
    with workplace_of(spark, spark_resource, store) as workplace:
        yield workplace


@pytest.mark.parametrize("clean_sink", [True, False])
def test_runs_do_not_touch_one_another(workplace, clean_sink):
    """Defects 3, 4 and 16: nothing of another run is deleted, overwritten or counted."""
    workplace.put(MIDNIGHT, good_lines(5) + b"\n" + line(updated="2025-01-14T00:00:00Z"))
    first = workplace.transform()
    after_first = workplace.contents()
    second = workplace.transform(clean_sink=clean_sink)
    contents = workplace.contents()
    assert after_first.items() <= contents.items()
    assert len(contents) == 2 * len(after_first)
    assert all("transform-2" in key for key in contents.keys() - after_first.keys())
    assert [(output.records, output.files, output.bytes) for output in second.manifest.outputs] == [
        (output.records, output.files, output.bytes) for output in first.manifest.outputs
    ]
    assert second.manifest.clean_sink == clean_sink


@pytest.mark.parametrize(
    "base", ["transformed_images", "latest/transformed", "x-latest.json/manifest-latest"]
)
def test_earlier_runs_are_found_whatever_the_folder_is_called(workplace, base):
    """Defect 21: a prefix with the word latest hid every manifest."""
    place = Location(BUCKET, base)
    workplace.put(MIDNIGHT, good_lines(1))
    inner = workplace.transform(window=hours(0, 0.5), transformed=place)
    outer = workplace.transform(window=hours(0, 1), transformed=place)
    crossing = workplace.transform(window=hours(0.5, 1.5), transformed=place)
    assert (inner.manifest.supersedes, outer.manifest.supersedes) == ((), (inner.manifest.run_id,))
    assert crossing.manifest.supersedes == ()
    assert [run.run_id for run in crossing.overlaps] == [outer.manifest.run_id]
    (warning,) = crossing.warnings
    assert outer.manifest.run_id in warning
    assert warning in workplace.logged


def test_a_waiting_run_supersedes_nothing(workplace):
    workplace.put(MIDNIGHT, good_lines(1))
    workplace.transform()
    assert workplace.transform(rules=QualityRules(min_records=9)).manifest.supersedes == ()


def test_an_unreadable_manifest_of_the_day_is_an_error(workplace):
    workplace.put(MIDNIGHT, good_lines(1))
    first = workplace.transform()
    workplace.store.put_bytes(BUCKET, first.manifest_path.key, b"{")
    with pytest.raises(UnreadableDocument, match=r"manifest-transform-1\.json"):
        workplace.transform()


def test_a_run_id_is_not_used_again_over_what_it_left(workplace):
    workplace.put(MIDNIGHT, good_lines(1))
    request = workplace.request()
    workplace.transform(run=request.run)
    contents = workplace.contents()
    with pytest.raises(RunHasWritten, match="new one"):
        workplace.transform(run=request.run)
    assert workplace.contents() == contents


def test_a_broken_object_fails_the_run_and_nothing_is_published(workplace):
    workplace.put(MIDNIGHT, good_lines(3))
    key = workplace.put(MIDNIGHT, b"no gzip", "broken.json.gz")
    with pytest.raises(RawObjectUnreadable, match=key):
        workplace.transform()
    assert workplace.contents() == {}


def test_an_unknown_function_of_the_cluster_fails_the_run(workplace):
    workplace.put(MIDNIGHT, good_lines(1))
    with pytest.raises(Exception, match="no_such_function"):
        workplace.transform(decryptor=SqlFunction("no_such_function"))
    assert workplace.contents() == {}

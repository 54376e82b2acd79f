"""transform_images over cloud stores, from which the workers of the engine read themselves."""

import gzip
import json
from datetime import timedelta

import pytest

from assets.dwh.frames.raw_lines import RawObjectUnreadable
from resources.spark import Spark
from tests.assets.dwh.raw_line_samples import line
from tests.assets.dwh.transform_runs import DAY, MIDNIGHT
from tests.assets.dwh.transform_workplaces import workplace_of

BUCKET = "quintet-contract"
SCHEMES = {"local": "s3", "s3": "s3", "gcs": "gs"}
VARIANTS = [
    "local",
    pytest.param("s3", marks=pytest.mark.services),
    pytest.param("gcs", marks=pytest.mark.services),
]


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


@pytest.fixture
def workplace(request, variant, tmp_path):
    spark = Spark(work_folder=str(tmp_path / "work"))
    store = request.getfixturevalue(f"{variant}_store")
    with spark.session() as session, workplace_of(session, spark, store, BUCKET) as workplace:
        yield workplace


def test_a_window_is_transformed_on_every_store(workplace, variant):
    workplace.put(MIDNIGHT, gzip.compress(b"\n".join([line("m1"), line("m2", "other"), b"{"])), "a.json.gz")
    late = line("m3", updated="2025-01-14T12:00:00Z")
    workplace.put(MIDNIGHT + timedelta(minutes=10), b"\n".join([late, *[line("m4")] * 60]))
    outcome = workplace.transform(max_records_per_file=40)
    manifest = outcome.manifest
    assert (manifest.records_read, manifest.records_written, outcome.dropped) == (
        64,
        63,
        {"extract_corrupt_json": 1},
    )
    assert [(output.category, output.day, output.records, output.files) for output in manifest.outputs] == [
        ("nautilus", DAY - timedelta(days=1), 1, 1),
        ("nautilus", DAY, 61, 2),
        ("savedproject", DAY, 1, 1),
    ]
    assert all(output.path.startswith(f"{SCHEMES[variant]}://{BUCKET}/") for output in manifest.outputs)
    for output in manifest.outputs:
        rows = workplace.lines(output.path)
        assert len([json.loads(row) for row in rows]) == output.records
        assert sum(len(row) + 1 for row in rows) == output.bytes
    assert outcome.raw.empty_prefixes == 10
    assert outcome.manifest_path.key in workplace.contents()


def test_a_broken_object_is_named_on_every_store(workplace):
    key = workplace.put(MIDNIGHT, b"no gzip", "broken.gz")
    with pytest.raises(RawObjectUnreadable, match=f"{BUCKET}/{key}"):
        workplace.transform()
    assert workplace.contents() == {}

"""The market pipeline with `QUINTET_DEPLOYMENT=aws` on moto's S3 server gives what it gives on a disk."""

from collections.abc import Iterator

import boto3
import dagster as dg
import pytest

from assets.market.months import BUCKET, raw_key
from resources.object_store import LocalObjectStore
from resources.object_store.s3 import S3ObjectStore
from scripts import explain_label, process_monthly_batches
from tests.market_samples import TABLES, Market, cut, failure_of, materialisations, opened_market, tiny_file

pytestmark = [pytest.mark.services, pytest.mark.materialise]

FIRST, LAST = "2025-09", "2025-10"


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> dict[str, bytes]:
    """The objects of both months in the `local` deployment."""
    with opened_market(LocalObjectStore(root=str(tmp_path_factory.mktemp("local")))) as market:
        market.put_tiny(FIRST, LAST)
        assert market.run(FIRST, LAST, workers=1).success
        return market.objects(FIRST, LAST)


@pytest.fixture
def on_s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Market]:
    """The pipeline as it is deployed on AWS, and its bucket."""
    monkeypatch.setenv("QUINTET_DEPLOYMENT", "aws")
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    with opened_market() as market:
        assert isinstance(market.store, S3ObjectStore)
        yield market


def test_one_month_has_the_same_bytes_as_on_a_disk(on_s3, expected):
    on_s3.put_tiny(LAST)
    result = on_s3.run(LAST)
    assert result.success
    assert on_s3.objects(LAST) == {key: data for key, data in expected.items() if LAST in key}
    uri = materialisations(result)["training_table", LAST]["object"].value
    assert uri == "s3://es-1-second-data/processed-data/monthly/2025/10/monthly_2025-10.parquet"


def test_a_range_in_two_processes_has_the_same_bytes_as_on_a_disk(on_s3, expected):
    on_s3.put_tiny(FIRST, LAST)
    assert on_s3.run(FIRST, LAST, workers=2).success
    assert on_s3.objects(FIRST, LAST) == expected


def test_the_tables_made_one_after_another_have_the_same_bytes(on_s3, expected):
    on_s3.put_tiny(LAST)
    for table in TABLES:
        assert on_s3.run(LAST, None, table).success
    assert on_s3.objects(LAST) == {key: data for key, data in expected.items() if LAST in key}


def test_an_unchanged_month_is_skipped_and_a_refused_file_leaves_the_objects(on_s3):
    on_s3.put_tiny(LAST)
    assert on_s3.run(LAST).success
    before = {info.key: (info.etag, info.modified) for info in on_s3.store.list(BUCKET, "processed-data/")}
    assert len(before) == 3
    assert on_s3.run(LAST, skip_unchanged=True).success
    on_s3.put(LAST, cut(tiny_file(LAST)))
    assert "does not end" in failure_of(on_s3.run(LAST))
    after = {info.key: (info.etag, info.modified) for info in on_s3.store.list(BUCKET, "processed-data/")}
    assert after == before


def test_a_missing_month_is_refused_with_its_full_location(on_s3):
    sentence = failure_of(on_s3.run(LAST))
    assert f"s3://{BUCKET}/{raw_key(LAST)}: there is no vendor file of {LAST}" in sentence


def test_the_command_lines_work_on_the_bucket(on_s3, capsys):
    on_s3.put_tiny(LAST)
    assert process_monthly_batches.main(["--month", LAST]) == 0
    assert process_monthly_batches.main(["--month", LAST, "--skip-existing"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"{LAST}: done, skipped",
        "Nothing to do: every month is done.",
    ]
    assert explain_label.main(["--at", "2025-10-31T14:59:00-05:00", "--mode", "low_vol_long"]) == 0
    assert capsys.readouterr().out.startswith("signal   2025-10-31 14:59:00 CDT, ES-2025-12\n")


def test_the_sensor_requests_the_month_of_a_file_in_the_bucket(on_s3):
    on_s3.put_tiny(LAST)
    sensor, cursor = on_s3.defs.resolve_sensor_def("market_month_sensor"), None
    ticks = []
    for _ in range(2):
        with dg.build_sensor_context(
            on_s3.instance, cursor, resources=on_s3.defs.resources, definitions=on_s3.defs
        ) as context:
            ticks.append(sensor.evaluate_tick(context))
        cursor = ticks[-1].cursor
    assert not ticks[0].run_requests
    (request,) = ticks[1].run_requests
    assert request.run_key == f"{LAST}:{on_s3.store.head(BUCKET, raw_key(LAST)).etag}"

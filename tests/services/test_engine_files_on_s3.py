"""Files between an engine and S3: copied for an engine of this machine, by address for one elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.object_store import ObjectStore
from resources.spark import EngineFiles, Spark
from tests.services.conftest import BUCKET

pytestmark = pytest.mark.services


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch, s3_store: ObjectStore) -> Iterator[str]:
    """The address of a Spark Connect server that reaches the same S3."""
    monkeypatch.setenv("RUST_LOG", "error")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer(port=0)
    server.start(background=True)
    address = server.listening_address
    assert address is not None
    yield f"sc://127.0.0.1:{address[1]}"
    server.stop()


def double(spark: Spark, store: ObjectStore) -> list[str]:
    """Read two objects by an engine, publish what it writes, and return the addresses that it read."""
    with spark.session() as session, spark.files(store, BUCKET, "_scratch") as files:
        addresses = files.readable([(BUCKET, "in/year=1/a.json"), (BUCKET, "in/year=2/a.json")])
        folder = files.scratch("rows")
        session.read.schema("value string").json(addresses).repartition(1, "value").write.text(folder)
        publish_all(files, folder)
    return addresses


def publish_all(files: EngineFiles, folder: str) -> None:
    for number, written in enumerate(files.written(folder)):
        files.publish(folder, written, BUCKET, f"out/part-{number}")


def published_lines(store: ObjectStore) -> list[str]:
    keys = store.list_keys(BUCKET, "out/")
    return sorted(line for key in keys for line in store.read_bytes(BUCKET, key).decode().splitlines())


@pytest.fixture
def inputs(s3_store: ObjectStore) -> None:
    for year in (1, 2):
        s3_store.put_bytes(BUCKET, f"in/year={year}/a.json", f'{{"value": "{year}"}}\n'.encode())


@pytest.mark.usefixtures("inputs")
def test_an_engine_of_this_machine_reads_copies_and_leaves_nothing(tmp_path: Path, s3_store: ObjectStore):
    work = tmp_path / "work"
    addresses = double(Spark(work_folder=str(work)), s3_store)
    assert all(address.startswith(str(work)) for address in addresses)
    assert published_lines(s3_store) == ["1", "2"]
    assert list(work.iterdir()) == []
    assert s3_store.list_keys(BUCKET, "_scratch") == []


@pytest.mark.usefixtures("inputs")
def test_an_engine_elsewhere_reads_and_writes_the_bucket_by_address(
    tmp_path: Path, s3_store: ObjectStore, remote: str
):
    spark = Spark(engine="connect", remote=remote, work_folder=str(tmp_path / "work"))
    addresses = double(spark, s3_store)
    assert addresses[0] == f"s3a://{BUCKET}/in/year=1/a.json"
    assert published_lines(s3_store) == ["1", "2"]
    assert s3_store.list_keys(BUCKET, "_scratch") == []
    assert not (tmp_path / "work").exists()

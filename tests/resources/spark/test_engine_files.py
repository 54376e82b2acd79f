"""Files between an engine and a store in a directory: where they are read, what counts, what is left."""

from pathlib import Path
from typing import NoReturn

import pytest

from resources.object_store import LocalObjectStore, ObjectNotFound, ObjectStore
from resources.spark import EngineFiles, Spark

ROWS = b'{"a": 1}\n{"a": 2}\n'


class FailingStore(LocalObjectStore):
    """Takes no object."""

    def _publish(self, bucket: str, key: str, spool: object, condition: object) -> NoReturn:
        raise ConnectionError("the disk is gone")


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return LocalObjectStore(root=str(tmp_path / "storage"))


def test_a_stored_object_is_read_where_it_lies(tmp_path: Path, store: ObjectStore):
    store.put_bytes("data", "year=2025/rows.json", ROWS)
    spark = Spark(work_folder=str(tmp_path / "work"))
    with spark.session() as session, spark.files(store, "data", "_scratch") as files:
        paths = files.readable([("data", "year=2025/rows.json")])
        assert paths == [str(tmp_path / "storage/data/year=2025/rows.json")]
        assert session.read.schema("a int").json(paths).count() == 2


def test_what_an_engine_wrote_becomes_an_object_and_the_scratch_goes(tmp_path: Path, store: ObjectStore):
    spark = Spark(work_folder=str(tmp_path / "work"))
    with spark.session() as session, spark.files(store, "data", "_scratch") as files:
        folder = files.scratch("rows")
        frame = session.createDataFrame([("x", 0), ("y", 1)], "value string, part int")
        frame.write.partitionBy("part").text(folder)
        written = files.written(folder)
        assert [Path(file.path).parent.name for file in written] == ["part=0", "part=1"]
        for number, file in enumerate(written):
            files.publish(folder, file, "data", f"out/part-{number}")
            assert file.size == len(store.read_bytes("data", f"out/part-{number}"))
    assert store.read_bytes("data", "out/part-0") == b"x\n"
    assert store.read_bytes("data", "out/part-1") == b"y\n"
    assert list((tmp_path / "work").iterdir()) == []


def test_markers_and_checksums_are_no_rows(tmp_path: Path, store: ObjectStore):
    with Spark(work_folder=str(tmp_path / "work")).files(store, "data", "_scratch") as files:
        folder = Path(files.scratch("rows"))
        for name in ("_SUCCESS", "part-0", ".part-0.crc", "_x=1/part-1"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"x")
        assert [file.path for file in files.written(str(folder))] == ["_x=1/part-1", "part-0"]


def test_a_folder_that_the_engine_did_not_write_has_no_rows(tmp_path: Path, store: ObjectStore):
    with Spark(work_folder=str(tmp_path / "work")).files(store, "data", "_scratch") as files:
        assert files.written(files.scratch("rows")) == []


def test_two_scratch_folders_of_one_name_differ(tmp_path: Path, store: ObjectStore):
    with Spark(work_folder=str(tmp_path / "work")).files(store, "data", "_scratch") as files:
        assert files.scratch("rows") != files.scratch("rows")


def test_a_refused_publication_leaves_no_object(tmp_path: Path):
    store = FailingStore(root=str(tmp_path / "storage"))
    with Spark(work_folder=str(tmp_path / "work")).files(store, "data", "_scratch") as files:
        folder = _written_folder(files)
        with pytest.raises(ConnectionError, match="the disk is gone"):
            files.publish(folder, files.written(folder)[0], "data", "out/part-0")
        with pytest.raises(ObjectNotFound):
            store.read_bytes("data", "out/part-0")


def _written_folder(files: EngineFiles) -> str:
    folder = Path(files.scratch("rows"))
    folder.mkdir(parents=True)
    (folder / "part-0").write_bytes(ROWS)
    return str(folder)

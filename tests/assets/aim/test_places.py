"""Folders of files, on a disk and in a bucket."""

from pathlib import Path

import pytest

from assets.aim.stages.places import Folder, file_at
from assets.failures import PermanentFailure
from resources.object_store import AccessRefused, FolderObjectStore, LocalObjectStore, ObjectStore


@pytest.fixture(params=["folder", "bucket", "prefix"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """The same files in a folder of their own, in a bucket, and below a prefix of a bucket."""
    if request.param == "folder":
        return Folder(FolderObjectStore(root=str(tmp_path / "root")), "aim")
    store = LocalObjectStore(root=str(tmp_path / "store"))
    return Folder(store, "a-bucket", "daily/files" if request.param == "prefix" else "")


def test_a_file_is_read_as_it_was_written(folder):
    assert folder.read("output/a.csv") is None
    folder.write("output/a.csv", b"one")
    folder.write("output/a.csv", b"two")
    assert folder.read("output/a.csv") == b"two"
    with folder.opened("output/a.csv") as stream:
        assert stream is not None
        assert stream.readline() == b"two"
    with folder.opened("output/b.csv") as stream:
        assert stream is None


def test_an_error_while_a_file_is_read_is_not_taken_for_a_missing_file(folder):
    folder.write("a", b"")
    with pytest.raises(LookupError, match="of the reader"), folder.opened("a"):
        raise LookupError("of the reader")


def test_files_are_listed_below_a_folder_by_their_path_from_the_root(folder):
    for path in ("feeds/b.csv", "feeds/a/c.csv", "feeds-of-others/d.csv", "e.csv"):
        folder.write(path, b"")
    assert folder.list_files("feeds") == ["feeds/a/c.csv", "feeds/b.csv"]
    assert folder.list_files("./feeds//") == folder.list_files("feeds")
    assert folder.list_files() == ["e.csv", "feeds-of-others/d.csv", "feeds/a/c.csv", "feeds/b.csv"]
    assert folder.list_files("nowhere") == []


def test_a_prefix_keeps_its_files_from_its_neighbours(tmp_path):
    store = LocalObjectStore(root=str(tmp_path))
    ours, theirs = Folder(store, "a-bucket", "daily"), Folder(store, "a-bucket", "daily-of-others")
    theirs.write("a", b"theirs")
    assert ours.list_files() == []
    assert ours.read("a") is None
    ours.write("a", b"ours")
    assert store.read_bytes("a-bucket", "daily/a") == b"ours"
    assert theirs.read("a") == b"theirs"


@pytest.mark.parametrize(
    "path", ["", ".", "/etc/x", "../x", "a/../b", "gs://bucket/x", "a\0b", "C:\\x", "a/../../x"]
)
def test_every_way_to_a_file_refuses_a_path_out_of_the_root(folder, path):
    for use in (
        folder.read,
        folder.shown,
        lambda path: folder.write(path, b""),
        lambda path: folder.opened(path).__enter__(),
        lambda path: folder.list_files(path or "."),
    ):
        with pytest.raises(PermanentFailure, match="is refused"):
            use(path)


@pytest.mark.parametrize("path", ["a//b.csv", "./a/b.csv", "a/./b.csv"])
def test_a_path_is_taken_in_its_normal_form(folder, path):
    folder.write(path, b"x")
    assert folder.list_files() == ["a/b.csv"]
    assert folder.shown(path).endswith("/a/b.csv")


def test_two_dots_inside_a_name_are_a_name(folder):
    folder.write("report..v2.csv", b"x")
    assert folder.list_files() == ["report..v2.csv"]


def test_a_link_out_of_the_root_is_neither_read_nor_written(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"theirs")
    folder.write("a", b"")
    place = Path(folder.shown("a"))
    place.unlink()
    place.symlink_to(outside)
    for use in (folder.read, lambda path: folder.write(path, b"ours")):
        with pytest.raises(AccessRefused, match="a symbolic link leads to"):
            use("a")
    assert folder.list_files() == []
    assert outside.read_bytes() == b"theirs"


@pytest.mark.parametrize(
    ("uri", "bucket", "path"),
    [
        ("gs://a-bucket/config.json", "a-bucket", "config.json"),
        ("gs://a-bucket/config/of/aim.json", "a-bucket", "config/of/aim.json"),
    ],
)
def test_an_address_means_a_bucket_and_a_path_in_it(tmp_path, uri, bucket, path):
    store: ObjectStore = LocalObjectStore(root=str(tmp_path))
    store.put_bytes(bucket, path, b"{}")
    folder, found = file_at(store, uri)
    assert (folder.bucket, folder.prefix, found) == (bucket, "", path)
    assert folder.read(found) == b"{}"

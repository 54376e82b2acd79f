"""Files of a folder: which are found, what they are called, and when a listing is complete."""

import os
import unicodedata
from pathlib import Path

import pytest

from assets.discovery.strategies.directory_glob import DirectoryGlob
from assets.failures import PermanentFailure
from tests.assets.discovery.strategies.source_worlds import NOON, Source, assert_a_second_read_changes_nothing

OLD_S = NOON // 1000 - 3600


def put(path: Path, content: str = "x", *, at_s: float = OLD_S) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (at_s, at_s))
    return path


def folder(root: Path, **params: object) -> Source:
    return Source(DirectoryGlob(), {"root": str(root)} | params)


def test_files_are_known_by_their_path_in_the_root(tmp_path):
    put(tmp_path / "b.txt")
    put(tmp_path / "a" / "deep" / "c.txt", "four")
    source = folder(tmp_path)
    read = source.read()
    assert read.keys == ["a/deep/c.txt", "b.txt"]
    assert read.is_complete
    first = read.candidates[0]
    assert first.data == {
        "path": "a/deep/c.txt",
        "name": "c.txt",
        "bytes": 4,
        "modified": "2026-03-01T11:00:00+00:00",
    }
    assert first.url == (tmp_path / "a/deep/c.txt").as_uri()
    assert_a_second_read_changes_nothing(source)


def test_private_and_unfinished_files_are_skipped(tmp_path):
    for name in (".hidden", ".git/config", "a.tmp", "b.PART", "folder.part/x", "c.txt"):
        put(tmp_path / name)
    os.mkfifo(tmp_path / "pipe")
    assert folder(tmp_path).read().keys == ["c.txt"]


@pytest.mark.parametrize(
    ("patterns", "exclude", "keys"),
    [
        (["**/*"], [], ["a/b/deep.csv", "a/one.csv", "a/one.txt", "top.csv"]),
        (["*.csv"], [], ["top.csv"]),
        (["**/*.csv"], [], ["a/b/deep.csv", "a/one.csv", "top.csv"]),
        (["a/**"], [], ["a/b/deep.csv", "a/one.csv", "a/one.txt"]),
        (["a/*.csv", "*.csv"], [], ["a/one.csv", "top.csv"]),
        (["**/*"], ["a/b"], ["a/one.csv", "a/one.txt", "top.csv"]),
        (["**/*"], ["**/b/**", "**/*.txt"], ["a/one.csv", "top.csv"]),
        (["**/o?e.[ct]*"], [], ["a/one.csv", "a/one.txt"]),
    ],
)
def test_patterns_choose_and_exclusions_remove(tmp_path, patterns, exclude, keys):
    for name in ("top.csv", "a/one.csv", "a/one.txt", "a/b/deep.csv"):
        put(tmp_path / name)
    assert folder(tmp_path, patterns=patterns, exclude=exclude).read().keys == keys


def test_a_young_file_waits_until_it_has_settled_and_a_renamed_one_is_another(tmp_path):
    path = put(tmp_path / "a.txt", at_s=NOON / 1000 - 9.9)
    source = folder(tmp_path)
    assert source.read().keys == []
    source.now += 200
    assert source.read().keys == ["a.txt"]
    path.rename(tmp_path / "b.txt")
    read = source.read()
    assert (read.keys, read.is_complete) == (["b.txt"], True)


def test_a_known_file_that_is_being_written_is_left_out_but_makes_nothing_missing(tmp_path):
    put(tmp_path / "a.txt")
    source = folder(tmp_path)
    source.read()
    put(tmp_path / "a.txt", at_s=NOON / 1000)
    read = source.read()
    assert (read.keys, read.is_complete) == ([], False)


def test_a_time_far_in_the_future_is_a_wrong_clock_and_not_a_young_file(tmp_path):
    put(tmp_path / "a.txt", at_s=NOON / 1000 + 5)
    put(tmp_path / "b.txt", at_s=NOON / 1000 + 86_400)
    assert folder(tmp_path).read().keys == ["b.txt"]


def test_size_or_time_is_a_change_unless_content_is_asked_for(tmp_path):
    path = put(tmp_path / "a.txt", "one")
    by_time, by_content = folder(tmp_path), folder(tmp_path, content_hash=True)
    before = by_time.read().candidates[0].content_hash, by_content.read().candidates[0].content_hash
    os.utime(path, (OLD_S - 60, OLD_S - 60))
    touched = by_time.read().candidates[0].content_hash, by_content.read().candidates[0].content_hash
    assert (touched[0] != before[0], touched[1] == before[1]) == (True, True)
    put(path, "two", at_s=OLD_S - 60)
    assert by_content.read().candidates[0].content_hash != before[1]


def test_links_are_followed_but_not_in_a_circle(tmp_path):
    put(tmp_path / "root" / "a" / "x.txt")
    put(tmp_path / "other" / "y.txt")
    (tmp_path / "root" / "a" / "up").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "self").symlink_to(tmp_path / "root" / "self")
    (tmp_path / "root" / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "other")
    read = folder(tmp_path / "root").read()
    assert (read.keys, read.is_complete) == (["a/x.txt", "linked/y.txt"], True)


def test_names_are_keys_in_nfc_and_data_keeps_them_as_the_disk_writes_them(tmp_path):
    name = unicodedata.normalize("NFD", "café.txt")
    put(tmp_path / name)
    read = folder(tmp_path, patterns=["caf?.txt"]).read()
    assert read.keys == ["café.txt"]
    assert read.data[0]["path"] == name


def test_a_name_that_is_no_utf_8_is_rejected(tmp_path):
    put(tmp_path / os.fsdecode(b"caf\xe9.txt"))
    put(tmp_path / "ok.txt")
    read = folder(tmp_path).read()
    assert read.keys == ["ok.txt"]
    assert "UTF-8" in read.rejected[0][1]


def test_a_missing_root_fails_so_that_an_unmounted_disk_makes_nothing_missing(tmp_path):
    for root in (tmp_path / "none", put(tmp_path / "file")):
        with pytest.raises(PermanentFailure, match=root.name):
            folder(root).read()


def test_a_folder_that_cannot_be_read_is_told_and_makes_nothing_missing(tmp_path, monkeypatch):
    put(tmp_path / "a" / "x.txt")
    put(tmp_path / "b.txt")
    scan = os.scandir

    def refusing(path: Path):
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("assets.discovery.strategies.directory_glob.os.scandir", refusing)
    read = folder(tmp_path).read()
    assert (read.keys, read.is_complete) == (["b.txt"], False)
    assert "Permission denied" in read.warnings[0][1]

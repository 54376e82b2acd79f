"""The digest cache tells the truth about content, and reads a file only when it has to."""

import hashlib
import os
import shutil
import time
from pathlib import Path

import pytest

from resources.object_store import digests
from resources.object_store.digests import DigestCache

FALSE_DIGEST = "f" * 32


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def in_an_hour() -> int:
    """A clock on which every file is old enough for its digest to be remembered."""
    return time.time_ns() + 3600 * 10**9


@pytest.fixture(autouse=True)
def forgetful_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_in_memory", {})


@pytest.fixture
def cache(tmp_path: Path) -> DigestCache:
    return DigestCache(tmp_path / ".etags", tmp_path / ".tmp", clock=in_an_hour)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bucket" / "a.bin"
    path.parent.mkdir()
    path.write_bytes(b"first")
    return path


def plant_false_digest(cache: DigestCache, name: str) -> None:
    """Make every use of the remembered digest visible."""
    entry = cache.entry(name)
    entry.write_text(entry.read_text().replace(entry.read_text().split()[-1], FALSE_DIGEST))
    digests._in_memory.clear()


def test_an_unchanged_file_is_not_read_again(cache: DigestCache, file: Path) -> None:
    assert cache.md5(file, "bucket/a.bin")[0] == md5(b"first")
    plant_false_digest(cache, "bucket/a.bin")
    assert cache.md5(file, "bucket/a.bin")[0] == FALSE_DIGEST
    assert cache.entry("bucket/a.bin").stat().st_size < 200


def test_memory_is_enough_where_nothing_can_be_written(tmp_path: Path, file: Path) -> None:
    blocked = tmp_path / "a file, not a folder"
    blocked.touch()
    cache = DigestCache(blocked, blocked, clock=in_an_hour)
    assert cache.md5(file, "bucket/a.bin")[0] == md5(b"first")
    (place,) = digests._in_memory
    digests._in_memory[place] = FALSE_DIGEST
    assert cache.md5(file, "bucket/a.bin")[0] == FALSE_DIGEST


def test_a_change_in_place_is_noticed_although_size_and_mtime_are_put_back(
    cache: DigestCache, file: Path
) -> None:
    cache.md5(file, "bucket/a.bin")
    before = file.stat()
    with file.open("r+b") as handle:
        handle.write(b"other")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (
        before.st_ino,
        before.st_size,
        before.st_mtime_ns,
    )
    assert cache.md5(file, "bucket/a.bin")[0] == md5(b"other")


def test_a_replaced_file_is_noticed(cache: DigestCache, file: Path) -> None:
    cache.md5(file, "bucket/a.bin")
    replacement = file.with_name("new")
    replacement.write_bytes(b"other")
    os.utime(replacement, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    replacement.replace(file)
    assert cache.md5(file, "bucket/a.bin")[0] == md5(b"other")


def test_a_touched_or_copied_file_keeps_its_digest(cache: DigestCache, file: Path) -> None:
    first = cache.md5(file, "bucket/a.bin")[0]
    os.utime(file, (1, 1))
    assert cache.md5(file, "bucket/a.bin")[0] == first
    copy = shutil.copy(file, file.with_name("b.bin"))
    assert cache.md5(Path(copy), "bucket/b.bin")[0] == first


def test_a_digest_taken_right_after_a_change_is_not_remembered(tmp_path: Path, file: Path) -> None:
    def just_now() -> int:
        return file.stat().st_ctime_ns + digests.RACY_NS

    cache = DigestCache(tmp_path / ".etags", tmp_path / ".tmp", clock=just_now)
    assert cache.md5(file, "bucket/a.bin")[0] == md5(b"first")
    assert not cache.entry("bucket/a.bin").exists()
    assert not digests._in_memory


def test_a_digest_of_a_file_that_grows_meanwhile_is_not_remembered(tmp_path: Path, file: Path) -> None:
    def clock_during_which_the_file_grows() -> int:
        with file.open("ab") as handle:
            handle.write(b" and more")
        return in_an_hour()

    cache = DigestCache(tmp_path / ".etags", tmp_path / ".tmp", clock=clock_during_which_the_file_grows)
    cache.md5(file, "bucket/a.bin")
    assert not cache.entry("bucket/a.bin").exists()
    assert not digests._in_memory


@pytest.mark.parametrize("damage", ["", "\n", "1 2 3 4", "no numbers here at all", "\udcff"])
def test_a_damaged_entry_is_computed_anew(cache: DigestCache, file: Path, damage: str) -> None:
    cache.md5(file, "bucket/a.bin")
    cache.entry("bucket/a.bin").write_bytes(damage.encode(errors="surrogateescape"))
    digests._in_memory.clear()
    assert cache.md5(file, "bucket/a.bin")[0] == md5(b"first")
    plant_false_digest(cache, "bucket/a.bin")
    assert cache.md5(file, "bucket/a.bin")[0] == FALSE_DIGEST


def test_an_entry_cut_in_its_digest_is_computed_anew(cache: DigestCache, file: Path) -> None:
    cache.md5(file, "bucket/a.bin")
    entry = cache.entry("bucket/a.bin")
    entry.write_text(entry.read_text()[:-9])
    digests._in_memory.clear()
    assert cache.md5(file, "bucket/a.bin")[0] == md5(b"first")


def test_memory_is_bounded(cache: DigestCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_MOST_IN_MEMORY", 3)
    for number in range(10):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(str(number).encode())
        assert cache.md5(path, f"bucket/{number}.bin")[0] == md5(str(number).encode())
        assert len(digests._in_memory) <= 3

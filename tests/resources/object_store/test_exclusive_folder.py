"""A folder is held by one at a time, and writing into it goes on meanwhile."""

import fcntl
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import BinaryIO

import pytest

from resources.object_store import FolderObjectStore, PreconditionFailed, StoreBusy, exclusive_folder, locks

BUCKET = "aim-results"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture(scope="module")
def other_process() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def hold(root: Path) -> None:
    with exclusive_folder(root):
        pass


def hold_and_die(root: Path, held: Event) -> None:
    with exclusive_folder(root):
        held.set()
        multiprocessing.Event().wait(60)


def test_a_second_holder_is_refused_at_once_and_told_the_first(
    root: Path, other_process: ProcessPoolExecutor
) -> None:
    with exclusive_folder(root):
        with pytest.raises(StoreBusy, match=rf"{root} is in use by (process \d+|another process); wait"):
            other_process.submit(hold, root).result()
        with pytest.raises(StoreBusy):
            hold(root)
    other_process.submit(hold, root).result()
    hold(root)


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux tells who holds a lock")
def test_the_holder_is_named_where_the_system_tells(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root.mkdir()
    status = root.stat()
    table = root / "locks"
    device = f"{status.st_dev >> 8 & 0xFFF:02x}:{status.st_dev & 0xFF:02x}"
    table.write_text(
        f"1: POSIX  ADVISORY  WRITE 11 {device}:{status.st_ino} 0 EOF\n"
        f"2: FLOCK  ADVISORY  WRITE 12 {device}:{status.st_ino + 1} 0 EOF\n"
        f"2: -> FLOCK  ADVISORY  WRITE 13 {device}:{status.st_ino} 0 EOF\n"
        f"3: FLOCK  ADVISORY  WRITE 4711 {device}:{status.st_ino} 0 EOF\n"
    )
    monkeypatch.setattr(locks, "_LOCK_TABLE", table)
    with exclusive_folder(root), pytest.raises(StoreBusy, match="in use by process 4711;"):
        hold(root)


def test_a_folder_that_does_not_exist_is_made_and_nothing_in_it(root: Path) -> None:
    with exclusive_folder(root):
        assert list(root.iterdir()) == []
    assert list(root.iterdir()) == []


def test_conditional_writes_go_on_in_a_held_folder(root: Path, other_process: ProcessPoolExecutor) -> None:
    store = FolderObjectStore(root=str(root))
    with exclusive_folder(root):
        first = store.put_bytes(BUCKET, "a", b"first", if_absent=True)
        with pytest.raises(PreconditionFailed):
            store.put_bytes(BUCKET, "a", b"second", if_absent=True)
        there = other_process.submit(store.put_bytes, BUCKET, "a", b"second", if_match=first.etag)
        store.put_bytes(BUCKET, "a", b"third", if_match=there.result().etag)
        assert store.read_bytes(BUCKET, "a") == b"third"


def test_a_write_does_not_look_like_a_holder(root: Path) -> None:
    store = FolderObjectStore(root=str(root))
    store.put_bytes(BUCKET, "a", b"")
    with store._locked(BUCKET, "a"):
        hold(root)


def test_the_end_of_a_process_ends_its_hold(root: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=hold_and_die, args=(root, held))
    holder.start()
    assert held.wait(60)
    with pytest.raises(StoreBusy):
        hold(root)
    holder.kill()
    holder.join()
    hold(root)


def test_an_error_ends_the_hold(root: Path) -> None:
    with pytest.raises(RuntimeError), exclusive_folder(root):
        raise RuntimeError("the run failed")
    hold(root)


def test_a_lock_file_that_its_last_holder_removed_locks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, flock, removals = tmp_path / "lock", fcntl.flock, []

    def remove_before_the_first(file: BinaryIO, how: int) -> None:
        if not removals:
            removals.append(lock.unlink())
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", remove_before_the_first)
    with locks.locked(lock, "object", leave_file=False), pytest.raises(BlockingIOError):
        locks._take(lock)
    assert not lock.exists()

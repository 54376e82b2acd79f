"""What only the store of one folder has to get right: that nothing but the objects is left in it."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from resources.object_store import (
    AccessRefused,
    FolderObjectStore,
    InvalidKey,
    PreconditionFailed,
    StoreUnavailable,
    digests,
    locks,
)

BUCKET = "aim-results"
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def store(root: Path) -> FolderObjectStore:
    return FolderObjectStore(root=str(root))


def everything(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_the_files_of_the_folder_are_the_objects_of_whatever_bucket(
    store: FolderObjectStore, root: Path
) -> None:
    store.put_bytes(BUCKET, "GLOBAL/results.csv", b"content")
    assert (root / "GLOBAL" / "results.csv").read_bytes() == b"content"
    assert store.uri("another-bucket", "GLOBAL/results.csv") == str(root / "GLOBAL" / "results.csv")
    (root / "feed.csv").write_bytes(b"put there by hand")
    assert store.read_bytes("another-bucket", "feed.csv") == b"put there by hand"
    assert store.list_keys("another-bucket") == ["GLOBAL/results.csv", "feed.csv"]


def test_looking_makes_no_folder(store: FolderObjectStore, root: Path) -> None:
    assert store.list(BUCKET) == []
    assert store.list_keys(BUCKET) == []
    assert store.head(BUCKET, "a") is None
    store.delete(BUCKET, "a/b")
    assert not root.exists()


# ---- the store's own files ----


def test_nothing_but_the_objects_is_left(store: FolderObjectStore, root: Path) -> None:
    first = store.put_bytes(BUCKET, "a/one", b"1", if_absent=True)
    store.put_bytes(BUCKET, "a/one", b"2", if_match=first.etag)
    store.put_bytes(BUCKET, "two", b"")
    store.put_bytes(BUCKET, "gone/three", b"")
    store.delete(BUCKET, "gone/three")
    store.list(BUCKET)
    with pytest.raises(PreconditionFailed):
        store.put_bytes(BUCKET, "two", b"", if_absent=True)
    with pytest.raises(PreconditionFailed):
        store.put_bytes(BUCKET, "new/folder/four", b"", if_match=first.etag)
    with pytest.raises(InvalidKey, match="either a file or a folder"):
        store.put_bytes(BUCKET, "a", b"")
    assert everything(root) == ["a", "a/one", "two"]


def test_a_write_that_fails_leaves_no_folder(store: FolderObjectStore, root: Path) -> None:
    def fail_half_way() -> None:
        with store.open_write(BUCKET, "new/folder/a") as file:
            file.write(b"half")
            raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        fail_half_way()
    assert everything(root) == []


def test_an_unfinished_write_lies_beside_the_object_and_is_none(store: FolderObjectStore, root: Path) -> None:
    store.put_bytes(BUCKET, "folder/a", b"old")
    with store.open_write(BUCKET, "folder/a") as file:
        file.write(b"new")
        file.flush()
        (unfinished,) = [path for path in (root / "folder").iterdir() if path.name != "a"]
        assert unfinished.name.startswith(".")
        (root / "peep").symlink_to(unfinished)
        assert store.list_keys(BUCKET) == ["folder/a"]
        assert [info.key for info in store.list(BUCKET)] == ["folder/a"]
        assert store.list(BUCKET, "folder/.q") == []
        uses: list[Callable[[str], object]] = [
            lambda key: store.head(BUCKET, key),
            lambda key: store.put_bytes(BUCKET, key, b""),
            lambda key: store.delete(BUCKET, key),
        ]
        for use in uses:
            with pytest.raises(InvalidKey, match="unfinished writes"):
                use(f"folder/{unfinished.name}")
    assert store.read_bytes(BUCKET, "folder/a") == b"new"


def test_other_names_with_a_dot_are_objects(store: FolderObjectStore) -> None:
    store.put_bytes(BUCKET, ".hidden/.a", b"content")
    assert store.list_keys(BUCKET) == [".hidden/.a"]


def run_until_ready(root: Path, code: str) -> "subprocess.Popen[str]":
    """Run `code` on a store at `root` in another process until it prints a line and waits for its input."""
    preamble = (
        "import sys\nfrom pathlib import Path\n"
        "from resources.object_store import FolderObjectStore, exclusive_folder\n"
        f"bucket, root = {BUCKET!r}, Path(sys.argv[1])\nstore = FolderObjectStore(root=sys.argv[1])\n"
    )
    command = [sys.executable, "-c", preamble + code, str(root)]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(
    "waiting_place",
    ["store.open_write(bucket, 'folder/a')", "store._locked(bucket, 'folder/a')"],
    ids=["writing", "publishing"],
)
def test_a_killed_writer_hinders_nobody(store: FolderObjectStore, root: Path, waiting_place: str) -> None:
    store.put_bytes(BUCKET, "folder/a", b"old and whole")
    code = f"with {waiting_place}:\n    print('ready', flush=True)\n    sys.stdin.read()\n"
    with run_until_ready(root, code) as writer:
        writer.kill()
    assert len(everything(root)) == 3
    assert store.list_keys(BUCKET) == ["folder/a"]
    assert store.read_bytes(BUCKET, "folder/a") == b"old and whole"
    store.put_bytes(BUCKET, "folder/a", b"new")
    assert store.read_bytes(BUCKET, "folder/a") == b"new"


def test_a_lock_that_is_never_given_back_ends_in_a_sentence(
    store: FolderObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LOCK_SECONDS", 0.05)
    store.put_bytes(BUCKET, "a", b"old")
    with store._locked(BUCKET, "a"), pytest.raises(StoreUnavailable, match=r"locked.*fuser"):
        store.put_bytes(BUCKET, "a", b"")
    assert store.read_bytes(BUCKET, "a") == b"old"
    store.put_bytes(BUCKET, "a", b"")


# ---- digests ----


def refuse(*_: Any) -> NoReturn:
    raise AssertionError("a file was read")


def test_a_second_look_reads_what_has_changed_only(
    store: FolderObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "RACY_NS", -1)
    store.put_bytes(BUCKET, "a", b"a")
    store.put_bytes(BUCKET, "b", b"b")
    first = store.list(BUCKET)
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", refuse)
        assert FolderObjectStore(root=str(root)).list(BUCKET) == first
    (root / "a").write_bytes(b"c")
    assert [info.etag for info in store.list(BUCKET)] == [
        hashlib.md5(text).hexdigest() for text in (b"c", b"b")
    ]


def test_listing_keys_reads_nothing(store: FolderObjectStore, root: Path) -> None:
    root.mkdir()
    (root / "a").write_bytes(b"never looked at")
    os.mkfifo(root / "pipe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashlib, "file_digest", refuse)
        assert store.list_keys(BUCKET) == ["a"]


# ---- symbolic links ----


def test_links_inside_the_folder_are_followed_and_circles_end(store: FolderObjectStore, root: Path) -> None:
    store.put_bytes(BUCKET, "folder/a", b"content")
    (root / "linked").symlink_to("folder")
    (root / "circle").symlink_to(root)
    assert store.list_keys(BUCKET) == ["folder/a", "linked/a"]
    assert store.read_bytes(BUCKET, "linked/a") == b"content"
    assert store.read_bytes(BUCKET, "circle/folder/a") == b"content"
    with store._locked(BUCKET, "linked/a"):
        assert len(list((root / "folder").iterdir())) == 2


@pytest.mark.parametrize("target", ["secret.txt", "outside"])
def test_links_out_of_the_folder_are_refused_and_not_listed(
    store: FolderObjectStore, root: Path, tmp_path: Path, target: str
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a").write_bytes(b"secret")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    store.put_bytes(BUCKET, "b", b"")
    (root / "link").symlink_to(tmp_path / target)
    key = "link" if target == "secret.txt" else "link/a"
    assert store.list_keys(BUCKET) == ["b"]
    assert [info.key for info in store.list(BUCKET)] == ["b"]
    assert store.list_keys(BUCKET, "link/") == []
    uses: list[Callable[[], object]] = [
        lambda: store.head(BUCKET, key),
        lambda: store.read_bytes(BUCKET, key),
        lambda: store.put_bytes(BUCKET, key, b"overwritten"),
        lambda: store.delete(BUCKET, key),
        lambda: store.scan_source(BUCKET, key),
    ]
    for use in uses:
        with pytest.raises(AccessRefused, match="symbolic link leads to"):
            use()
    assert [path.read_bytes() for path in (tmp_path / "secret.txt", tmp_path / "outside" / "a")] == [
        b"secret"
    ] * 2
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["a"]


def test_an_object_is_there_at_every_moment_of_its_replacing(
    store: FolderObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_bytes(BUCKET, "status.json", b"old")
    removed: list[Path] = []
    unlink = os.unlink

    def noted(path: Any, **options: Any) -> None:
        removed.append(Path(path))
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", noted)
    store.put_bytes(BUCKET, "status.json", b"new")
    assert store.read_bytes(BUCKET, "status.json") == b"new"
    assert root / "status.json" not in removed

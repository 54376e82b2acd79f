"""What only the directory store has to get right: links, folders, permissions, crashes, its own files."""

import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resources.object_store import (
    AccessRefused,
    InvalidKey,
    LocalObjectStore,
    ObjectStore,
    StoreUnavailable,
    digests,
    locks,
)

BUCKET = "quintet-local"
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
def store(root: Path) -> LocalObjectStore:
    return LocalObjectStore(root=str(root))


def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(BUCKET, prefix)]


def test_objects_lie_at_bucket_and_key_as_in_a_synchronised_bucket(
    store: LocalObjectStore, root: Path
) -> None:
    store.put_bytes(BUCKET, "raw/2025-10.bin", b"content")
    assert (root / BUCKET / "raw" / "2025-10.bin").read_bytes() == b"content"
    (root / BUCKET / "raw" / "2025-11.bin").write_bytes(b"copied there by hand")
    assert store.read_bytes(BUCKET, "raw/2025-11.bin") == b"copied there by hand"
    assert keys(store, "raw/") == ["raw/2025-10.bin", "raw/2025-11.bin"]


def test_looking_makes_no_folder(store: LocalObjectStore, root: Path) -> None:
    assert keys(store) == []
    assert store.head(BUCKET, "a") is None
    store.delete(BUCKET, "a")
    assert not root.exists()


def test_the_location_is_the_path(store: LocalObjectStore, root: Path) -> None:
    assert store.uri(BUCKET, "raw/a") == str(root / BUCKET / "raw" / "a")


def test_a_published_object_has_the_permissions_of_an_ordinary_new_file(
    store: LocalObjectStore, root: Path, tmp_path: Path
) -> None:
    store.put_bytes(BUCKET, "a", b"")
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    assert stat.S_IMODE((root / BUCKET / "a").stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


# ---- the store's own files ----


def test_its_own_files_are_in_no_listing_and_under_no_key(store: LocalObjectStore, root: Path) -> None:
    with store.open_write(BUCKET, "a") as file:
        file.write(b"unfinished")
        assert len(list((root / ".tmp").iterdir())) == 1
        assert keys(store) == []
    (root / BUCKET / "peep").symlink_to(root / ".locks")
    assert keys(store) == ["a"]
    assert not list((root / ".tmp").iterdir())
    with pytest.raises(InvalidKey):
        store.list(".locks")
    with pytest.raises(AccessRefused):
        store.head(BUCKET, "peep/00")


def test_what_a_killed_writer_left_is_removed_after_a_day(store: LocalObjectStore, root: Path) -> None:
    (root / ".tmp").mkdir(parents=True)
    (root / ".tmp" / "recent").touch()
    (root / ".tmp" / "old").touch()
    os.utime(root / ".tmp" / "old", (0, time.time() - 25 * 3600))
    store.put_bytes(BUCKET, "a", b"")
    assert [path.name for path in (root / ".tmp").iterdir()] == ["recent"]


def test_a_remembered_digest_goes_with_its_object(
    store: LocalObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "RACY_NS", -1)
    store.put_bytes(BUCKET, "raw/a", b"content")
    store.head(BUCKET, "raw/a")
    assert (root / ".etags" / BUCKET / "raw" / "a").is_file()
    store.delete(BUCKET, "raw/a")
    assert [path for path in (root / ".etags").rglob("*") if path.is_file()] == []


# ---- files and folders ----


def test_deleting_the_last_object_of_a_folder_frees_the_folders_name(store: LocalObjectStore) -> None:
    store.put_bytes(BUCKET, "a/b/c", b"")
    store.delete(BUCKET, "a/b/c")
    store.put_bytes(BUCKET, "a", b"now an object")
    assert keys(store) == ["a"]


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a", "a/b/c"), ("a/b", "a")])
def test_a_key_cannot_be_both_object_and_folder(store: LocalObjectStore, first: str, second: str) -> None:
    store.put_bytes(BUCKET, first, b"first")
    with pytest.raises(InvalidKey, match="either a file or a folder") as refusal:
        store.put_bytes(BUCKET, second, b"second")
    assert store.uri(BUCKET, second) in str(refusal.value)
    assert keys(store) == [first]
    assert store.read_bytes(BUCKET, first) == b"first"


def test_writers_and_deleters_of_neighbours_do_not_trip_over_each_other(store: LocalObjectStore) -> None:
    def write_and_delete(writer: int) -> None:
        for _ in range(60):
            store.put_bytes(BUCKET, f"shared/folder/{writer}", b"")
            store.delete(BUCKET, f"shared/folder/{writer}")

    with ThreadPoolExecutor(3) as pool:
        for finished in [pool.submit(write_and_delete, writer) for writer in range(3)]:
            finished.result()
    assert keys(store) == []


def test_what_is_no_regular_file_is_no_object(store: LocalObjectStore, root: Path) -> None:
    store.put_bytes(BUCKET, "a", b"")
    os.mkfifo(root / BUCKET / "pipe")
    (root / BUCKET / "back\\slash").touch()
    (root / BUCKET / os.fsdecode(b"latin-\xe9")).touch()
    assert keys(store) == ["a"]
    assert store.head(BUCKET, "pipe") is None


# ---- symbolic links ----


def test_links_inside_the_root_are_followed(store: LocalObjectStore, root: Path) -> None:
    store.put_bytes("other-bucket", "folder/a", b"content")
    store.put_bytes(BUCKET, "b", b"")
    (root / BUCKET / "linked").symlink_to(root / "other-bucket" / "folder")
    (root / BUCKET / "alias").symlink_to("b")
    assert keys(store) == ["alias", "b", "linked/a"]
    assert keys(store, "linked/") == ["linked/a"]
    assert store.read_bytes(BUCKET, "linked/a") == b"content"


def test_a_write_replaces_a_link_and_not_what_it_leads_to(store: LocalObjectStore, root: Path) -> None:
    store.put_bytes(BUCKET, "b", b"kept")
    (root / BUCKET / "alias").symlink_to("b")
    store.put_bytes(BUCKET, "alias", b"new")
    assert (store.read_bytes(BUCKET, "alias"), store.read_bytes(BUCKET, "b")) == (b"new", b"kept")
    store.delete(BUCKET, "alias")
    assert keys(store) == ["b"]


@pytest.mark.parametrize("target", ["secret.txt", "outside"])
def test_links_out_of_the_root_are_refused_and_not_listed(
    store: LocalObjectStore, root: Path, tmp_path: Path, target: str
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a").write_bytes(b"secret")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    store.put_bytes(BUCKET, "b", b"")
    (root / BUCKET / "link").symlink_to(tmp_path / target)
    key = "link" if target == "secret.txt" else "link/a"
    assert keys(store) == ["b"]
    assert keys(store, "link/") == []
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
    assert (tmp_path / "secret.txt").read_bytes() == b"secret"
    assert (tmp_path / "outside" / "a").read_bytes() == b"secret"


def test_a_bucket_that_is_a_link_out_of_the_root_is_refused(
    store: LocalObjectStore, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a").touch()
    root.mkdir()
    (root / BUCKET).symlink_to(tmp_path / "outside")
    assert keys(store) == []
    with pytest.raises(AccessRefused):
        store.put_bytes(BUCKET, "b", b"")
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["a"]


def test_links_in_circles_end_a_listing_and_hide_nothing(store: LocalObjectStore, root: Path) -> None:
    store.put_bytes(BUCKET, "a/x", b"")
    store.put_bytes(BUCKET, "b/y", b"")
    (root / BUCKET / "a" / "to_b").symlink_to(root / BUCKET / "b")
    (root / BUCKET / "b" / "to_a").symlink_to(root / BUCKET / "a")
    (root / BUCKET / "itself").symlink_to("itself")
    (root / BUCKET / "dangling").symlink_to("nowhere")
    assert keys(store) == ["a/to_b/y", "a/x", "b/to_a/x", "b/y"]
    assert store.head(BUCKET, "itself") is None


@pytest.mark.parametrize("target", ["nowhere", "link"])
def test_a_link_that_leads_nowhere_can_be_replaced_and_is_no_folder(
    store: LocalObjectStore, root: Path, target: str
) -> None:
    store.put_bytes(BUCKET, "a", b"")
    (root / BUCKET / "link").symlink_to(target)
    with pytest.raises(InvalidKey, match="either a file or a folder"):
        store.put_bytes(BUCKET, "link/b", b"")
    store.put_bytes(BUCKET, "link", b"an object now")
    assert keys(store) == ["a", "link"]


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    (tmp_path / "alias").symlink_to(root)
    store = LocalObjectStore(root=str(tmp_path / "alias"))
    store.put_bytes(BUCKET, "a", b"")
    assert keys(store) == ["a"]


# ---- the operating system, other processes, crashes ----


def test_refused_permissions_are_access_refused() -> None:
    # The superuser is refused nothing, so another process looks, as nobody. It cannot enter pytest's folders.
    code = (
        "import os, sys\n"
        "from resources.object_store import AccessRefused, LocalObjectStore\n"
        "store = LocalObjectStore(root=sys.argv[1])\n"
        "if os.getuid() == 0:\n"
        "    os.setuid(65534)\n"
        "for use in (store.list, lambda bucket: store.read_bytes(bucket, 'folder/a')):\n"
        "    try:\n"
        "        use(sys.argv[2])\n"
        "    except AccessRefused as error:\n"
        "        print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        LocalObjectStore(root=folder).put_bytes(BUCKET, "folder/a", b"secret")
        (root / BUCKET / "folder").chmod(0)
        command = [sys.executable, "-c", code, folder, BUCKET]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True)
        (root / BUCKET / "folder").chmod(0o755)
    sentences = done.stdout.splitlines()
    assert len(sentences) == 2
    assert all("the operating system refuses access" in sentence for sentence in sentences)


def test_a_lock_that_is_never_given_back_ends_in_a_sentence(
    store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LOCK_SECONDS", 0.05)
    with store._locked(BUCKET, "a"), pytest.raises(StoreUnavailable, match=r"locked.*fuser"):
        store.put_bytes(BUCKET, "a", b"")
    store.put_bytes(BUCKET, "a", b"")


def run_and_kill(root: Path, code: str, lines: int) -> None:
    """Run `code` on a store at `root` in another process, and SIGKILL it after so many lines."""
    preamble = f"import sys\nfrom resources.object_store import LocalObjectStore\nbucket = {BUCKET!r}\n"
    preamble += "store = LocalObjectStore(root=sys.argv[1])\n"
    with subprocess.Popen(
        [sys.executable, "-c", preamble + code, str(root)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.kill()
    assert process.returncode == -9


def test_killing_a_writer_half_way_leaves_the_old_object_whole(store: LocalObjectStore, root: Path) -> None:
    store.put_bytes(BUCKET, "a", b"old and whole")
    code = (
        "with store.open_write(bucket, 'a') as file:\n"
        "    file.write(b'half' * 1_000_000)\n"
        "    file.flush()\n"
        "    print('half way', flush=True)\n"
        "    sys.stdin.read()\n"
        "    import time; time.sleep(60)\n"
    )
    run_and_kill(root, code, lines=1)
    assert len(list((root / ".tmp").iterdir())) == 1
    assert keys(store) == ["a"]
    assert store.read_bytes(BUCKET, "a") == b"old and whole"
    store.put_bytes(BUCKET, "a", b"new")
    assert store.read_bytes(BUCKET, "a") == b"new"


@pytest.mark.parametrize("writes", [1, 3, 7, 20])
def test_killing_a_writer_at_any_moment_leaves_one_whole_version(
    store: LocalObjectStore, root: Path, writes: int
) -> None:
    code = (
        "for version in range(100_000):\n"
        "    store.put_bytes(bucket, 'a', f'{version:06d}'.encode() * 50_000)\n"
        "    print(version, flush=True)\n"
    )
    run_and_kill(root, code, lines=writes)
    content = store.read_bytes(BUCKET, "a")
    assert len(content) == 300_000
    assert content == content[:6] * 50_000
    assert int(content[:6]) >= writes - 1

"""Where the files of a run lie: a folder of this machine, or a prefix of a bucket.

Not here: what the files hold, and which folders a run has (`sites`).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from assets.aim.paths import relative_path
from resources.object_store import ObjectNotFound, ObjectStore


@dataclass(frozen=True, slots=True)
class Folder:
    """Files by their path relative to one root. Every path goes through `relative_path`.

    Any method may raise `PermanentFailure` for a path that the rule refuses, and what the store raises.
    """

    store: ObjectStore
    bucket: str
    prefix: str = ""

    def list_files(self, prefix: str = "") -> list[str]:
        """The sorted paths of all files below a folder, relative to the root; empty if there is no folder."""
        below = f"{relative_path(prefix)}/" if prefix else ""
        try:
            keys = self.store.list_keys(self.bucket, self._key(below) if below else self._root)
        except ObjectNotFound:
            return []
        return [key.removeprefix(self._root) for key in keys]

    def read(self, path: str) -> bytes | None:
        """The content of a file; None if it does not exist."""
        try:
            return self.store.read_bytes(self.bucket, self._key(relative_path(path)))
        except ObjectNotFound:
            return None

    @contextmanager
    def opened(self, path: str) -> Iterator[BinaryIO | None]:
        """The file to be read piece by piece; None if it does not exist."""
        with ExitStack() as stack:
            try:
                reading = self.store.open_read(self.bucket, self._key(relative_path(path)))
                stream = stack.enter_context(reading)
            except ObjectNotFound:
                stream = None
            yield stream

    def write(self, path: str, content: bytes) -> None:
        """Make `content` the whole file, or leave the old one."""
        self.store.put_bytes(self.bucket, self._key(relative_path(path)), content)

    def shown(self, path: str) -> str:
        """The place of a file as people write it."""
        return self.store.uri(self.bucket, self._key(relative_path(path)))

    @property
    def _root(self) -> str:
        return f"{self.prefix}/" if self.prefix else ""

    def _key(self, path: str) -> str:
        return f"{self._root}{path}"


def file_at(store: ObjectStore, uri: str) -> tuple[Folder, str]:
    """The folder and the path that a `gs://bucket/key` address of the settings means."""
    bucket, _, key = uri.removeprefix("gs://").partition("/")
    return Folder(store, bucket), key

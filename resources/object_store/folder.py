"""Objects as the files of one folder, `root/<key>`, that other programs read and write too.

Nothing but the objects is left in it. While a write lasts, its unpublished content and its lock lie beside
the object, under names that begin with `OWN`; a killed writer may leave them, and no listing shows them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from resources.object_store.digests import Digests
from resources.object_store.directory import DirectoryObjectStore
from resources.object_store.errors import InvalidKey
from resources.object_store.files import create, remove_empty_folders
from resources.object_store.locks import locked

OWN = ".quintet-"


class FolderObjectStore(DirectoryObjectStore):
    """Objects in a folder that is the only bucket: whatever name the bucket is given, it is this folder.

    A key with a component that begins with `OWN` is refused (`InvalidKey`).
    """

    def _folder(self, bucket: str) -> Path:
        return self._root

    def _is_inside(self, path: Path) -> bool:
        return path.is_relative_to(self._root) and not path.name.startswith(OWN)

    def _found(self, bucket: str, prefix: str) -> Iterator[tuple[str, Path]]:
        return (found for found in super()._found(bucket, prefix) if not _is_own(found[0]))

    def _path(self, bucket: str, key: str) -> Path:
        if _is_own(key):
            raise InvalidKey(
                f"{self._uri(bucket, key)} is refused: names that begin with {OWN} are unfinished writes; "
                "choose another key."
            )
        return super()._path(bucket, key)

    def _new_spool(self, bucket: str, key: str) -> Path:
        path = self._path(bucket, key).with_name(OWN + uuid4().hex)
        create(path)
        return path

    def _end_spool(self, path: Path) -> None:
        super()._end_spool(path)
        remove_empty_folders(path.parent, self._root)

    def _new_digests(self) -> Digests:
        return Digests()

    @contextmanager
    def _locked(self, bucket: str, key: str) -> Iterator[None]:
        lock = self._path(bucket, key).with_name(f"{OWN}lock")
        with locked(lock, self._uri(bucket, key), leave_file=False):
            yield


def _is_own(key: str) -> bool:
    return any(component.startswith(OWN) for component in key.split("/"))

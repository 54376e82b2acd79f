"""Hosts that stop answering when a test wants it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, cast

from resources.compute_host import HostError, HostSession
from resources.compute_host.errors import HostUnreachable
from tests.assets.beams.stages.simulated_beams import FarHost, Site


class RefusingHost(FarHost):
    """Does not answer one kind of question from the start of the engine on; some not even before."""

    refused: str
    code: str = "ssh_connect"

    @contextmanager
    def connect(self) -> Iterator[HostSession]:
        with super().connect() as session:
            yield cast(HostSession, _RefusingSession(session, self.refused, self.code))


class FullHost(FarHost):
    """Takes no file any more once the engine has been started."""

    @contextmanager
    def connect(self) -> Iterator[HostSession]:
        with super().connect() as session:
            refusing = _RefusingSession(session, "put", "remote_disk_full")
            refusing.is_deaf = False
            yield cast(HostSession, refusing)


class LosingHost(FarHost):
    """Has every output until it is asked for."""

    @contextmanager
    def connect(self) -> Iterator[HostSession]:
        with super().connect() as session:
            yield cast(HostSession, _LosingSession(session))


class _LosingSession:
    def __init__(self, session: HostSession) -> None:
        self._session = session

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._session, verb)

    def get(self, source: PurePosixPath, target: Path) -> None:
        Path(source).unlink()
        self._session.get(source, target)


class _RefusingSession:
    def __init__(self, session: HostSession, refused: str, code: str) -> None:
        self._session = session
        self._refused = refused
        self._error = HostUnreachable if code == "ssh_connect" else HostError
        self._code = code
        self.is_deaf = refused in ("put", "list_files")

    def __getattr__(self, verb: str) -> Any:
        if self.is_deaf and verb == self._refused:
            return self._refuse
        self.is_deaf = self.is_deaf or verb == "launch"
        return getattr(self._session, verb)

    def _refuse(self, *_: object, **__: object) -> None:
        raise self._error(self._code, "The host does not do that.")


def refusing(site: Site, verb: str, code: str = "ssh_connect") -> Site:
    host = RefusingHost(folder=str(site.host.workdir()), refused=verb, code=code)
    return replace(site, host=host)

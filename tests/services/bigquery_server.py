"""BigQuery's emulator on a free port of 127.0.0.1, and an empty warehouse on it.

bqemulator 1.3.0 runs in this process, on a thread of its own. What it gets wrong is written where a test
avoids it; what would stop it from starting is in `bigquery_endpoint`.
"""

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, NoReturn

import pytest

from resources.warehouse import Warehouse

INSTALL = ".venv/bin/python -m pip install --require-hashes -r requirements/dev.txt"
PROJECT = "quintet-contract"
START_SECONDS = 90


@pytest.fixture(scope="session")
def bigquery_endpoint(missing_service: Callable[[str], NoReturn]) -> Iterator[str]:
    try:
        import duckdb_extension_spatial
        from bqemulator.config import LogLevel, Settings
        from bqemulator.server import EmulatorServer
        from bqemulator.storage.engine import DuckDBEngine
    except ImportError:
        missing_service(f"The BigQuery emulator is not installed: {INSTALL}")
    (spatial,) = Path(duckdb_extension_spatial.__file__).parent.rglob("*.duckdb_extension")
    with pytest.MonkeyPatch.context() as patch:
        # It would fetch the extension over the network; the package carries the same file.
        patch.setattr(DuckDBEngine, "_load_spatial", lambda engine: load_extension(engine, spatial))
        settings = Settings(rest_port=0, grpc_port=0, default_project_id=PROJECT, log_level=LogLevel.CRITICAL)
        server = EmulatorServer(settings)
        with ExitStack() as stack:
            with root_logger_kept():
                stack.enter_context(running(server))
            yield server.rest_url


@contextmanager
def root_logger_kept() -> Iterator[None]:
    """The emulator takes over the root logger, and with it what other tests of this process listen to."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


def load_extension(engine: Any, path: Path) -> None:
    engine._connection.load_extension(str(path))


class running:  # noqa: N801 - read as `with running(server)`
    """The server's event loop on a thread, until the block ends."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.loop = asyncio.new_event_loop()
        self.started = Event()
        self.thread = Thread(target=self.serve, daemon=True)

    def serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self.server.start())
            self.started.set()
            self.loop.run_forever()
        finally:
            self.loop.close()

    def __enter__(self) -> None:
        # The thread imports. What other tests left must not be collected in the middle of that: connections
        # of SQLite complain on a foreign thread, with a traceback, for which Python 3.11 parses lines of code
        # ("SystemError: AST constructor recursion depth mismatch", seen once).
        gc.collect()
        self.thread.start()
        assert self.started.wait(START_SECONDS), "the BigQuery emulator did not start"

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self.loop).result(START_SECONDS)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


@pytest.fixture
def bigquery_warehouse(bigquery_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A warehouse on the emulator, empty at the beginning of each test."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.bigquery import Client

    from resources.warehouse.bigquery import BigQueryWarehouse

    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", bigquery_endpoint)
    with Client(PROJECT, AnonymousCredentials()) as client:
        for dataset in client.list_datasets():
            client.delete_dataset(dataset.dataset_id, delete_contents=True)
    return BigQueryWarehouse(project=PROJECT, retry_seconds=5)

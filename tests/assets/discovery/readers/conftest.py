"""A ledger in the test's own folder."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assets.discovery.ledger.plans import JobPlan
from tests.assets.discovery.ledger.ledger_worlds import World, opened


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = opened(tmp_path / "ledger")
    yield connection
    connection.close()


@pytest.fixture
def world(connection: sqlite3.Connection) -> Callable[[JobPlan], World]:
    return lambda job: World(connection, job)

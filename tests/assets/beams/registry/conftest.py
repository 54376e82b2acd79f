"""A registry in the test's own folder."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assets.beams.registry.registry_worlds import opened


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = opened(tmp_path / "ledger")
    yield connection
    connection.close()

"""A warehouse for one test, and a way to record the golden run of aim anew."""

from pathlib import Path

import pytest

from resources.warehouse import Warehouse
from tests.assets.aim.sql_runs import warehouse_in


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-golden-run", action="store_true", help="write the golden run as it is now")


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """An empty warehouse in a file."""
    return warehouse_in(tmp_path)

"""A way to record the golden run of aim anew."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-golden-run", action="store_true", help="write the golden run as it is now")

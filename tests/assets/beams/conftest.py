"""A scan root for one test."""

from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A scan root with nothing in it."""
    folder = tmp_path / "scan_root"
    folder.mkdir()
    return folder

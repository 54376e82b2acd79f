from pathlib import Path

import pytest

from tests.scripts.discovery_cli.cli_worlds import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Where commands are typed, on a machine without a Dagster instance."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "no_dagster"))
    return Desk(tmp_path, monkeypatch)

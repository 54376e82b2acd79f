"""A ledger in the test's own folder, with a job that is well."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assets.discovery.doctor.doctor_worlds import Clinic
from tests.assets.discovery.ledger.ledger_worlds import opened


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    folder = tmp_path / "ledger"
    connection = opened(folder)
    clinic = Clinic(connection, folder)
    clinic.add("old")
    clinic.finish_all()
    yield clinic
    connection.close()

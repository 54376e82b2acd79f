"""What holds for every test: no home, credential or emulator of the machine leaks in, and no clock decides.

Fixtures of one tier live beside that tier (``tests/services/conftest.py`` for real servers).
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

FOREIGN_PREFIXES = (
    "QUINTET_",
    "AWS_",
    "BEAMS_",
    "AIM_",
    "DWH_",
    "TYRESCORE_",
    "GOOGLE_",
    "DAGSTER_",
    "DATABRICKS_",
    "DOCKER_",
)
FOREIGN_NAMES = (
    "BIGQUERY_EMULATOR_HOST",
    "CAM_TABLE_ID",
    "CONFIG_GCS_URI",
    "DRY_RUN",
    "IGNORE_GCS_CONFIG",
    "PROJECT_ID",
    "STORAGE_EMULATOR_HOST",
)
# The suite's own switch, not a setting of the product: it turns a missing service from a skip into a failure.
KEPT_NAMES = ("QUINTET_REQUIRE_SERVICES",)

# With a deadline, 200 ms an example, a busy machine would fail tests that are right.
settings.register_profile("quintet", deadline=None)
settings.load_profile("quintet")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name binary values by their parameter, not by their bytes: gzip's hold the second they were made in.

    Workers must collect the same names; two that began on either side of a second did not, and no test ran.
    """
    return argname if isinstance(val, bytes) and not val.isascii() else None


@pytest.fixture(autouse=True)
def isolated_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test its own QUINTET_HOME (not made yet) and DAGSTER_HOME; return the former.

    Cloud clients find no account: their variables are removed, their files and metadata servers are out of
    reach. Tests of real servers set what they need through the fixtures of their tier.
    """
    for name in list(os.environ):
        if (name.startswith(FOREIGN_PREFIXES) or name in FOREIGN_NAMES) and name not in KEPT_NAMES:
            monkeypatch.delenv(name)
    quintet_home = tmp_path / "quintet_home"
    dagster_home = tmp_path / "dagster_home"
    dagster_home.mkdir()
    monkeypatch.setenv("QUINTET_HOME", str(quintet_home))
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "absent_aws_config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "absent_aws_credentials"))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "absent_gcloud_config"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    return quintet_home


@pytest.fixture(scope="session")
def missing_service() -> Callable[[str], NoReturn]:
    """End the test because a service is not here: a skip on a laptop, a failure where all were asked for.

    The sentence says what is missing and which command installs it.
    """

    def end(sentence: str) -> NoReturn:
        if os.environ.get("QUINTET_REQUIRE_SERVICES") == "1":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)

    return end

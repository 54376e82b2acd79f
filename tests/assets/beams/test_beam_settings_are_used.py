"""No setting of beams is accepted and then ignored."""

import re
from pathlib import Path

import pytest

from assets.beams.settings import VARIABLES

REPOSITORY = Path(__file__).resolve().parents[3]
LAYERS = ("assets/beams", "resources", "jobs", "sensors", "scripts")
SETTINGS = REPOSITORY / "assets" / "beams" / "settings.py"
METHODS = {"rules": {"fraction_window", "timezone"}, "poll_seconds": {"engine_poll_seconds"}}


def spoken_of(pattern: str) -> set[str]:
    """What a pattern finds in the code that is not the settings themselves."""
    files = [file for layer in LAYERS for file in (REPOSITORY / layer).rglob("*.py") if file != SETTINGS]
    return {found for file in files for found in re.findall(pattern, file.read_text(encoding="utf-8"))}


@pytest.fixture(scope="module")
def used() -> set[str]:
    """The fields that code asks of settings, and those whose variable resources read by its name."""
    asked = spoken_of(r"\bsettings\.([a-z_]+)")
    named = spoken_of(r"\"(BEAMS_[A-Z_]+)\"")
    through = {field for method in METHODS.keys() & asked for field in METHODS[method]}
    return asked | through | {field for field, variable in VARIABLES.items() if variable.name in named}


@pytest.mark.parametrize("field", VARIABLES)
def test_a_setting_is_used(field: str, used: set[str]) -> None:
    assert field in used

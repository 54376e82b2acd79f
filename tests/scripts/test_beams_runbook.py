"""The runbook of beams says something of everything that a person can meet or set."""

import re

import pytest

from assets.beams.failures import CODES
from assets.beams.settings import PREFIX, VARIABLES
from scripts.beams.__main__ import _COMMANDS
from scripts.dagster_home import ROOT

RUNBOOK = (ROOT / "docs" / "beams.md").read_text("utf-8")
QUOTED = set(re.findall(r"`([^`\n]+)`", RUNBOOK))
VARIABLE_NAMES = [variable.name for variable in VARIABLES.values()]


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_of_a_failure_is_in_the_runbook(code):
    assert code in QUOTED


@pytest.mark.parametrize("name", VARIABLE_NAMES)
def test_every_setting_is_in_the_runbook(name):
    assert name in QUOTED


def test_the_runbook_names_no_setting_that_there_is_not():
    named = {word for word in re.findall(rf"\b{PREFIX}[A-Z_]+\b", RUNBOOK) if not word.endswith("_")}
    assert named <= set(VARIABLE_NAMES)


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_every_command_is_in_the_runbook(command):
    assert command in {quoted.split()[0] for quoted in QUOTED}

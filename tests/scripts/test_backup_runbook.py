"""Every command of the page on the history does what it says there."""

import os
import re
import shlex

import pytest

from scripts.backup.__main__ import main as backup
from scripts.dagster_home import ROOT, prepare_dagster_home
from scripts.retention.__main__ import main as retention
from tests.scripts.backup_homes import files

PAGE = ROOT / "docs" / "history.md"
PROGRAMS = {"scripts.retention": retention, "scripts.backup": backup}


def commands():
    """The command lines of the page that start one of the programs, each with its arguments."""
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    lines = [shlex.split(line) for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line[2:] for line in lines if line[1:2] == ["-m"] and line[2] in PROGRAMS]


def test_every_command_of_the_page_works_in_its_order(isolated_environment, tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(isolated_environment / "dagster"))
    prepare_dagster_home(os.environ)
    found = commands()
    assert {program for program, *_ in found} == PROGRAMS.keys()
    assert {arguments[0] for program, *arguments in found if program == "scripts.backup"} == {
        "create",
        "verify",
        "restore",
    }
    places = {"/backup/quintet.tar.zst": str(tmp_path / "b.tar.zst"), "/srv/quintet": str(tmp_path / "new")}
    for program, *arguments in found:
        assert PROGRAMS[program]([places.get(word, word) for word in arguments]) == 0
    assert "dagster/dagster.yaml" in files(tmp_path / "new")


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_page_names_every_option(program, capsys):
    with pytest.raises(SystemExit):
        PROGRAMS[program](["--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help", "--dry-run"}
    assert options <= set(re.findall(r"--[a-z-]+", PAGE.read_text("utf-8")))

"""Every command of docs/ci.md, run as it stands there, ends with the exit code that stands behind it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.dagster_home import ROOT

PAGE = (ROOT / "docs" / "ci.md").read_text("utf-8")
PREPARATION = "Before the first command"

pytestmark = pytest.mark.materialise


def commands_of(page: str) -> dict[str, list[str]]:
    """The lines of the fenced blocks, by the heading that they stand under."""
    sections = re.split(r"^## (.*)$", page, flags=re.MULTILINE)[1:]
    found = {
        heading: [
            line
            for block in re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
            for line in block.splitlines()
        ]
        for heading, text in zip(sections[::2], sections[1::2], strict=True)
    }
    return {heading: lines for heading, lines in found.items() if lines}


def documented_code(line: str) -> int:
    """What a command is said to end with."""
    behind = re.search(r"# exit (\d+): \S", line)
    return int(behind[1]) if behind else 0


COMMANDS = commands_of(PAGE)
RECIPES = [heading for heading in COMMANDS if heading != PREPARATION]


def test_there_is_a_recipe_of_each_pipeline_with_a_success_and_a_failure():
    assert {"market", "aim", "dwh", "discovery", "beams"} <= set(RECIPES)
    for pipeline in ("market", "aim", "dwh", "discovery", "beams"):
        codes = {
            documented_code(line)
            for line in COMMANDS[pipeline]
            if "dagster asset materialize" in line or "run_checks" in line
        }
        assert codes == {0, 1}


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_commands_end_as_they_are_said_to(recipe, tmp_path):
    lines = [*COMMANDS[PREPARATION], *COMMANDS[recipe]]
    codes, log = tmp_path / "codes", tmp_path / "log"
    script = "\n".join(f"{line}\necho $? >> '{codes}'" for line in lines)
    # The virtual environment of a checkout is `.venv`; this one may be elsewhere.
    script = script.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    environ = {
        name: it for name, it in os.environ.items() if not name.startswith(("QUINTET_", "DAGSTER_HOME"))
    }
    with log.open("wb") as output:
        subprocess.run(
            ["bash"],
            input=script.encode(),
            cwd=ROOT,
            env=environ | {"TMPDIR": str(tmp_path)},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=True,
            timeout=1800,
        )
    ended = dict(zip(lines, map(int, codes.read_text().split()), strict=True))
    assert ended == {line: documented_code(line) for line in lines}, log.read_text()[-20_000:]

"""What the programs that the documents name say about themselves: their `--help`, asked for once each."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.docs.documents import ROOT

BIN = Path(sys.prefix) / "bin"
WITHOUT_HELP = {
    "generic_entry.py": ("assets/dwh/arguments.py", "assets/dwh/routing.py", "scripts/dwh_entry.py")
}
"""A command line of a predecessor has no `--help`; the modules that read its arguments name them."""

_MAKE_TARGET = r"^{target}:.*\n(?P<recipe>(?:\t.*\n)+)"


def help_of(words: list[str]) -> str | None:
    """The help of a command's program and sub-command; None for programs that are not ours to ask."""
    name = words[0].removeprefix(".venv/bin/")
    if name == "make":
        return _help_of_target(words)
    if name.endswith(".py"):
        name, words = "python", ["python", *words]
    if name == "python":
        return _help_of_python(words[1:])
    if name == "inv":
        task = next((word for word in words[1:] if not word.startswith("-")), None)
        return _asked("inv", "--help", task) if task else _asked("inv", "--help")
    if name == "dagster":
        return _asked("dagster", *_leading(words[1:]), "--help")
    return None


def _help_of_target(words: list[str]) -> str | None:
    """The help of the module that a target starts, for what ARGS hands it."""
    targets = [word for word in words[1:] if re.fullmatch(r"[a-z-]+", word)]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    found = re.search(_MAKE_TARGET.format(target=targets[0]), makefile, re.MULTILINE) if targets else None
    module = re.search(r"-m (scripts\.[\w.]+)", found["recipe"]) if found else None
    return _asked("python", "-m", module[1], "--help") if module else None


def _help_of_python(words: list[str]) -> str | None:
    if words[:1] == ["-m"]:
        if words[1] == "pytest":
            return None
        asked = ["-m", words[1]]
        told = _asked("python", *asked, "--help")
        rest = words[2:]
    elif words and words[0].endswith(".py"):
        if Path(words[0]).name in WITHOUT_HELP:
            return "\n".join((ROOT / name).read_text("utf-8") for name in WITHOUT_HELP[Path(words[0]).name])
        asked, rest = [words[0]], words[1:]
        told = _asked("python", *asked, "--help")
    else:
        return None
    command = next(iter(_leading(rest)), None)
    if command and re.search(rf"^ +{re.escape(command)}\b", told, re.MULTILINE):
        told += _asked("python", *asked, command, "--help")
    return told


def _leading(words: list[str]) -> list[str]:
    """The words before the first option."""
    flags = (place for place, word in enumerate(words) if word.startswith("-"))
    return words[: next(flags, len(words))]


@cache
def _asked(program: str, *words: str) -> str:
    environment = {**os.environ, "COLUMNS": "300", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [BIN / program, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{program} {' '.join(words)} gives no help: {done.stderr[-500:]}"
    return done.stdout

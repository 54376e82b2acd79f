"""The recipes of docs/development.md, followed to the letter in a copy of the repository.

Every block that names a file is written there or, as a difference, put into what is there; every command is
run, in the order of the page. So the text and what works cannot drift apart.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.documents import ROOT, Block, blocks, commands

pytestmark = [pytest.mark.materialise]

PAGE = ROOT / "docs" / "development.md"
BLOCKS = list(blocks(PAGE))
CONTENT = ("python", "json", "yaml")
DRAWING = "text"
RECIPES = (
    "Add a pipeline",
    "Add an asset check",
    "Add a discovery strategy",
    "Add a resource variant",
    "Add a dependency",
)

NOT_RUN_HERE = {
    "make demo PIPELINE=market": "make would install the lock into the .venv that the copy borrows",
    "make test": "this test is a part of it",
    "make lock": "asks the package registry",
    '.venv/bin/python -m pytest -m "not services and not ui and not long" tests/load': "as `make test`",
    ".venv/bin/basedpyright": "minutes; only the new modules are judged, below",
}
"""Commands of the page that the copy is spared, and why."""
REFUSED = "QUINTET_OBJECT_STORE=mount "
"""What the command begins with that the page says fails."""


@dataclass(frozen=True)
class Done:
    """What became of a command."""

    code: int
    output: str


@dataclass(frozen=True)
class Followed:
    """The copy after the whole page, and what each command of it did."""

    tree: Path
    environment: dict[str, str]
    done: dict[str, Done]

    def of(self, pattern: str) -> Done:
        """The one command that a pattern finds."""
        found = [command for command in self.done if re.search(pattern, command)]
        assert len(found) == 1, f"{pattern} should find one command of the page, and finds {found}"
        return self.done[found[0]]


def changed(text: str, block: Block) -> str:
    """A text with the changes of a block, each of which has to be possible in exactly one place."""
    for hunk in re.split(r"^@@\n", block.text, flags=re.MULTILINE):
        lines = hunk.splitlines()
        before = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
        after = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
        assert text.count(before) == 1, f"{block}: {block.file} should have this once:\n{before}"
        text = text.replace(before, after)
    return text


def copy_of_the_repository(target: Path) -> Path:
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    (target / ".venv").symlink_to(sys.prefix)
    # The rules of the repository ask git which files there are.
    subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)
    return target


def environment_of(tree: Path, home: Path) -> dict[str, str]:
    home.mkdir()
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(home),
        # The copy's own modules come before those of the installation that it borrows.
        "PYTHONPATH": str(tree),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "QUINTET_HOME": str(tree / ".quintet"),
        "DAGSTER_HOME": str(tree / ".quintet" / "dagster"),
    }


def run(command: str, tree: Path, environment: dict[str, str]) -> Done:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    return Done(done.returncode, done.stdout)


def exported(command: str, tree: Path) -> dict[str, str]:
    """What an `export` of the page sets; its values know no variable but the working directory."""
    pairs = (word.partition("=") for word in command.removeprefix("export ").split())
    return {name: value.replace("$PWD", str(tree)) for name, _, value in pairs}


@pytest.fixture(scope="module")
def followed(tmp_path_factory) -> Followed:
    """The page, followed from its first block to its last."""
    folder = tmp_path_factory.mktemp("development")
    tree = copy_of_the_repository(folder / "quintet")
    environment = environment_of(tree, folder / "home")
    done: dict[str, Done] = {}
    for block in BLOCKS:
        if block.file and block.language == "diff":
            path = tree / block.file
            path.write_text(changed(path.read_text("utf-8"), block), "utf-8")
        elif block.file:
            path = tree / block.file
            assert not path.exists(), f"{block}: {block.file} is there already; show what changes in it"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
        elif not block.language:
            for command in commands(block):
                if command.text.startswith("export "):
                    environment |= exported(command.text, tree)
                elif command.text not in NOT_RUN_HERE:
                    done[command.text] = run(command.text, tree, environment)
    return Followed(tree, environment, done)


def test_every_recipe_is_there_and_every_block_is_a_file_a_change_or_commands():
    languages = {"", DRAWING, "diff", *CONTENT}
    titles = re.findall(r"^## (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert set(RECIPES) <= set(titles)
    for block in BLOCKS:
        assert block.language in languages, f"{block} has a language that nobody follows"
        if block.language not in {"", DRAWING}:
            assert block.file, f"{block} has to be preceded by a line that names its file, `path`:"


def test_every_command_of_the_page_ends_as_the_page_says(followed):
    wrong = {
        command: done.output[-2000:]
        for command, done in followed.done.items()
        if (done.code == 0) == command.startswith(REFUSED)
    }
    assert wrong == {}


def test_what_the_copy_is_spared_is_on_the_page():
    shell = [command.text for block in BLOCKS if not block.language for command in commands(block)]
    assert set(NOT_RUN_HERE) <= set(shell)


def test_the_new_pipeline_makes_its_partition_with_a_picture_and_is_judged(followed):
    made = [done for command, done in followed.done.items() if "--select group:tides --partition" in command]
    assert [done.code for done in made[:1]] == [0]
    extremes = followed.tree / ".quintet/storage/tide-gauges/extremes/2025-03-01.parquet"
    assert extremes.is_file()


def test_the_new_tests_of_the_pipeline_pass(followed):
    assert "2 passed" in followed.of(r"pytest tests/assets/tides$").output


def test_the_changed_copy_keeps_the_rules_of_the_repository(followed):
    assert "All checks passed!" in followed.of(r"ruff check").output
    assert " 0 broken" in followed.of(r"lint-imports").output


def test_the_new_modules_have_sound_types(followed):
    modules = [block.file for block in BLOCKS if block.file and block.language == "python"]
    judged = run(f".venv/bin/basedpyright {' '.join(modules)}", followed.tree, followed.environment)
    assert judged.code == 0, judged.output


def test_the_new_strategy_finds_the_items_of_its_replay(followed):
    listed = followed.of(r"jobs\.items -j symbols").output
    assert "ALDR" in listed
    assert "BRCH" in listed
    assert "exchange" not in listed


def test_the_new_resource_variant_passes_the_contract_and_refuses_a_missing_share(followed):
    contract = followed.of(r"pytest tests/services/test_object_store_contract\.py").output
    assert re.search(r"\b[3-9]\d passed|\b\d{3} passed", contract), contract[-2000:]
    assert "skipped" not in contract
    refused = followed.of(f"^{REFUSED}").output
    assert "is not there; mount the share, or correct QUINTET_MOUNT." in refused


def test_the_new_dependency_is_in_both_locks_and_named(followed):
    assert '"structlog",' in (followed.tree / "pyproject.toml").read_text()
    for lock in ("runtime.txt", "dev.txt"):
        assert re.search(r"^structlog==", (followed.tree / "requirements" / lock).read_text(), re.MULTILINE)

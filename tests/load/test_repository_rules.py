"""Rules of the repository that no tool knows: what no tracked file contains, what every package says."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("assets", "jobs", "resources", "scripts", "sensors")

# One letter of each word stands in brackets, or a pattern would find itself.
FORBIDDEN = {
    "an address of a package registry": r"\b(?:files\.python[h]osted|[p]ypi|registry\.[n]pmjs)\.\w",
    "an option that chooses a package registry": r"--(?:extra-|default-)?[i]ndex(?:-url)?\b|--[f]ind-links\b",
    "a folder of one particular machine": r"(?<![\w.})>*])/(?:[w]ork|[r]oot|[h]ome|[t]mp|[U]sers)/\w",
    "a note to oneself": r"\b(?:[T]ODO|[F]IXME|[X]XX)\b",
}


@pytest.fixture(scope="module")
def tracked_texts(root) -> dict[str, str]:
    """Every file that git tracks or would track, with its text."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    texts = {}
    for name in filter(None, listing.stdout.split("\0")):
        content = (root / name).read_bytes() if (root / name).is_file() else b"\0"
        if b"\0" not in content:
            texts[name] = content.decode(errors="replace")
    return texts


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_contains(what, tracked_texts):
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in tracked_texts.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []


def test_every_package_says_what_belongs_in_it(tracked_texts):
    silent = [
        name
        for name, text in tracked_texts.items()
        if name.endswith("__init__.py") and not ast.get_docstring(ast.parse(text))
    ]
    assert silent == []


def test_every_folder_with_modules_is_a_package(root, tracked_texts):
    folders = {
        str(Path(name).parent)
        for name in tracked_texts
        if name.endswith(".py") and Path(name).parts[0] in PACKAGES
    }
    assert [folder for folder in sorted(folders) if f"{folder}/__init__.py" not in tracked_texts] == []


def test_no_module_on_the_root_hides_one_of_the_standard_library(tracked_texts):
    roots = {Path(Path(name).parts[0]).stem for name in tracked_texts if name.endswith(".py")}
    assert roots & sys.stdlib_module_names == set()


def test_no_two_test_modules_share_a_name(tracked_texts):
    names = [Path(name).name for name in tracked_texts if name.startswith("tests/") and name.endswith(".py")]
    tests = sorted(name for name in names if name.startswith("test_"))
    assert [name for name in set(tests) if tests.count(name) > 1] == []


def test_the_two_locks_agree(root):
    def pins(lock: str) -> dict[str, str]:
        return dict(
            re.findall(r"^([\w.-]+)==(\S+)", (root / "requirements" / lock).read_text(), re.MULTILINE)
        )

    runtime, development = pins("runtime.txt"), pins("dev.txt")
    assert runtime
    assert {name: development.get(name) for name in runtime} == runtime


def test_every_pin_of_a_lock_carries_its_hashes(root):
    for lock in ("runtime.txt", "dev.txt"):
        requirements = (root / "requirements" / lock).read_text().replace("\\\n", " ").splitlines()
        assert [
            line for line in requirements if not re.fullmatch(r"\S+==\S+.*\s--hash=sha256:\S+", line)
        ] == []

"""`make bench`: every declared thing has a row, and what fails is told in its row and by the exit code."""

import json
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from shutil import which
from typing import NoReturn

import pytest

from scripts.benchmarks import __main__ as bench
from scripts.benchmarks.lines import Line, Part
from scripts.benchmarks.outcomes import Outcome, read_json, write_json
from scripts.benchmarks.targets import TARGETS


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[str, list[str]]]]:
    """Have a benchmark end at once, with such a code and outcomes of such parts; tell what was run."""

    def install(parts: dict[str, dict[str, Part | str]], code: int = 0) -> list[tuple[str, list[str]]]:
        ran: list[tuple[str, list[str]]] = []

        def run(program: str, flags: list[str]) -> int:
            ran.append((program, [*flags[2:]]))
            if program in parts:
                write_json(Path(flags[1]), [outcome(program, *one) for one in parts[program].items()])
            return code

        monkeypatch.setattr(bench, "_run", run)
        return ran

    return install


def outcome(pipeline: str, part: str, found: Part | str) -> Outcome:
    """A part of a pipeline, or why it is not there."""
    measured, failure = (None, found) if isinstance(found, str) else (found, "")
    return Outcome(pipeline, part, measured, failure, (0.0, 0.0), is_full_size=True)


def table(text: str) -> list[list[str]]:
    """The rows under the head, cell by cell."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def slow(pipeline: str) -> dict[str, Part | str]:
    """All parts of a pipeline, each line a thousand seconds."""
    parts: dict[str, Part | str] = {}
    for target in TARGETS:
        if target.pipeline == pipeline:
            lines = [Line(t.line, 1000.0, rows=1) for t in TARGETS if t.part == target.part]
            parts[target.part] = Part(target.part, lines)
    return parts


def test_a_missed_target_is_marked_and_fails_nothing(programs, capsys):
    programs({"beams": slow("beams")})
    assert bench.main(["--only", "beams", "--date", "2026-01-31"]) == 0
    text = capsys.readouterr().out
    rows = table(text)
    assert len(rows) == sum(target.pipeline == "beams" for target in TARGETS)
    assert {row[6] for row in rows} == {"missed", ""}
    assert "on 2026-01-31" in text


def test_a_part_that_failed_has_its_rows_and_the_exit_code_tells(programs, capsys):
    programs({"beams": slow("beams") | {"logs": "logs ended with exit code 1: a layer is lost"}}, code=1)
    assert bench.main(["--only", "beams"]) == 1
    failed = [row for row in table(capsys.readouterr().out) if row[6] == "failed"]
    assert len(failed) == 2
    assert {row[3] for row in failed} == {"logs ended with exit code 1: a layer is lost"}


def test_a_benchmark_that_ends_without_a_word_has_its_rows_and_the_others_are_measured(
    programs, tmp_path, capsys
):
    programs({"beams": slow("beams"), "market": slow("market")}, code=1)
    out, file = tmp_path / "table.md", tmp_path / "outcomes.json"
    chosen = [word for name in ("aim", "beams", "market") for word in ("--only", name)]
    arguments = [*chosen, "--out", str(out), "--json", str(file)]
    assert bench.main(arguments) == 1
    rows = table(out.read_text())
    assert {row[3] for row in rows if row[0] == "aim"} == {"scripts.benchmarks.aim ended with exit code 1"}
    assert {row[0] for row in rows if row[6] == "failed"} == {"aim"}
    assert {one.pipeline for one in read_json(file)} == {"beams", "market"}
    assert not capsys.readouterr().out


def test_all_benchmarks_run_with_the_quick_size_or_with_what_keeps_them_short(programs):
    for flags in ([], ["--quick"]):
        ran = programs({})
        assert bench.main(flags) == 1
        assert [name for name, _ in ran] == [name for some in bench.PROGRAMS.values() for name in some]
        assert (dict(ran)["market"] == ["--quick"]) is bool(flags)


def test_a_benchmark_that_crashes_is_run_to_its_end_and_its_code_is_known(capfd):
    assert bench._run("absent", []) == 1
    assert "absent" in capfd.readouterr().err


@pytest.mark.long
@pytest.mark.services
def test_every_declared_thing_is_measured_at_the_quick_size(
    tmp_path: Path, missing_service: Callable[[str], NoReturn]
) -> None:
    if which("java") is None:
        missing_service("Java is not installed: apt-get install openjdk-17-jre-headless")
    try:
        distribution("opentps-core")
    except PackageNotFoundError:
        missing_service(
            "The CPU engine is not installed: "
            ".venv/bin/python -m pip install --no-deps --require-hashes -r requirements/engines.txt"
        )
    out, file = tmp_path / "table.md", tmp_path / "outcomes.json"
    assert bench.main(["--quick", "--out", str(out), "--json", str(file)]) == 0
    rows = table(out.read_text())
    assert [row[:2] for row in rows] == [[target.pipeline, target.what] for target in TARGETS]
    assert all(row[3] for row in rows)
    assert {one["failure"] for one in json.loads(file.read_text())} == {""}

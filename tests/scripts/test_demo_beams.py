"""The demo of beams, as a user runs it, with few protons and short logs."""

import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NoReturn

import dagster as dg
import pytest

from scripts.beam_runs import BeamRuns
from scripts.demos import beams
from scripts.demos.steps import DemoFailed, Guide, Result
from scripts.sample_data.beams import SampleCase, corrupted, write_case

INSTALL = ".venv/bin/python -m pip install --no-deps --require-hashes -r requirements/engines.txt"


@pytest.fixture
def engine(missing_service: Callable[[str], NoReturn]) -> None:
    try:
        distribution("opentps-core")
    except PackageNotFoundError:
        missing_service(f"The CPU engine is not installed: {INSTALL}")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beams, "_SIZE", ("--fractions", "1"))
    monkeypatch.setattr(beams, "_SETTINGS", {**beams._SETTINGS, "BEAMS_PRIMARIES": "1000"})


def files_below(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def demonstrate() -> Result:
    guide = Guide(["beams"])
    guide.begin("beams", beams.TITLE)
    return beams.demonstrate(guide)


def demonstrated(capsys: pytest.CaptureFixture[str], output: Path, attempt: int) -> None:
    """Run the demo, and require that it shows what it promises."""
    result = demonstrate()
    shown = capsys.readouterr().out

    assert f":report:{attempt}  report_beam_case QA9001: done" in shown
    assert "Research use only, not a medical device" in shown
    assert "check_beam_field QA9002|1: failed" in shown
    columns = {str(column.header): list(column.cells) for column in result.table.columns}
    assert [*zip(columns["beam"], columns["verdict"], strict=True)] == [
        ("2  F3", "passed"),
        ("3  F4", "passed"),
        ("1  F2 A/P", "passed"),
    ]
    refusal, notice, *reports = result.notes
    assert refusal.startswith("QA9002 is failed: layer_word. ")
    assert "01-QA9002_F2_005_001.ptn" in refusal
    assert notice == "Research use only, not a medical device. Reports:"
    assert [line.strip() for line in reports] == [
        str(output / case / "Report" / "case_report.html") for case in ("QA9001", "QA9002")
    ]
    assert (output / "QA9001" / "Report" / "case_report.html").is_file()
    assert not (output / "QA9002" / "Dose" / "002_F2_A_P" / "Dose.raw").exists()


@pytest.mark.services
def test_the_demo_judges_one_case_and_refuses_the_other_and_touches_nothing_else(
    engine: None,
    isolated_environment: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clinic = tmp_path / "clinic"
    write_case(clinic, SampleCase(number=7))
    untouched = files_below(clinic)
    monkeypatch.setenv("BEAMS_SCAN_ROOT", str(clinic))
    monkeypatch.setenv("BEAMS_ENGINE", "moqui")
    storage = isolated_environment / "storage"
    write_case(storage / "beam-logs", SampleCase(number=8, samples=200))

    demonstrated(capsys, storage / "beam-output" / "G2", attempt=1)

    assert not (storage / "beam-output" / "G2" / "QA0008").exists()
    assert files_below(clinic) == untouched
    assert (os.environ["BEAMS_SCAN_ROOT"], os.environ["BEAMS_ENGINE"]) == (str(clinic), "moqui")


@pytest.mark.long
@pytest.mark.services
def test_the_demo_can_be_repeated(
    engine: None, isolated_environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for attempt in (1, 2):
        demonstrated(capsys, isolated_environment / "storage" / "beam-output" / "G2", attempt)


def test_a_case_that_comes_to_something_else_fails_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    def mark_another_case(folder: Path) -> None:
        write_case(folder.parents[1], corrupted(SampleCase(number=9001, fractions=1), "ptn_missing"))

    monkeypatch.setattr(beams, "_mark", mark_another_case)
    monkeypatch.setattr(beams, "REFUSAL", "ptn_missing")

    with pytest.raises(DemoFailed, match=r"QA9001 is failed: .*_002\.ptn"):
        demonstrate()


def test_a_run_asked_for_without_a_marker_fails_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beams, "UNMARKED", "ptn_missing")

    with pytest.raises(DemoFailed, match="QA9001 has no marker, and the sensor asks for its manifest"):
        demonstrate()


def test_what_an_interrupted_demo_left_undone_is_no_obstacle_to_the_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Marked(Exception):
        """The demo has come as far as the marker."""

    def manifests_only(runs: BeamRuns, request: dg.RunRequest) -> None:
        if request.job_name != "prepare_beam_case":
            raise KeyboardInterrupt
        assert runs.run(request)

    def mark(folder: Path) -> None:
        raise Marked(folder)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(beams, "_do", manifests_only)
        with pytest.raises(KeyboardInterrupt):
            demonstrate()
    assert "look: only what an earlier demo has left undone" not in capsys.readouterr().out

    monkeypatch.setattr(beams, "_mark", mark)
    with pytest.raises(Marked, match="QA9001"):
        demonstrate()
    assert "look: only what an earlier demo has left undone" in capsys.readouterr().out

"""The demo of beams, as a user runs it, with few protons and short logs."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NoReturn

import pytest

from scripts.demos import beams
from scripts.demos.steps import DemoFailed
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


def demonstrated(capsys: pytest.CaptureFixture[str], output: Path, attempt: int) -> None:
    """Run the demo, and require that it shows what it promises."""
    steps = beams.demonstrate()
    shown = capsys.readouterr().out

    assert [step.name for step in steps] == ["beams: QA9001", "beams: QA9002"]
    assert f":report:{attempt}  report_beam_case QA9001: done" in shown
    assert shown.count("Research use only, not a medical device") == 2
    delivered = [line.split("│") for line in shown.splitlines() if line.startswith("│ 20260320")]
    assert [(cells[2].strip(), cells[5].strip()) for cells in delivered] == [
        ("2  F3", "passed"),
        ("3  F4", "passed"),
        ("1  F2 A/P", "passed"),
    ]
    assert "check_beam_field QA9002|1: failed" in shown
    assert "QA9002 is failed: layer_word" in shown
    assert "01-QA9002_F2_005_001.ptn" in shown
    assert str(output / "QA9001" / "Report" / "case_report.html") in shown
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
        beams.demonstrate()


def test_a_run_asked_for_without_a_marker_fails_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beams, "UNMARKED", "ptn_missing")

    with pytest.raises(DemoFailed, match="QA9001 has no marker, and the sensor asks"):
        beams.demonstrate()


def test_an_unknown_demo_is_refused_with_the_known_ones() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.demo", "beam"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert ended.returncode == 2
    assert "beams" in ended.stderr

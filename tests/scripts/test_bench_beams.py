"""The benchmark of beams: its parts measure what they say, and a wrong result ends it."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NoReturn

import pytest

from scripts.benchmarks import beams_case
from scripts.benchmarks.beams import BeamsSuite
from scripts.benchmarks.lines import BenchmarkFailed
from scripts.sample_data.beams import SampleCase, corrupted

INSTALL = ".venv/bin/python -m pip install --no-deps --require-hashes -r requirements/engines.txt"


def test_a_part_of_less_than_full_size_meets_and_misses_no_target(capsys):
    assert BeamsSuite().main(["--only", "tick", "--share", "0.003"]) == 0
    shown = capsys.readouterr().out
    assert "150 files" in shown
    assert shown.count("not full size") == 1


@pytest.mark.parametrize("arguments", [["--share", "0"], ["--share", "2"], ["--only", "nothing"]])
def test_a_wrong_argument_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as raised:
        BeamsSuite().main(arguments)
    assert raised.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.services
def test_a_case_is_measured_from_its_manifest_to_its_report(
    tmp_path: Path, missing_service: Callable[[str], NoReturn]
) -> None:
    try:
        distribution("opentps-core")
    except PackageNotFoundError:
        missing_service(f"The CPU engine is not installed: {INSTALL}")

    part = beams_case.measure_case(tmp_path, 1000)

    assert [line.name for line in part.lines] == [
        "manifest to report",
        "prepare_beam_case QA0001",
        "check_beam_field QA0001|1",
        "check_beam_field QA0001|2",
        "check_beam_field QA0001|3",
        "report_beam_case QA0001",
    ]
    assert part.lines[0].value == pytest.approx(sum(line.value for line in part.lines[1:]))


def test_a_run_that_fails_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beams_case, "SampleCase", lambda: corrupted(SampleCase(), "ptn_missing"))

    with pytest.raises(BenchmarkFailed, match=r"QA0001:.*:manifest:1 failed"):
        beams_case.measure_case(tmp_path, 1000)

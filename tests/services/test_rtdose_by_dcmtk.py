"""An RTDOSE in the eyes of dcmtk, which shares no code with the library that wrote it."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from assets.beams.dose_grid import DoseGrid
from tests.assets.beams.beam_doses import ORIGIN_MM, SPACING_MM, changed, grid_of, plan_item, ramp, written

pytestmark = pytest.mark.services

Dcmtk = Callable[..., "subprocess.CompletedProcess[str]"]
TOOLS = ("dcmdump", "dcm2json", "drtdump")


@pytest.fixture(scope="session")
def dcmtk(missing_service: Callable[[str], NoReturn]) -> Dcmtk:
    """Run a tool of dcmtk on a file."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        missing_service(f"dcmtk ({', '.join(missing)}) is not installed: apt-get install dcmtk")

    def run(tool: str, file: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [tool, *arguments, str(file)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


def numbers_of(read: dict[str, Any], tag: str) -> list[float]:
    return [float(value) for value in read[tag]["Value"]]


def dose_of(read: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """The dose by the rule of the standard: each pixel times DoseGridScaling."""
    pixels = np.frombuffer(base64.b64decode(read["7FE00010"]["InlineBinary"]), "<u2")
    return pixels.reshape(shape) * numbers_of(read, "3004000E")[0]


@pytest.mark.parametrize(
    ("grid", "units", "largest"),
    [
        (grid_of(ramp(largest=7e-3)), "RELATIVE", 1.0),
        (grid_of(ramp(largest=2.25), "Gy"), "GY", 2.25),
        (grid_of(ramp(largest=1e-9), "Gy"), "GY", 1e-9),
        (grid_of(ramp((1, 30, 20), largest=2.25), "Gy"), "GY", 2.25),
        (grid_of(ramp((30, 20, 10)).astype(np.float32)[:, ::-1, ::-1], "Gy"), "GY", 1.0),
    ],
    ids=["relative", "gray", "a billionth of a gray", "a plane", "flipped"],
)
def test_another_reader_sees_the_same_doses(
    dcmtk: Dcmtk,
    tmp_path: Path,
    grid: DoseGrid,
    units: str,
    largest: float,
) -> None:
    file = tmp_path / "dose.dcm"
    file.write_bytes(written(grid))
    read = json.loads(dcmtk("dcm2json", file).stdout)
    shape = grid.values.shape
    frames = int(numbers_of(read, "00280008")[0]) if shape[0] > 1 else 1
    assert (frames, *numbers_of(read, "00280010"), *numbers_of(read, "00280011")) == shape
    expected = grid.values * (largest / grid.values.max())
    np.testing.assert_allclose(dose_of(read, shape), expected, rtol=0, atol=largest / 65_535)
    assert read["30040002"]["Value"] == [units]
    assert tuple(numbers_of(read, "00200032")) == ORIGIN_MM
    assert numbers_of(read, "00280030") == [SPACING_MM[1], SPACING_MM[0]]
    if frames > 1:
        assert numbers_of(read, "3004000C") == [1.5 * frame for frame in range(frames)]


def test_another_reader_sees_whose_dose_it_is(dcmtk: Dcmtk, tmp_path: Path) -> None:
    file = tmp_path / "dose.dcm"
    plan = plan_item(SpecificCharacterSet="ISO_IR 192", PatientName="홍^길동")
    file.write_bytes(written(grid_of(ramp()), plan=plan, index=2))
    read = json.loads(dcmtk("dcm2json", file).stdout)
    assert read["00100010"]["Value"] == [{"Alphabetic": "홍^길동"}]
    seen = [read[tag]["Value"] for tag in ("00100020", "0020000D", "00200052", "00080060")]
    assert seen == [["QA0001"], ["1.2.3.2"], ["1.2.3.3"], ["RTDOSE"]]
    (reference,) = read["300C0002"]["Value"]
    assert reference["00081155"]["Value"] == ["1.2.3.1"]
    (group,) = reference["300C0020"]["Value"]
    assert [beam["300C0006"]["Value"] for beam in group["300C0004"]["Value"]] == [[3]]


def test_another_reader_finds_nothing_wrong_with_the_object(dcmtk: Dcmtk, tmp_path: Path) -> None:
    for name, content in {
        "stack": written(grid_of(ramp())),
        "plane": written(grid_of(ramp((1, 3, 4)), "Gy")),
        "bare": written(grid_of(ramp()), plan=plan_item(PatientName=None, FrameOfReferenceUID=None)),
    }.items():
        file = tmp_path / f"{name}.dcm"
        file.write_bytes(content)
        # It knows the modules of the RT Dose IOD, and says what breaks their rules.
        by_module = dcmtk("drtdump", file)
        assert (by_module.returncode, by_module.stderr) == (0, "")
        assert by_module.stdout.startswith("RT Dose object")
        by_element = dcmtk("dcmdump", file, "--verbose")
        assert by_element.returncode == 0
        assert "W:" not in by_element.stderr


@pytest.mark.parametrize("keyword", ["DoseUnits", "PositionReferenceIndicator", "PatientName"])
def test_another_reader_would_say_if_an_attribute_were_missing(
    dcmtk: Dcmtk, tmp_path: Path, keyword: str
) -> None:
    file = tmp_path / "dose.dcm"
    file.write_bytes(changed(written(grid_of(ramp())), **{keyword: None}))
    assert f"{keyword} " in dcmtk("drtdump", file).stderr

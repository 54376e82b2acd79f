"""What the TPS file of a beam says, and the folders that it may point to."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

import pytest

from assets.beams.failures import PermanentBeamFailure
from assets.beams.keys import beam_folder
from assets.beams.tps_file import tps_text
from assets.beams.tps_input import TpsBeam, launch_values, require_log_tree, tps_values, write_tps_input
from tests.assets.beams.tps_texts import EXAMPLE, engine_view

_OUTPUT = PurePosixPath("/data/out/G2/QA000001")
_BEAM = TpsBeam("QA000001", 1, 2, beam_folder(2, "F2 A/P"), 2)
_CSVS = ("01_150.00MeV.csv", "02_140.00MeV.csv")


@pytest.fixture
def case_output(tmp_path) -> Path:
    """A case with a setup beam and two treatment beams, of which the first is published."""
    output = tmp_path / "G2" / "QA000001"
    for folder in ("001_SETUP", "002_F2_A_P", "003_F3"):
        (output / "Log_csv" / "log" / folder).mkdir(parents=True)
    for name in _CSVS:
        (output / "Log_csv" / "log" / "002_F2_A_P" / name).write_text("0.0,0.0,0.0,1\r\n")
    (output / "Log_csv" / "plan").mkdir()
    (output / "Log_csv" / "plan" / "RTPLAN.dcm").write_text("plan")
    return output


def _lines_that_differ(text, other):
    return {new for old, new in zip(text.split("\n"), other.split("\n"), strict=True) if old != new}


def test_the_worked_example_is_the_file_of_this_beam():
    assert tps_text(tps_values(_BEAM, _OUTPUT, "1"), _BEAM.file_name) == EXAMPLE
    assert _BEAM.file_name == "moqui_tps_QA000001_beam_1.in"


def test_the_beam_number_is_the_place_in_the_plan_setup_beams_counted():
    values = tps_values(_BEAM, _OUTPUT, "1")

    assert values["BeamNumbers"] == "2"
    assert values["OutputDir"].rsplit("/", 1)[-1] == "002_F2_A_P"


def test_each_beam_has_its_own_seed_output_and_temporary_root():
    beams = [_BEAM, TpsBeam("QA000001", 2, 3, "003_F3", 2), TpsBeam("QA000001", 3, 4, "004_F4", 2)]
    values = [tps_values(beam, _OUTPUT, "1") for beam in beams]

    for key in ("RandomSeed", "OutputDir", "BeamLayerMultiGpuTempRoot", "BeamNumbers"):
        assert len({each[key] for each in values}) == 3


def test_the_salt_changes_the_seed_and_nothing_else():
    other = tps_text(tps_values(_BEAM, _OUTPUT, "2"), "a.in")

    (changed,) = _lines_that_differ(EXAMPLE, other)
    assert changed.startswith("RandomSeed ")


@pytest.mark.parametrize(
    ("gpus", "lines"),
    [
        ([0], {"GPUID 0", "EnableBeamLayerMultiGpu false", "BeamLayerMultiGpuAllowedGpuIds "}),
        ([3], {"GPUID 3", "EnableBeamLayerMultiGpu false", "BeamLayerMultiGpuAllowedGpuIds "}),
        ([2, 5], {"GPUID 2", "EnableBeamLayerMultiGpu true", "BeamLayerMultiGpuAllowedGpuIds 2,5"}),
        ([5, 2], {"GPUID 2", "EnableBeamLayerMultiGpu true", "BeamLayerMultiGpuAllowedGpuIds 2,5"}),
        ([0, 1, 10], {"GPUID 0", "EnableBeamLayerMultiGpu true", "BeamLayerMultiGpuAllowedGpuIds 0,1,10"}),
    ],
)
def test_a_launch_differs_in_its_gpus_and_its_run_folder_alone(gpus, lines):
    run = PurePosixPath("/data/work/QA000001/002_F2_A_P/7")
    values = tps_values(_BEAM, _OUTPUT, "1")

    text = tps_text(
        launch_values(values, gpus, output_dir=run / "output", temp_root=run / ".tmp"), _BEAM.file_name
    )

    paths = {f"OutputDir {run}/output", f"BeamLayerMultiGpuTempRoot {run}/.tmp"}
    assert lines | paths <= set(text.split("\n"))
    assert _lines_that_differ(EXAMPLE, text) <= lines | paths
    assert values["GPUID"] == "0"


def test_on_a_remote_host_every_path_points_into_its_work_folder():
    remote = PurePosixPath("/srv/beams/QA000001/002_F2_A_P/7")

    values = launch_values(
        tps_values(_BEAM, _OUTPUT, "1"),
        [0],
        output_dir=remote / "out",
        temp_root=remote / ".tmp",
        case_output=remote,
    )

    text = tps_text(values, _BEAM.file_name)
    assert "/data/out" not in text
    seen = engine_view(text)
    assert seen["parentdir"] == f"{remote}/Log_csv"
    assert seen["dicompath"] == f"{remote}/Log_csv/plan"
    assert seen["logfilepath"] == f"{remote}/Log_csv/log"
    assert seen["dicomdir"] == "plan"
    changed = {line.split(" ")[0] for line in _lines_that_differ(EXAMPLE, text)}
    assert changed == {"ParentDir", "DicomPath", "logFilePath", "OutputDir", "BeamLayerMultiGpuTempRoot"}


@pytest.mark.parametrize("gpus", [[], [-1], [2, 2], [0, 1, 0]])
def test_a_launch_needs_one_or_more_different_gpus(gpus):
    with pytest.raises(ValueError, match="GPU indices"):
        launch_values(
            tps_values(_BEAM, _OUTPUT, "1"), gpus, output_dir=_OUTPUT / "a", temp_root=_OUTPUT / "b"
        )


@pytest.mark.parametrize(
    "case",
    [
        "QA\n0001",
        "QA#1",
        "-rf",
        "../x",
        "a;b",
        "$(x)",
        "QA 1",
        "",
        ".hidden",
        "..",
        "a" * 65,
        "QA\x00",
        "QÄ1",
        "a/b",
    ],
    ids=ascii,
)
def test_a_case_that_is_no_key_is_refused_before_any_file_exists(case, case_output):
    with pytest.raises(PermanentBeamFailure) as refusal:
        write_tps_input(replace(_BEAM, case=case), case_output, _CSVS, "1")

    assert refusal.value.code == "bad_case_id"
    assert sorted(entry.name for entry in (case_output / "Log_csv").iterdir()) == ["log", "plan"]


@pytest.mark.parametrize("index", [0, -1, 1000])
def test_a_treatment_index_out_of_range_is_refused(index):
    with pytest.raises(PermanentBeamFailure) as refusal:
        tps_values(replace(_BEAM, treatment_index=index), _OUTPUT, "1")

    assert refusal.value.code == "bad_case_id"


def _refusal(case_output, beam=_BEAM, csvs=_CSVS):
    with pytest.raises(PermanentBeamFailure) as refusal:
        write_tps_input(beam, case_output, csvs, "1")
    assert refusal.value.code == "tps_invalid"
    assert f"'{beam.file_name}'" in refusal.value.message
    assert list((case_output / "Log_csv").glob("*moqui*")) == []
    assert list((case_output / "Log_csv").glob(".*")) == []
    return refusal.value.message


@pytest.mark.parametrize("gantry", [0, 3, 12, -1])
def test_a_gantry_that_does_not_exist_is_refused(case_output, gantry):
    assert "neither 1 nor 2" in _refusal(case_output, replace(_BEAM, gantry=gantry))


@pytest.mark.parametrize(
    "folder", ["003_F3", "F2_A_P", "2_F2", "002_F2 A", "002_../x", "002_F2\n", "0002_F2", "002F2", ""]
)
def test_a_folder_that_is_not_that_of_its_place_in_the_plan_is_refused(case_output, folder):
    assert "no folder of plan item 2" in _refusal(case_output, replace(_BEAM, folder=folder))


def test_a_relative_output_folder_is_refused(case_output, monkeypatch):
    monkeypatch.chdir(case_output.parent)
    with pytest.raises(PermanentBeamFailure, match="no absolute path") as refusal:
        write_tps_input(_BEAM, Path("QA000001"), _CSVS, "1")
    assert refusal.value.code == "tps_invalid"


@pytest.mark.parametrize("name", ["with#sign", "new\nline", "open{case}"])
def test_an_output_folder_that_the_engine_would_misread_is_refused(case_output, tmp_path, name):
    hostile = case_output.rename(tmp_path / name)

    assert "ParentDir" in _refusal(hostile)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda plan: (plan / "RTPLAN.dcm").unlink(), "has 0 entries"),
        (lambda plan: (plan / "second.dcm").touch(), "has 2 entries"),
        (lambda plan: ((plan / "RTPLAN.dcm").unlink(), (plan / "a.dcm").mkdir()), "has 1 entries instead"),
        (lambda plan: ((plan / "RTPLAN.dcm").unlink(), plan.rmdir()), "has 0 entries"),
    ],
)
def test_anything_but_one_plan_is_refused(case_output, change, problem):
    change(case_output / "Log_csv" / "plan")

    assert f"Log_csv/plan {problem}" in _refusal(case_output)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda log: (log / "001_SETUP").rmdir(),
            "place 2 of the sorted folders has '003_F3' instead of '002_F2_A_P'",
        ),
        (lambda log: (log / ".hidden").mkdir(), "place 2 of the sorted folders has '001_SETUP'"),
        (lambda log: (log / "0010").mkdir(), "place 2 of the sorted folders has '001_SETUP'"),
        (lambda log: ((log / "001_SETUP").rmdir(), (log / "003_F3").rmdir()), "has none instead"),
    ],
)
def test_a_beam_that_is_not_at_its_place_among_the_log_folders_is_refused(case_output, change, problem):
    change(case_output / "Log_csv" / "log")

    assert problem in _refusal(case_output)


def test_files_beside_the_log_folders_do_not_count(case_output):
    (case_output / "Log_csv" / "log" / "000_a.txt").touch()

    require_log_tree(_BEAM, case_output, _CSVS)


def test_a_case_without_log_folders_is_refused(tmp_path, case_output):
    (case_output / "Log_csv" / "log").rename(tmp_path / "moved")

    assert "has none instead of" in _refusal(case_output)


@pytest.mark.parametrize(
    ("csvs", "problem"),
    [
        (_CSVS[:1], "2 files for 1 layers"),
        ((*_CSVS, "03_130.00MeV.csv"), "2 files for 3 layers"),
        ((_CSVS[0], "02_141.00MeV.csv"), "'02_141.00MeV.csv' is missing"),
    ],
)
def test_csvs_other_than_those_of_the_reference_delivery_are_refused(case_output, csvs, problem):
    assert problem in _refusal(case_output, csvs=csvs)


def test_an_interrupted_publication_is_refused(case_output):
    (case_output / "Log_csv" / "log" / "002_F2_A_P" / ".publishing").touch()

    assert "interrupted" in _refusal(case_output)


def test_the_file_is_written_with_its_digest_and_the_same_again(case_output):
    path, digest = write_tps_input(_BEAM, case_output, _CSVS, "1")

    assert path == case_output / "Log_csv" / "moqui_tps_QA000001_beam_1.in"
    assert path.read_text() == EXAMPLE.replace(str(_OUTPUT), str(case_output))
    assert digest == sha256(path.read_bytes()).hexdigest()
    assert write_tps_input(_BEAM, case_output, _CSVS, "1") == (path, digest)


def test_a_refusal_leaves_the_file_of_an_earlier_run(case_output):
    path, _ = write_tps_input(_BEAM, case_output, _CSVS, "1")
    before = path.read_bytes()

    with pytest.raises(PermanentBeamFailure):
        write_tps_input(_BEAM, case_output, _CSVS[:1], "2")

    assert path.read_bytes() == before

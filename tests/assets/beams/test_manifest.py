"""The manifest of a case, and a case by its manifest: later steps use what was judged, or nothing."""

import json
import shutil
from pathlib import Path

import pytest

from assets.beams.failures import BeamFailure
from assets.beams.manifest import (
    MANIFEST_FILE,
    PLAN_FILE,
    NoManifest,
    csv_names,
    manifest_bytes,
    manifest_of,
    read_manifest,
)
from assets.beams.manifested_case import ManifestedCase, manifested_case
from tests.assets.beams.delivered_cases import RULES, case_folder, deliver, deliver_all, judged, log_file_name

FIRST_OF_BEAM_5 = "2026032010050000"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A case below the scan root `G2`, delivered twice; the first fraction in the order 9, 5, 3."""
    (tmp_path / "G2").mkdir()
    folder = case_folder(tmp_path / "G2")
    deliver_all(folder)
    deliver_all(folder, hour=14, numbers=(3, 9, 5))
    return folder


def content_of(case: Path) -> bytes:
    ready = judged(case, room="G2").required_case()
    plan = ready.plan.file.read_bytes()
    return manifest_bytes(manifest_of(ready, "f" * 16, f"G2/{case.name}", "G2", plan))


@pytest.fixture
def output(tmp_path: Path, case: Path) -> Path:
    """The output folder of the case, with manifest and plan."""
    output = tmp_path / "out"
    (output / PLAN_FILE).parent.mkdir(parents=True)
    shutil.copyfile(case / "plan.dcm", output / PLAN_FILE)
    (output / MANIFEST_FILE).write_bytes(content_of(case))
    return output


def opened(case: Path, output: Path) -> ManifestedCase:
    return manifested_case(case.name, output, case.parents[1], RULES)


def test_the_same_input_gives_the_same_manifest(case: Path) -> None:
    assert content_of(case) == content_of(case)


def test_it_names_beams_by_all_their_numbers_and_the_log_of_every_layer(case: Path) -> None:
    manifest = json.loads(content_of(case))
    beam = manifest["beams"][0]
    numbers = (beam["treatment_index"], beam["dicom_number"], beam["plan_position"], beam["folder"])
    assert numbers == (1, 5, 2, "002_F2_A_P")
    assert [item["is_setup"] for item in manifest["items"]] == [True, False, False, False]
    reference = manifest["references"]["1"]
    assert reference == {"delivery": FIRST_OF_BEAM_5, "fraction_index": 1}
    entry = next(entry for entry in manifest["deliveries"] if entry["folder"] == FIRST_OF_BEAM_5)
    assert entry["is_reference"]
    assert (entry["dicom_number"], entry["fraction_index"]) == (5, 1)
    assert [(log["layer"], log["file"]) for log in entry["logs"]] == [
        (1, log_file_name(5, 1)),
        (2, log_file_name(5, 2)),
    ]


def test_references_and_deliveries_are_read_again_as_they_were_judged(case: Path, output: Path) -> None:
    manifested = opened(case, output)
    reference = manifested.reference(1)
    assert reference.delivery.folder == FIRST_OF_BEAM_5
    assert csv_names(reference) == ["01_150.00MeV.csv", "02_140.00MeV.csv"]
    assert [entry["folder"] for entry in manifested.entries(1)] == [FIRST_OF_BEAM_5, "2026032014100000"]
    assert manifested.log_folder(1) == output / "Log_csv" / "log" / "002_F2_A_P"


def test_a_delivery_that_arrived_since_disturbs_nothing(case: Path, output: Path) -> None:
    deliver(case, "18:00", 5)
    assert opened(case, output).reference(1).delivery.folder == FIRST_OF_BEAM_5


def _another_beam(folder: Path) -> None:
    info = folder / "PlanInfo.txt"
    info.write_text(info.read_text().replace("DICOM_BEAM_NUMBER,5", "DICOM_BEAM_NUMBER,3"))


def _another_range(folder: Path) -> None:
    table = folder / "PlanRange.txt"
    table.write_text(table.read_text().replace(",2,2,2,2,", ",3,3,2,2,"))


def _longer_log(folder: Path) -> None:
    with (folder / log_file_name(5, 1)).open("ab") as log:
        log.write(bytes(16))


def _no_number(folder: Path) -> None:
    info = folder / "PlanInfo.txt"
    info.write_text(info.read_text().replace("DICOM_BEAM_NUMBER,5", "DICOM_BEAM_NUMBER,x"))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_another_beam, "layer_count"),
        (_another_range, "csv_mismatch"),
        (_longer_log, "csv_mismatch"),
        (_no_number, "csv_mismatch"),
        (shutil.rmtree, "csv_mismatch"),
        (lambda folder: (folder / log_file_name(5, 2)).unlink(), "ptn_missing"),
        (lambda folder: (folder / "PlanRange.txt").unlink(), "missing_planrange"),
    ],
)
def test_a_delivery_that_changed_since_is_refused_by_name(change, code, case: Path, output: Path) -> None:
    change(case / FIRST_OF_BEAM_5)
    with pytest.raises(BeamFailure, match=FIRST_OF_BEAM_5) as refused:
        opened(case, output).reference(1)
    assert refused.value.code == code


def test_without_a_manifest_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(NoManifest, match="QA0001 has no manifest"):
        read_manifest(tmp_path, "QA0001")


def test_a_manifest_that_is_no_json_is_refused(output: Path) -> None:
    (output / MANIFEST_FILE).write_text("{")
    with pytest.raises(NoManifest, match="cannot be read"):
        read_manifest(output, "QA0001")


@pytest.mark.parametrize("change", ["edited", "gone", "doubled"])
def test_another_plan_than_the_copied_one_is_refused(change: str, case: Path, output: Path) -> None:
    copy = output / PLAN_FILE
    if change == "edited":
        copy.write_bytes(copy.read_bytes() + b"\0\0")
    elif change == "gone":
        copy.unlink()
    else:
        (copy.parent / "other.dcm").write_bytes(b"")
    with pytest.raises(BeamFailure, match="RTPLAN") as refused:
        opened(case, output)
    assert refused.value.code == "tps_invalid"


def test_a_beam_that_the_plan_does_not_have_is_refused(case: Path, output: Path) -> None:
    for index in (0, 4):
        with pytest.raises(NoManifest, match="treatment beams 1 to 3"):
            opened(case, output).beam(index)

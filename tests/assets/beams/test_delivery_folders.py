"""Which folders of a case are deliveries, and what is read of one."""

from pathlib import Path

import pytest

from assets.beams.deliveries import PtnFile, case_folders, is_delivery_folder, read_delivery
from assets.beams.failures import BeamFailure
from tests.assets.beams.delivered_cases import case_folder, deliver, letter_case_matters, log_file_name


def folder_with(case: Path, folder: str, *files: str) -> Path:
    """A folder of the case with empty files."""
    made = case / folder
    made.mkdir()
    for name in files:
        (made / name).touch()
    return made


@pytest.mark.parametrize("name", ["PlanInfo.txt", "PLANINFO.TXT", "a.ptn", "a.PTN"])
def test_a_plan_info_or_a_log_makes_a_delivery_folder(tmp_path: Path, name: str) -> None:
    assert is_delivery_folder(folder_with(tmp_path, "x", "plan.dcm", name))


@pytest.mark.parametrize("name", ["PlanRange.txt", "a.ptn.txt", "ptn", ".a.ptn", "a.backup.ptn", "plan.dcm"])
def test_no_other_file_does(tmp_path: Path, name: str) -> None:
    assert not is_delivery_folder(folder_with(tmp_path, "x", name))


def test_neither_does_a_folder_or_a_link_of_such_a_name(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "x")
    (folder / "a.ptn").mkdir()
    (folder / "PlanInfo.txt").symlink_to(tmp_path / "elsewhere.txt")
    (tmp_path / "elsewhere.txt").touch()
    assert not is_delivery_folder(folder)


def test_folders_that_are_no_deliveries_are_listed_and_hidden_ones_passed_over(tmp_path: Path) -> None:
    case = case_folder(tmp_path)
    later, earlier = deliver(case, "11:00", 3), deliver(case, "10:00", 5)
    folder_with(case, "notes", "readme.txt")
    folder_with(case, "CT", "slice.dcm")
    folder_with(case, ".hidden", "PlanInfo.txt")
    folder_with(case, "x.extracting", "PlanInfo.txt")
    folders = case_folders(case)
    assert folders.deliveries == (earlier, later)
    assert folders.ignored == ("CT", "notes")
    assert folders.linked == ()


def test_a_link_to_a_folder_or_to_nothing_is_listed_and_not_followed(tmp_path: Path) -> None:
    case = case_folder(tmp_path)
    real = deliver(case, "10:00", 5)
    (case / "linked").symlink_to(real)
    (case / "dangling").symlink_to(tmp_path / "nowhere")
    (case / "file").symlink_to(case / "plan.dcm")
    folders = case_folders(case)
    assert (folders.deliveries, folders.ignored, folders.linked) == ((real,), (), ("dangling", "linked"))


def test_a_delivery_is_read_whole(tmp_path: Path) -> None:
    folder = deliver(case_folder(tmp_path), "10:00", 5, samples_per_layer=7)
    record = read_delivery(folder)
    assert (record.folder, record.path) == ("2026032010000000", folder)
    assert (record.info.beam_number, record.info.field_number, record.info.stop_layer) == (5, 105, 2)
    assert [row.layer_number for row in record.rows] == [1, 2]
    assert record.files == (PtnFile(log_file_name(5, 2), 112), PtnFile(log_file_name(5, 1), 112))


def test_plan_range_may_end_in_csv_and_names_may_have_any_letter_case(tmp_path: Path) -> None:
    folder = deliver(case_folder(tmp_path), "10:00", 5)
    before = read_delivery(folder)
    (folder / "PlanRange.txt").rename(folder / "PLANRANGE.CSV")
    (folder / "PlanInfo.txt").rename(folder / "planinfo.TXT")
    assert read_delivery(folder) == before


@pytest.mark.parametrize(
    ("name", "code"), [("PlanInfo.txt", "missing_planinfo"), ("PlanRange.txt", "missing_planrange")]
)
def test_a_delivery_without_one_of_its_text_files_is_refused(tmp_path: Path, name: str, code: str) -> None:
    folder = deliver(case_folder(tmp_path), "10:00", 5)
    (folder / name).unlink()
    assert_refused(folder, code)
    # A link is not a file of the folder.
    (tmp_path / name).touch()
    (folder / name).symlink_to(tmp_path / name)
    assert_refused(folder, code)


@pytest.mark.parametrize(
    ("name", "second", "code"),
    [
        pytest.param("PlanInfo.txt", "planinfo.txt", "planinfo_invalid", marks=letter_case_matters),
        ("PlanRange.txt", "PlanRange.csv", "planrange_invalid"),
    ],
)
def test_a_second_text_file_is_refused_even_if_it_says_the_same(
    tmp_path: Path, name: str, second: str, code: str
) -> None:
    folder = deliver(case_folder(tmp_path), "10:00", 5)
    (folder / second).write_bytes((folder / name).read_bytes())
    failure = assert_refused(folder, code)
    assert f"({', '.join(sorted((repr(name), repr(second))))})" in failure.message


def test_two_wrong_text_files_are_both_listed(tmp_path: Path) -> None:
    folder = deliver(case_folder(tmp_path), "10:00", 5, info={"STOP_LAYER_NUMBER": None})
    (folder / "PlanRange.txt").unlink()
    failure = assert_refused(folder, "planinfo_invalid")
    assert [problem.code for problem in failure.problems] == ["planinfo_invalid", "missing_planrange"]


def assert_refused(folder: Path, code: str) -> BeamFailure:
    """The refusal of a delivery folder, by name."""
    with pytest.raises(BeamFailure) as raised:
        read_delivery(folder)
    assert raised.value.code == code
    assert folder.name in raised.value.message
    return raised.value

"""The join of logs and layers: by identity, never by position, and any doubt refuses the case."""

import shutil
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.beams.case_input import JudgedCase
from assets.beams.failures import BeamFailure
from assets.beams.join import overlap_problems
from assets.beams.ptn import decoded
from tests.assets.beams.delivered_cases import (
    ENERGIES,
    case_folder,
    deliver,
    deliver_all,
    judged,
    letter_case_matters,
    log_file_name,
    refusal,
    row,
    samples,
    table_text,
)

FOLDER = "2026032010050000"
"""Of the delivery of beam 5, two layers, in a fraction made by `deliver_all`."""
FIRST_LOG, SECOND_LOG = log_file_name(5, 1), log_file_name(5, 2)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A case with one complete fraction, delivered in the order 9, 5, 3."""
    folder = case_folder(tmp_path)
    deliver_all(folder)
    return folder


def logs(case: JudgedCase) -> dict[tuple[int, int], list[int]]:
    """The x words in the log of every layer, found through the reference of its beam."""
    return {
        (beam.dicom_number, log.layer.number): sorted(
            {int(x) for x in decoded(log.path.read_bytes(), log.path.name).x}
        )
        for beam in case.plan.treatment_beams
        for log in case.reference_of(beam.treatment_index).logs
    }


LAYERS = [(number, layer) for number in ENERGIES for layer in range(1, len(ENERGIES[number]) + 1)]
"""Every layer of the plan, with its beam."""
OWN_LOGS = {(number, layer): [1000 * number + layer] for number, layer in LAYERS}


@pytest.mark.parametrize("order", list(permutations(ENERGIES)))
def test_each_beam_gets_its_own_logs_in_whatever_order_it_was_delivered(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    """The first folder is another beam than the plan's first in four of six orders: a swap by position."""
    folder = case_folder(tmp_path)
    deliver_all(folder, numbers=order)
    ready = judged(folder).required_case()
    assert logs(ready) == OWN_LOGS
    assert [joined.delivery.beam.dicom_number for joined in ready.deliveries] == list(order)


@settings(max_examples=25)
@given(
    st.permutations([9, 5, 3, 5, 9, 3]), st.lists(st.integers(0, 5000), min_size=6, max_size=6, unique=True)
)
def test_order_and_time_of_deliveries_change_no_join(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], seconds: list[int]
) -> None:
    folder = case_folder(tmp_path_factory.mktemp("case"))
    for number, second in zip(numbers, seconds, strict=True):
        deliver(folder, f"{10 + second // 3600}:{second // 60 % 60:02d}:{second % 60:02d}", number)
    ready = judged(folder).required_case()
    assert logs(ready) == OWN_LOGS
    for joined in ready.deliveries:
        number = joined.delivery.beam.dicom_number
        assert [log.layer.energy_mev for log in joined.logs] == list(ENERGIES[number])
        assert [log.path.name for log in joined.logs] == [
            log_file_name(number, layer) for layer in range(1, len(ENERGIES[number]) + 1)
        ]


def test_rows_in_any_order_give_the_same_join(case: Path) -> None:
    table = table_text([row(5, 2, 140.0), row(5, 1, 150.0)])
    (case / FOLDER / "PlanRange.txt").write_text(table)
    ready = judged(case).required_case()
    assert logs(ready) == OWN_LOGS
    assert [log.row.line for log in ready.reference_of(1).logs] == [3, 2]


@letter_case_matters
def test_a_log_is_found_by_its_exact_name_before_any_letter_case(case: Path) -> None:
    folder = case / FOLDER
    (folder / FIRST_LOG).rename(folder / "a.ptn")
    (folder / SECOND_LOG).rename(folder / "A.ptn")
    rows = [row(5, 1, 150.0) | {"SCAN_OUT_FL_NM": "a.ptn"}, row(5, 2, 140.0) | {"SCAN_OUT_FL_NM": "A.ptn"}]
    (folder / "PlanRange.txt").write_text(table_text(rows))
    assert logs(judged(case).required_case()) == OWN_LOGS


@letter_case_matters
def test_a_log_may_differ_in_letter_case_if_it_is_the_only_one(case: Path) -> None:
    folder = case / FOLDER
    (folder / FIRST_LOG).rename(folder / FIRST_LOG.upper())
    assert logs(judged(case).required_case()) == OWN_LOGS
    (folder / FIRST_LOG.replace("QA", "qa")).write_bytes(b"")
    failure = refusal(case)
    assert failure.code == "ptn_missing"
    assert FIRST_LOG in failure.message


def test_a_missing_second_log_is_refused_by_beam_layer_and_file(case: Path) -> None:
    (case / FOLDER / SECOND_LOG).unlink()
    before = snapshot(case)
    failure = refusal(case)
    assert failure.code == "ptn_missing"
    assert failure.message == (
        f"'{FOLDER}': beam 5, layer 2: there is no log '{SECOND_LOG}', which PlanRange names; copy the folder"
        " from the machine again."
    )
    assert snapshot(case) == before


def snapshot(folder: Path) -> dict[str, int]:
    """Everything in a folder, with when it was written."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_log_that_is_a_link_is_missing(case: Path, tmp_path: Path) -> None:
    folder = case / FOLDER
    shutil.move(folder / FIRST_LOG, tmp_path / "log.ptn")
    (folder / FIRST_LOG).symlink_to(tmp_path / "log.ptn")
    assert refusal(case).code == "ptn_missing"


def test_a_foreign_log_is_refused_by_name(case: Path) -> None:
    shutil.copy(case / "2026032010000000" / log_file_name(9, 1), case / FOLDER)
    failure = refusal(case)
    assert failure.code == "ptn_unlisted"
    assert failure.message == (
        f"'{FOLDER}': beam 5, log '{log_file_name(9, 1)}': no row of PlanRange names it; move the file to the"
        " delivery it belongs to."
    )


def test_one_log_never_serves_two_layers(case: Path) -> None:
    table = [row(5, 1, 150.0), row(5, 2, 140.0) | {"SCAN_OUT_FL_NM": FIRST_LOG}]
    (case / FOLDER / "PlanRange.txt").write_text(table_text(table))
    failure = refusal(case)
    assert failure.code == "ptn_unlisted"
    assert SECOND_LOG in failure.message
    (case / FOLDER / SECOND_LOG).unlink()
    assert refusal(case).code == "layer_count"


@pytest.mark.parametrize(
    ("changes", "code", "problem"),
    [
        ({2: {"LAYER_NO": "1"}}, "layer_number", "PlanRange: LAYER_NO 2 is lacking, of 1 to 2 for 2 rows"),
        ({1: {"LAYER_NO": "0"}}, "layer_number", "1 is lacking"),
        ({1: {"LAYER_NO": "3"}}, "layer_number", "1 is lacking"),
        ({1: {"LAYER_NO": "-1"}}, "layer_number", "1 is lacking"),
        ({1: {"LAYER_ENERGY": "150.06"}}, "layer_energy", "layer 1: LAYER_ENERGY 150.06 MeV of"),
        ({1: {"LAYER_NO": "2"}, 2: {"LAYER_NO": "1"}}, "layer_energy", "more than 0.05 MeV from 140 MeV"),
        (
            {2: {"DOSE1_RANGE": "6"}},
            "range_code",
            f"layer 2: DOSE1_RANGE 6 of '{SECOND_LOG}' is none of 1, 2, 3",
        ),
        ({2: {"DOSE2_RANGE": "0"}}, "range_code", "layer 2: DOSE2_RANGE 0"),
    ],
)
def test_a_row_that_contradicts_the_plan_is_refused(
    tmp_path: Path, changes: dict[int, dict[str, str]], code: str, problem: str
) -> None:
    case = case_folder(tmp_path)
    deliver_all(case, numbers=(9, 3))
    deliver(case, "10:30", 5, rows=changes)
    failure = refusal(case)
    assert failure.code == code
    assert failure.message.startswith("'2026032010300000': beam 5, ")
    assert problem in failure.message
    assert "; " in failure.message


@pytest.mark.parametrize("energy", ["150.05", "149.95", "150.0500", "1.5e2"])
def test_an_energy_within_tolerance_is_that_of_the_plan(tmp_path: Path, energy: str) -> None:
    case = case_folder(tmp_path)
    deliver_all(case, numbers=(9, 3))
    deliver(case, "10:30", 5, rows={1: {"LAYER_ENERGY": energy}})
    assert judged(case).state == "ready"


@pytest.mark.parametrize(("stop", "is_ready"), [("2", True), ("1", False), ("3", False), ("0", False)])
def test_rows_logs_and_the_last_layer_must_agree(tmp_path: Path, stop: str, is_ready: bool) -> None:
    case = case_folder(tmp_path)
    deliver_all(case, numbers=(9, 3))
    deliver(case, "10:30", 5, info={"STOP_LAYER_NUMBER": stop})
    if is_ready:
        assert judged(case).state == "ready"
    else:
        failure = refusal(case)
        assert failure.code == "layer_count"
        assert f"rows of PlanRange 2, logs 2, STOP_LAYER_NUMBER {stop}, planned 2" in failure.message


def test_more_layers_than_planned_are_refused(tmp_path: Path) -> None:
    case = case_folder(tmp_path)
    deliver_all(case, numbers=(9, 3))
    deliver(case, "10:30", 5, energies=(150.0, 140.0, 130.0))
    assert refusal(case).code == "layer_count"


@pytest.mark.parametrize(
    ("content", "code", "problem"),
    [
        (b"", "ptn_empty", "is empty"),
        (samples(7) + b"1234567", "ptn_length", "55 bytes, 7 more than 3 whole"),
    ],
)
def test_a_log_that_was_cut_is_refused(case: Path, content: bytes, code: str, problem: str) -> None:
    (case / FOLDER / SECOND_LOG).write_bytes(content)
    failure = refusal(case)
    assert failure.code == code
    assert failure.message.startswith(f"'{FOLDER}/{SECOND_LOG}'")
    assert problem in failure.message


def test_every_delivery_is_checked_and_every_problem_listed_in_the_order_of_judgement(case: Path) -> None:
    """The first folder is cut, the last one lacks a log: the missing log gives the case its code."""
    (case / "2026032010000000" / log_file_name(9, 1)).write_bytes(b"")
    deliver(case, "12:00", 5, rows={1: {"DOSE1_RANGE": "9", "LAYER_ENERGY": "99"}})
    deliver_all(case, hour=14)
    (case / "2026032014100000" / log_file_name(3, 1)).rename(case / "2026032014100000" / "x.ptn")
    failure = refusal(case)
    assert [problem.code for problem in failure.problems] == [
        "ptn_missing",
        "ptn_unlisted",
        "layer_energy",
        "range_code",
        "ptn_empty",
    ]
    assert (failure.code, failure.message) == ("ptn_missing", failure.problems[0].message)


def test_two_deliveries_at_one_time_are_refused(tmp_path: Path) -> None:
    """1,000 samples of 0.06 ms in each of two layers last 120 ms."""
    case = case_folder(tmp_path)
    deliver(case, "10:00:00.00", 5, samples_per_layer=1000)
    deliver(case, "10:00:00.12", 3)
    deliver(case, "10:10", 9)
    assert judged(case).state == "ready"
    later = deliver(case, "10:00:00.11", 9)
    failure = refusal(case)
    assert failure.code == "delivery_overlap"
    assert f"'{later.name}' begins before '2026032010000000' ends (10:00:00.120000)" in failure.message
    assert failure.message.endswith("; remove the folder that is no delivery of this case.")


def test_a_long_delivery_overlaps_all_that_begin_while_it_lasts(tmp_path: Path) -> None:
    case = case_folder(tmp_path)
    deliver(case, "10:00:00.00", 5, samples_per_layer=1000)
    deliver(case, "10:00:00.02", 3)
    deliver(case, "10:00:00.10", 9)
    assert [problem.code for problem in refusal(case).problems] == ["delivery_overlap"] * 2


def test_deliveries_in_any_order_overlap_only_in_time(case: Path) -> None:
    assert list(overlap_problems(judged(case).required_case().deliveries[::-1])) == []


FAULTS = st.sampled_from(["missing", "foreign", "renamed", "doubled", "cut"])


@settings(max_examples=40)
@given(FAULTS, st.sampled_from(LAYERS))
def test_any_single_wrong_log_is_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, fault: str, target: tuple[int, int]
) -> None:
    case = case_folder(tmp_path_factory.mktemp("case"))
    deliver_all(case)
    (log,) = case.glob(f"*/{log_file_name(*target)}")
    expected = {
        "missing": ("ptn_missing", log.name),
        "foreign": ("ptn_unlisted", "foreign.ptn"),
        "renamed": ("ptn_missing", log.name),
        "doubled": ("ptn_unlisted", f"copy-{log.name}"),
        "cut": ("ptn_length", log.name),
    }[fault]
    damage(log, fault)
    failure: BeamFailure = refusal(case)
    assert (failure.code, expected[1] in failure.message) == (expected[0], True)
    assert f"'{log.parent.name}" in failure.message


def damage(log: Path, fault: str) -> None:
    """Do one thing to a log."""
    match fault:
        case "missing":
            log.unlink()
        case "foreign":
            log.with_name("foreign.ptn").write_bytes(samples(1))
        case "renamed":
            log.rename(log.with_name("x.ptn"))
        case "doubled":
            shutil.copy(log, log.with_name(f"copy-{log.name}"))
        case _:
            log.write_bytes(log.read_bytes()[:-1])

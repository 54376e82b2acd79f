"""The judgement of a whole case: the order of its steps, waiting and failing, and what a ready case holds."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.beams.case_input import JudgedCase, Rules, judge_case
from assets.beams.failures import BeamFailure, PendingBeamFailure
from assets.beams.keys import case_key
from assets.beams.machines import Machine, machine
from tests.assets.beams.delivered_cases import (
    LATER,
    RULES,
    case_folder,
    deliver,
    deliver_all,
    judged,
    log_file_name,
    moment,
    planned_items,
    refusal,
)
from tests.assets.beams.written_plans import case_with, ion_plan, write_dicom


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A case with one complete fraction, delivered from 10:00 in the order 9, 5, 3."""
    folder = case_folder(tmp_path)
    deliver_all(folder)
    return folder


def test_a_ready_case_holds_everything_of_every_beam(case: Path) -> None:
    (case / "CT").mkdir()
    ready = judged(case, room="G2").required_case()
    assert (ready.key, ready.folder, ready.machine) == ("QA0001", case, machine(2))
    assert ready.ignored_folders == ("CT",)
    assert ready.warnings == ()
    assert [(f.index, f.status) for f in ready.fractions] == [(1, "complete")]
    first = ready.reference_of(1)
    assert (first.delivery.folder, first.delivery.beam.folder) == ("2026032010050000", "002_F2_A_P")
    assert [(log.layer.number, log.row.energy_mev, log.path, log.samples) for log in first.logs] == [
        (1, 150.0, case / "2026032010050000" / log_file_name(5, 1), 3),
        (2, 140.0, case / "2026032010050000" / log_file_name(5, 2), 3),
    ]
    assert [joined.delivery.folder for joined in ready.deliveries_of(3)] == ["2026032010000000"]


def test_both_deliveries_of_a_single_beam_are_checked_and_the_earlier_is_the_reference(
    tmp_path: Path,
) -> None:
    case = case_folder(tmp_path, {3: (100.0,)})
    deliver(case, "10:30", 3)
    deliver(case, "10:00", 3)
    ready = judged(case).required_case()
    assert [f.status for f in ready.fractions] == ["anomaly"]
    assert ready.warning_codes == ("duplicate_delivery",)
    assert ready.reference_of(1).delivery.folder == "2026032010000000"
    assert len(ready.deliveries_of(1)) == 2
    (case / "2026032010300000" / log_file_name(3, 1)).unlink()
    assert refusal(case).code == "ptn_missing"


def test_a_pending_fraction_waits_until_its_window_closes(case: Path) -> None:
    deliver(case, "12:00", 5)
    waiting = judged(case, now=moment("12:30:00"))
    assert (waiting.state, waiting.closes) == ("waiting", moment("13:00:00"))
    assert [f.status for f in waiting.fractions] == ["complete", "pending"]
    with pytest.raises(PendingBeamFailure) as raised:
        waiting.required_case()
    assert raised.value.code == "fraction_window_open"
    assert raised.value.message == (
        "Fraction 2, begun with '2026032012000000', lacks beam 3, 9 and is open until 2026-03-20T13:00:00Z;"
        " wait until then, or add the missing deliveries."
    )


def test_a_case_is_judged_anew_from_the_disk_each_time(case: Path) -> None:
    """Nothing of an earlier judgement is kept: clock and folders alone decide."""
    deliver(case, "12:00", 5)
    clocks = ("12:30:00", "13:00:00", "13:00:01", "12:30:00")
    states = [judged(case, now=moment(clock)).state for clock in clocks]
    assert states == [
        "waiting",
        "waiting",
        "ready",
        "waiting",
    ]
    deliver(case, "12:10", 3)
    deliver(case, "12:20", 9)
    assert judged(case, now=moment("12:30:00")).state == "ready"
    shutil.rmtree(case / "2026032012100000")
    assert judged(case, now=moment("12:30:00")).state == "waiting"


@pytest.mark.parametrize(
    ("zone", "closes"),
    [
        ("UTC", "13:00:00"),
        ("Europe/Rome", "12:00:00"),
        ("Asia/Tokyo", "04:00:00"),
        ("America/New_York", "17:00:00"),
    ],
)
def test_a_window_closes_at_its_own_moment_in_every_zone(tmp_path: Path, zone: str, closes: str) -> None:
    case = case_folder(tmp_path)
    deliver(case, "12:00", 5)
    rules = Rules(window=RULES.window, zone=ZoneInfo(zone))
    at, after = moment(closes), moment(closes) + timedelta(microseconds=1)
    for clock in (at, at.astimezone(ZoneInfo("Pacific/Auckland"))):
        assert refusal(case, rules=rules, now=clock).code == "fraction_window_open"
    assert refusal(case, rules=rules, now=after).code == "missing_beams"


def test_summer_time_that_ends_within_a_fraction_takes_nothing_from_its_window(tmp_path: Path) -> None:
    """01:30 and 03:10 by the clock are 2 h 40 min apart that night."""
    case = case_folder(tmp_path, {3: (100.0,), 9: (120.0,)})
    for stamp, number in (("2026102501300000", 3), ("2026102503100000", 9)):
        deliver(case, "10:00", number, info={"TCSC_IRRAD_DATETIME": stamp}).rename(case / stamp)
    rules = Rules(window=timedelta(hours=2), zone=ZoneInfo("Europe/Rome"))
    later = datetime(2026, 11, 1, tzinfo=UTC)
    assert len(judged(case, rules=rules, now=later).fractions) == 2
    assert len(judged(case, rules=Rules(rules.window, UTC), now=later).fractions) == 1


def break_plan(case: Path) -> None:
    (case / "plan.dcm").unlink()


def break_plan_info(case: Path) -> None:
    (case / "2026032010000000" / "PlanInfo.txt").write_text("x")


def break_plan_range(case: Path) -> None:
    (case / "2026032010000000" / "PlanRange.txt").write_text("x")


def break_patient(case: Path) -> None:
    deliver(case, "10:20", 5, info={"DICOM_PATIENT_ID": "OTHER"})


def break_beam(case: Path) -> None:
    deliver(case, "10:21", 5, info={"DICOM_BEAM_NUMBER": None})


def break_stamp(case: Path) -> None:
    deliver(case, "10:22", 5, info={"TCSC_IRRAD_DATETIME": "2026"})


def open_window(case: Path) -> None:
    deliver(case, "23:59", 5)


def break_join(case: Path) -> None:
    (case / "2026032010050000" / log_file_name(5, 1)).unlink()


def break_times(case: Path) -> None:
    deliver(case, "10:05:00.01", 5, samples_per_layer=3)
    (case / "2026032010050000" / log_file_name(5, 2)).write_bytes(bytes(16 * 1000))


IN_ORDER: list[tuple[Callable[[Path], None], str]] = [
    (break_plan, "missing_rtplan"),
    (break_plan_info, "planinfo_invalid"),
    (break_plan_range, "planrange_invalid"),
    (break_patient, "patient_id_mismatch"),
    (break_beam, "unresolved_folders"),
    (break_stamp, "missing_delivery_timestamp"),
    (open_window, "fraction_window_open"),
    (break_join, "ptn_missing"),
    (break_times, "delivery_overlap"),
]


@pytest.mark.parametrize("first", range(len(IN_ORDER)), ids=[code for _, code in IN_ORDER])
def test_the_first_problem_in_the_order_of_judgement_is_the_code(tmp_path: Path, first: int) -> None:
    case = case_folder(tmp_path)
    deliver_all(case)
    for fault, _ in reversed(IN_ORDER[first:]):
        fault(case)
    assert refusal(case, now=moment("23:59:30")).code == IN_ORDER[first][1]


def test_all_problems_of_text_files_and_identity_are_listed(case: Path) -> None:
    break_stamp(case)
    break_patient(case)
    break_plan_info(case)
    (case / "2026032010050000" / "PlanRange.txt").unlink()
    found = refusal(case)
    codes = ["planinfo_invalid", "missing_planrange", "patient_id_mismatch", "missing_delivery_timestamp"]
    assert [problem.code for problem in found.problems] == codes
    assert found.category == "permanent"


def test_missing_beams_are_judged_when_all_windows_are_closed(tmp_path: Path) -> None:
    case = case_folder(tmp_path)
    deliver_all(case, numbers=(9, 5))
    assert refusal(case, now=moment("10:30:00")).code == "fraction_window_open"
    failure = refusal(case)
    assert (failure.code, failure.category) == ("missing_beams", "permanent")
    assert "beam 3 'F3'" in failure.message


def test_a_case_without_deliveries_is_refused(tmp_path: Path) -> None:
    case = case_folder(tmp_path)
    (case / "CT").mkdir()
    judgement = judged(case)
    assert judgement.state == "failed"
    assert judgement.ignored_folders == ("CT",)
    failure = refusal(case)
    assert failure.code == "missing_deliveries"
    assert failure.message == (
        "'QA0001' has no delivery folder (one with a PlanInfo.txt or a *.ptn); copy the deliveries into the"
        " folder of the case."
    )


def test_a_linked_delivery_is_refused_by_name(case: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (case / "2026032010100000").rename(outside)
    (case / "2026032010100000").symlink_to(outside)
    failure = refusal(case)
    assert failure.code == "symlinked_case"
    assert "'2026032010100000' is a link" in failure.message


@pytest.mark.parametrize("key", ["../x", "a;b", "-rf", "a\nb", "a\0b", "a" * 65, "", ".", "$(x)"])
def test_an_unsafe_key_is_refused_before_any_file_is_opened(tmp_path: Path, key: str) -> None:
    judgement = judge_case(tmp_path / "nowhere", key, RULES, room=None, now=LATER)
    assert isinstance(judgement.outcome, BeamFailure)
    assert (judgement.outcome.code, judgement.plan) == ("bad_case_id", None)


@pytest.mark.parametrize("name", ["a\nb;$(x)", "$(touch x)", "x" * 200])
def test_a_file_with_an_unsafe_name_is_refused_and_its_name_shown_escaped(case: Path, name: str) -> None:
    (case / "2026032010050000" / f"{name}.ptn").touch()
    failure = refusal(case)
    assert failure.code == "ptn_unlisted"
    assert "\n" not in failure.message
    assert len(failure.message) < 300


def test_two_studies_of_one_patient_are_two_cases(tmp_path: Path) -> None:
    """Their deliveries have the same folder names and beam numbers, and nothing of them is shared."""
    studies: dict[str, JudgedCase] = {}
    for study in ("1.2.3", "1.2.4"):
        folder = case_folder(tmp_path / study).rename(tmp_path / study / "study")
        deliver_all(folder)
        key = case_key("P1", study)
        studies[key] = judge_case(folder, key, RULES, room=None, now=LATER).required_case()
    assert list(studies) == ["P1.1.2.3", "P1.1.2.4"]
    first, second = studies.values()
    assert [d.delivery.folder for d in first.deliveries] == [d.delivery.folder for d in second.deliveries]
    assert not {d.delivery.id for d in first.deliveries} & {d.delivery.id for d in second.deliveries}
    assert all(log.path.is_relative_to(second.folder) for log in second.reference_of(1).logs)


def test_a_delivery_folder_with_an_unsafe_name_is_refused_and_its_name_shown_escaped(case: Path) -> None:
    for place, kept in enumerate((("PlanInfo.txt",), ("PlanRange.txt", "x.ptn"), ("PlanInfo.txt", "x.ptn"))):
        folder = case / f"{place} \x1b[2J\n"
        folder.mkdir()
        for name in kept:
            (folder / name).write_text("x")
    failure = refusal(case)
    assert [problem.code for problem in failure.problems] == [
        *("missing_planinfo", "planinfo_invalid", "planinfo_invalid"),
        *("missing_planrange", "missing_planrange", "planrange_invalid"),
    ]
    assert all(problem.message.startswith("'") for problem in failure.problems)
    assert all("\\x1b[2J\\n" in problem.message for problem in failure.problems)
    assert all(problem.message.isprintable() for problem in failure.problems)


def test_a_case_that_cannot_be_read_waits(case: Path, tmp_path: Path) -> None:
    gone = judge_case(tmp_path / "gone", "gone", RULES, room=None, now=LATER)
    assert gone.state == "waiting"
    assert isinstance(gone.outcome, BeamFailure)
    assert gone.outcome.code == "unreadable_dir"
    assert "'gone'" in gone.outcome.message
    assert str(tmp_path) not in gone.outcome.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file; run the tests as another user")
def test_a_file_that_may_not_be_read_is_waited_for(case: Path) -> None:
    (case / "2026032010050000" / "PlanInfo.txt").chmod(0)
    failure = refusal(case)
    assert failure.code == "unreadable_dir"
    assert "PlanInfo.txt" in failure.message


def test_the_room_folder_must_be_that_of_the_plan(case: Path) -> None:
    assert refusal(case, room="G1").code == "room_mismatch"
    assert judged(case, room="G2").state == "ready"


def test_a_delivery_has_the_constants_of_its_own_day(case: Path) -> None:
    shipped = machine(2)
    newer = shipped.blocks[0].model_copy(update={"valid_from": datetime(2026, 3, 20, tzinfo=UTC).date()})
    machines = Machine(2, (*shipped.blocks, newer))
    rules = Rules(RULES.window, RULES.zone, machine_of=lambda _: machines)
    ready = judged(case, rules=rules).required_case()
    assert all(joined.delivery.block is newer for joined in ready.deliveries)


def warned(case: Path) -> tuple[str, ...]:
    """The codes of the warnings of a ready case."""
    return judged(case).required_case().warning_codes


def test_each_warning_says_where_it_comes_from(tmp_path: Path) -> None:
    case = case_with(tmp_path, *planned_items(), metersets={5: 100.0, 3: 100.0})
    deliver(case, "10:00", 5, layers=1)
    deliver(case, "10:10", 5, layers=1)
    deliver(case, "10:20", 9, rows={1: {"DOSE1_RANGE": "3", "DOSE2_RANGE": "3"}})
    deliver(case, "12:00", 3)
    assert [(warning.code, warning.message) for warning in judged(case).required_case().warnings] == [
        ("no_beam_meterset", "Beam 9 has no BeamMeterset: its layers have no MU."),
        ("duplicate_delivery", "Fraction 1 has more than one delivery of beam 5."),
        (
            "range_differs_from_plan",
            "'2026032010200000': layer 1 has DOSE1_RANGE 3, PLAN_DOSE1_RANGE 2 and DOSE2_RANGE 3.",
        ),
        (
            "mixed_fraction_reference",
            "No fraction has every beam: the reference deliveries are of several fractions.",
        ),
        (
            "interrupted_reference",
            "The reference delivery '2026032010000000' of beam 5 ended after layer 1 of 2.",
        ),
    ]


def test_monitors_of_different_ranges_are_warned_of(tmp_path: Path) -> None:
    case = case_folder(tmp_path)
    deliver_all(case, numbers=(9, 3))
    deliver(case, "10:30", 5, rows={2: {"DOSE2_RANGE": "3"}})
    assert warned(case) == ("range_differs_from_plan",)


def test_a_code_is_listed_once_however_often_it_is_warned_of(tmp_path: Path) -> None:
    case = case_folder(tmp_path)
    deliver_all(case, numbers=(9, 3))
    both = {layer: {"PLAN_DOSE1_RANGE": "1"} for layer in (1, 2)}
    deliver(case, "10:30", 5, rows=both)
    assert len(judged(case).required_case().warnings) == 2
    assert warned(case) == ("range_differs_from_plan",)


def test_a_second_plan_is_refused_whatever_the_deliveries_say(case: Path) -> None:
    write_dicom(ion_plan(planned_items(), SOPInstanceUID="1.2.3.9"), case / "other.DCM")
    assert refusal(case).code == "multiple_rtplan"


CHANGES = st.lists(
    st.tuples(st.sampled_from(["delete", "empty", "rename", "copy", "garble"]), st.integers(0, 100)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60)
@given(CHANGES)
def test_whatever_happens_to_the_files_a_case_is_ready_with_its_own_logs_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, int]]
) -> None:
    case = case_folder(tmp_path_factory.mktemp("case"))
    deliver_all(case)
    for change, which in changes:
        files = sorted(path for path in case.rglob("*") if path.is_file() and path.suffix != ".dcm")
        damage(files[which % len(files)], change, which)
    judgement = judged(case)
    if judgement.state == "ready":
        for joined in judgement.required_case().deliveries:
            number = joined.delivery.beam.dicom_number
            assert [log.path.name for log in joined.logs] == [
                log_file_name(number, log.layer.number) for log in joined.logs
            ]
    else:
        assert isinstance(judgement.outcome, BeamFailure)


def damage(file: Path, change: str, which: int) -> None:
    """Do one thing to a file."""
    match change:
        case "delete":
            file.unlink()
        case "empty":
            file.write_bytes(b"")
        case "rename":
            file.rename(file.with_name(f"{which}{file.name}"))
        case "copy":
            shutil.copy(file, file.with_name(f"{which}{file.name}"))
        case _:
            content = file.read_bytes()
            place = which % max(1, len(content))
            file.write_bytes(content[:place] + bytes([which]) + content[place + 1 :])

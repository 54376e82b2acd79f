"""Corruptions of the beams samples: one for every code that files can show, and each is one thing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest

from assets.beams.case_input import Judgement, Rules, judge_case
from assets.beams.failures import CODES, BeamFailure
from assets.beams.machines import machine
from assets.beams.ptn import decoded
from assets.beams.samples import content_problems
from scripts.sample_data.beams import SampleCase, write_case
from scripts.sample_data.beams_case import CaseTree, case_tree, sound_draft
from scripts.sample_data.beams_corruptions import CORRUPTIONS, corrupted, draft_of
from scripts.sample_data.beams_engine import BEHAVIOURS
from scripts.sample_data.beams_fields import Variant
from tests.scripts.beams_case_changes import changes

# What no input file, engine or GPU tool can bring about: disks, networks, leases, our own output.
ELSEWHERE = {
    "disk_full",
    "csv_mismatch",
    "tps_invalid",
    "ssh_connect",
    "ssh_timeout",
    "sftp_eof",
    "checksum_mismatch",
    "remote_disk_full",
    "host_key_unknown",
    "host_key_changed",
    "ssh_auth",
    "lease_lost",
    "render_failed",
}
SOUND = SampleCase()
RULES = Rules(window=timedelta(hours=1), zone=UTC)
LONG_AFTER = datetime(2026, 5, 1, tzinfo=UTC)

OF_THE_GPU_TOOL = {"no_gpu", "gpu_unknown"}
WARNINGS = {
    "misplaced_marker",
    "no_beam_meterset",
    "monitor_disagreement",
    "meterset_share",
    "range_differs_from_plan",
    "interrupted_reference",
    "mixed_fraction_reference",
    "duplicate_delivery",
}
VERDICTS = {"gamma_conditional", "gamma_failed"}

PLACE_CODES = {"no_marker", "misplaced_marker", "bad_case_id", "symlinked_case", "duplicate_case_key"} | {
    "room_mismatch",
    "unreadable_dir",
}


# Every difference to the sound case; the first delivery is that of F3, the third that of F2.
CHANGES: dict[str, list[str]] = {
    "missing_rtplan": ["- plan.dcm"],
    "multiple_rtplan": ["+ plan_2.dcm"],
    "not_an_ion_plan": [
        "plan.dcm: SOPClassUID: 1.2.840.10008.5.1.4.1.1.481.8 -> 1.2.840.10008.5.1.4.1.1.481.5"
    ],
    "rtplan_parse_failed": ["plan.dcm: cut at 50 %"],
    "map_length": ["plan.dcm: IonBeam[1].IonControlPoint[0].(300B,1094): another value -> another value"],
    "map_conflict": [
        "plan.dcm: IonBeam[1].IonControlPoint[0].ScanSpotPositionMap: another value -> another value"
    ],
    "zero_expected_beams": [
        "plan.dcm: IonBeam[1].TreatmentDeliveryType: TREATMENT -> SETUP",
        "plan.dcm: IonBeam[2].TreatmentDeliveryType: TREATMENT -> SETUP",
        "plan.dcm: IonBeam[3].TreatmentDeliveryType: TREATMENT -> SETUP",
    ],
    "gantry_unknown": ["plan.dcm: IonBeam[1].TreatmentMachineName: G2 TREATMENT LINE -> PROTEUS235"],
    "gantry_ambiguous": ["plan.dcm: IonBeam[1].TreatmentMachineName: G2 TREATMENT LINE -> G1G2"],
    "gantry_mixed": ["plan.dcm: IonBeam[3].TreatmentMachineName: G2 TREATMENT LINE -> G1 TREATMENT LINE"],
    "no_beam_meterset": ["plan.dcm: FractionGroup[0].ReferencedBeam[1].BeamMeterset: 100.0 -> nothing"],
    "missing_deliveries": [
        "- 2026032010000000/",
        "- 2026032010050000/",
        "- 2026032010100000/",
        "- 2026032110000000/",
        "- 2026032110050000/",
        "- 2026032110100000/",
    ],
    "missing_planinfo": ["- 2026032010000000/PlanInfo.txt"],
    "planinfo_invalid": ["2026032010000000/PlanInfo.txt: + STOP_LAYER_NUMBER,1"],
    "missing_planrange": ["- 2026032010000000/PlanRange.txt"],
    "planrange_invalid": ["2026032010000000/PlanRange.txt: LAYER_ENERGY: 100.00 -> high"],
    "missing_delivery_timestamp": [
        "2026032010000000/PlanInfo.txt: TCSC_IRRAD_DATETIME: 2026032010000000 -> 202603201000"
    ],
    "timestamp_mismatch": [
        "2026032010000000/PlanInfo.txt: TCSC_IRRAD_DATETIME: 2026032010000000 -> 2026032010000001"
    ],
    "patient_id_mismatch": ["2026032010000000/PlanInfo.txt: DICOM_PATIENT_ID: QA0001 -> QA9999"],
    "unresolved_folders": ["2026032010000000/PlanInfo.txt: - DICOM_BEAM_NUMBER,3"],
    "unknown_beam": ["2026032010000000/PlanInfo.txt: DICOM_BEAM_NUMBER: 3 -> 7"],
    "setup_beam_delivered": ["2026032010000000/PlanInfo.txt: DICOM_BEAM_NUMBER: 3 -> 1"],
    "field_number_conflict": ["2026032110100000/PlanInfo.txt: TCSC_FIELD_NUMBER: 13 -> 99"],
    "delivery_overlap": [
        "2026032010000001/PlanInfo.txt: TCSC_IRRAD_DATETIME: 2026032010050000 -> 2026032010000001",
        "2026032010050000 -> 2026032010000001",
    ],
    "missing_beams": ["- 2026032010000000/", "- 2026032110100000/"],
    "fraction_window_open": ["- 2026032110100000/"],
    "ptn_missing": ["- 2026032010100000/01-QA0001_F2_005_002.ptn"],
    "ptn_unlisted": ["+ 2026032010000000/copy-01-QA0001_F3_003_001.ptn"],
    "layer_number": ["2026032010100000/PlanRange.txt: LAYER_NO: 2 -> 3"],
    "layer_count": ["2026032010000000/PlanInfo.txt: STOP_LAYER_NUMBER: 1 -> 2"],
    "layer_energy": ["2026032010000000/PlanRange.txt: LAYER_ENERGY: 100.00 -> 100.20"],
    "range_code": ["2026032010000000/PlanRange.txt: DOSE1_RANGE: 2 -> 6"],
    "ptn_length": ["2026032010000000/01-QA0001_F3_003_001.ptn: 6400 -> 6389 bytes"],
    "ptn_empty": ["2026032010000000/01-QA0001_F3_003_001.ptn: 6400 -> 0 bytes"],
    "layer_word": [
        "2026032010100000/01-QA0001_F2_005_001.ptn: word 1, 2, 3, 4, 5, 6, 7 of many samples",
        "2026032010100000/01-QA0001_F2_005_002.ptn: word 1, 2, 3, 4, 5, 6, 7 of many samples",
    ],
    "dose_saturated": ["2026032010000000/01-QA0001_F3_003_001.ptn: word 5 of one sample"],
    "position_out_of_range": ["2026032010000000/01-QA0001_F3_003_001.ptn: word 1 of one sample"],
    "content_changing": ["2026032110100000/02-QA0001_F3_003_001.PTN: 6400 -> 6416 bytes"],
    "monitor_disagreement": ["2026032010000000/01-QA0001_F3_003_001.ptn: word 6 of many samples"],
    "meterset_share": ["2026032010100000/01-QA0001_F2_005_001.ptn: word 5, 6 of many samples"],
    "range_differs_from_plan": ["2026032010000000/PlanRange.txt: PLAN_DOSE1_RANGE: 2 -> 4"],
    "interrupted_reference": [
        "- 2026032010100000/01-QA0001_F2_005_002.ptn",
        "2026032010100000/PlanInfo.txt: STOP_LAYER_NUMBER: 2 -> 1",
        "2026032010100000/PlanRange.txt: - 1122,2,140.00,QA0001,12,",
    ],
    "mixed_fraction_reference": ["- 2026032010000000/", "- 2026032110000000/"],
    "duplicate_delivery": ["+ 2026032010150000/"],
    "gamma_conditional": ["2026032110100000/02-QA0001_F3_003_001.PTN: word 2 of many samples"],
    "gamma_failed": ["2026032110100000/02-QA0001_F3_003_001.PTN: word 2 of many samples"],
}


def sound_and_bad(code: str, case: SampleCase = SOUND) -> tuple[CaseTree, CaseTree]:
    bad = corrupted(case, code)
    return case_tree(sound_draft(replace(bad, corruption=None))), case_tree(draft_of(bad))


def test_there_is_a_switch_for_every_code_that_can_be_brought_about():
    by_stand_ins = {code for code in BEHAVIOURS.values() if code is not None} | OF_THE_GPU_TOOL
    assert set(CORRUPTIONS) == set(CODES) - ELSEWHERE - by_stand_ins | WARNINGS | VERDICTS
    assert set(CODES) >= ELSEWHERE | by_stand_ins


def test_every_switch_but_those_of_places_is_in_the_table():
    assert set(CHANGES) == set(CORRUPTIONS) - PLACE_CODES


@pytest.mark.filterwarnings("ignore:The value length .* exceeds the maximum length of 16")
@pytest.mark.parametrize("code", CHANGES)
def test_a_corruption_changes_one_thing(code: str):
    assert changes(*sound_and_bad(code)) == CHANGES[code]


def test_swapped_logs_are_those_of_two_layers():
    sound, bad = sound_and_bad("layer_word")
    one, other = (PurePosixPath(f"G2/QA0001/2026032010100000/01-QA0001_F2_005_00{n}.ptn") for n in (1, 2))
    assert (sound.files[one], sound.files[other]) == (bad.files[other], bad.files[one])


@pytest.mark.parametrize("study", [None, "1.2.3"])
@pytest.mark.parametrize(
    ("code", "markers"),
    [("no_marker", []), ("misplaced_marker", ["G2/_CASE_READY"])],
)
def test_a_marker_is_missing_or_one_folder_too_high(code: str, markers: list[str], study: str | None):
    sound, bad = sound_and_bad(code, SampleCase(study=study))
    assert [str(path) for path in bad.files.keys() - sound.files.keys()] == markers
    assert [str(path) for path in sound.files.keys() - bad.files.keys()] == ["G2/QA0001/_CASE_READY"]


@pytest.mark.parametrize(
    ("code", "study", "folder"),
    [
        ("bad_case_id", None, "G2/QA0001 copy"),
        ("bad_case_id", "1.2.3", "G2/QA0001/1.2.3 copy"),
        ("room_mismatch", None, "G1/QA0001"),
        ("room_mismatch", "1.2.3", "G1/QA0001/1.2.3"),
        ("symlinked_case", None, "G2/.QA0001"),
        ("symlinked_case", "1.2.3", "G2/QA0001/.1.2.3"),
    ],
)
def test_a_case_lies_elsewhere_as_a_whole(code: str, study: str | None, folder: str):
    sound, bad = sound_and_bad(code, SampleCase(study=study))
    place = SampleCase(study=study).place.folder
    before = {path.relative_to(place): content for path, content in below(sound, place).items()}
    after = {path.relative_to(folder): content for path, content in below(bad, PurePosixPath(folder)).items()}
    assert before == after
    assert len(bad.files) == len(sound.files)


def below(tree: CaseTree, folder: PurePosixPath) -> dict[PurePosixPath, bytes]:
    return {path: content for path, content in tree.files.items() if path.is_relative_to(folder)}


def test_a_symbolic_link_stands_in_the_place_of_the_case(tmp_path: Path):
    folder = write_case(tmp_path, corrupted(SampleCase(), "symlinked_case"))
    assert folder.is_symlink()
    assert (folder / "plan.dcm").is_file()
    assert sorted(path.name for path in folder.parent.iterdir()) == [".QA0001", "QA0001"]


@pytest.mark.parametrize(("in_room", "copy"), [(True, "QA0001"), (False, "G2/QA0001")])
def test_a_case_lies_in_two_places_under_one_key(in_room: bool, copy: str):
    case = SampleCase(in_room=in_room)
    sound, bad = sound_and_bad("duplicate_case_key", case)
    copied = {path.relative_to(copy): content for path, content in below(bad, PurePosixPath(copy)).items()}
    place = case.place.folder
    assert copied == {path.relative_to(place): content for path, content in below(sound, place).items()}
    assert bad.files.keys() - below(bad, PurePosixPath(copy)).keys() == sound.files.keys()


def test_a_closed_folder_gives_no_permission_until_the_case_is_written_again(tmp_path: Path):
    folder = write_case(tmp_path, corrupted(SampleCase(), "unreadable_dir")) / "2026032010000000"
    assert folder.stat().st_mode & 0o777 == 0
    write_case(tmp_path, SampleCase())
    assert folder.stat().st_mode & 0o777 == 0o755


CONTENT_CODES = ("layer_word", "dose_saturated", "position_out_of_range")
MANIFEST_WARNINGS = WARNINGS - {"misplaced_marker", "monitor_disagreement", "meterset_share"}
JUDGED_CODES = set(CORRUPTIONS) & {code for code, rule in CODES.items() if rule.phase == "preparation"}


def judged(root: Path, case: SampleCase, now: datetime = LONG_AFTER) -> Judgement:
    folder = write_case(root, case)
    return judge_case(folder, folder.name, RULES, room=folder.parent.name, now=now)


def test_the_sound_case_is_judged_ready_without_a_warning(tmp_path: Path):
    case = judged(tmp_path, SampleCase()).required_case()
    assert case.warnings == ()
    assert [fraction.status for fraction in case.fractions] == ["complete", "complete"]
    delivered = [
        [delivery.beam.dicom_number for delivery in fraction.deliveries] for fraction in case.fractions
    ]
    assert delivered == [[3, 9, 5], [9, 5, 3]]


@pytest.mark.parametrize("code", sorted(JUDGED_CODES - {"fraction_window_open"}))
def test_the_judgement_of_a_case_names_the_code_of_its_switch(tmp_path: Path, code: str):
    outcome = judged(tmp_path, corrupted(SampleCase(), code)).outcome
    assert isinstance(outcome, BeamFailure)
    others = {problem.code for problem in outcome.problems} - {code}
    # A log too few or too many is also one that the number of layers does not allow.
    assert (outcome.code, others - {"layer_count"}) == (code, set())


def test_a_window_is_open_for_an_hour_and_the_fraction_partial_then(tmp_path: Path):
    case = corrupted(SampleCase(), "fraction_window_open")
    last = datetime(2026, 3, 21, 10, tzinfo=UTC)
    within = judged(tmp_path, case, now=last + timedelta(hours=1)).outcome
    assert isinstance(within, BeamFailure)
    assert within.code == "fraction_window_open"
    after = judged(tmp_path, case, now=last + timedelta(hours=1, seconds=1)).required_case()
    assert [fraction.status for fraction in after.fractions] == ["complete", "partial"]


@pytest.mark.parametrize("code", sorted(MANIFEST_WARNINGS))
def test_a_case_with_a_warning_is_judged_ready(tmp_path: Path, code: str):
    case = judged(tmp_path, corrupted(SampleCase(), code)).required_case()
    assert case.warning_codes == (code,)


@pytest.mark.parametrize("code", CONTENT_CODES)
def test_the_samples_of_a_log_say_what_its_switch_says(code: str):
    draft = draft_of(corrupted(SampleCase(), code))
    constants = machine(2).blocks[0].constants
    found = {
        problem.code
        for delivery in draft.deliveries
        for number, (name, content) in enumerate(delivery.logs.items(), start=1)
        for problem in content_problems(decoded(content, name), number, constants)
    }
    assert found == {code}


@pytest.mark.parametrize(
    ("code", "variants", "fractions"),
    [
        ("map_length", {Variant.LINE_MAPS}, 1),
        ("map_conflict", {Variant.BOTH_MAPS}, 1),
        ("field_number_conflict", set(), 2),
        ("mixed_fraction_reference", set(), 2),
    ],
)
def test_a_corruption_brings_the_form_of_plan_and_the_fractions_that_it_needs(
    code: str, variants: set[Variant], fractions: int
):
    case = corrupted(SampleCase(fractions=1), code)
    assert (case.variants, case.fractions, case.corruption) == (variants, fractions, code)


def test_every_corruption_works_with_every_variant_on_either_gantry():
    for code in CORRUPTIONS:
        sound, bad = sound_and_bad(code, SampleCase(variants=frozenset(Variant), fractions=3))
        assert (sound.files, sound.links, sound.closed) != (bad.files, bad.links, bad.closed)


def test_an_unknown_code_is_refused_with_those_there_are():
    with pytest.raises(
        ValueError, match=r"^'no_such' is nothing that files can show; known are bad_case_id, "
    ):
        corrupted(SampleCase(), "no_such")

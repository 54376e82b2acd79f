"""The assets of beams in Dagster: what they record, which checks they evaluate, how they fail and go on."""

import errno
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pydicom
import pytest

from assets.beams.assets import CPU_POOL, GPU_POOL, assets_of
from resources.dose_engine import McsquareEngine, MoquiEngine
from scripts.sample_data.beams_case import SampleCase
from scripts.sample_data.beams_corruptions import corrupted
from scripts.sample_data.beams_engine import set_behaviour
from scripts.sample_data.beams_nvidia_smi import set_answers
from tests.assets.beams.launched_cases import (
    FIELD_ASSETS,
    Launches,
    checks_of,
    finished,
    finished_home,
    launches,
    sentence_of,
)

__all__ = ["finished", "finished_home", "launches"]  # Fixtures.

FIELDS = ["QA0001|1", "QA0001|2", "QA0001|3"]


def engine_of(launches: Launches) -> Path:
    return launches.home.parent / "engine" / "tps_env"


def test_a_case_goes_from_its_folder_to_its_report(launches: Launches) -> None:
    launches.write()
    manifest = launches.launch("case_manifest", "QA0001")
    assert checks_of(manifest) == {
        "every_delivery_matches_the_plan": True,
        "every_layer_has_its_own_log": True,
    }
    assert launches.field_keys == FIELDS
    for key in FIELDS:
        result = launches.launch(FIELD_ASSETS, key)
        assert checks_of(result) == dict.fromkeys(
            [
                "csv_reads_back",
                "tps_file_reads_back",
                "dose_is_finite_and_positive",
                "rtdose_scales_back",
                "rtdose_references_the_plan",
                "gamma_is_at_least_95_percent",
                "monitors_agree",
                "meterset_share_matches_plan",
            ],
            True,
        )
    assert launches.statuses() == ("simulating", ["completed"] * 3)
    report = launches.launch("case_report", "QA0001")
    assert report.success
    assert launches.statuses()[0] == "completed"
    assert launches.rows("SELECT count(*) FROM leases WHERE state = 'held'") == [(0,)]
    assert [beam["status"] for beam in launches.summary()["beams"]] == ["completed"] * 3
    assert "Research use only" in (launches.output / "Report" / "case_report.html").read_text()


def test_every_dose_has_its_evidence_and_refers_to_its_own_beam(finished: Launches) -> None:
    seeds = set()
    for folder, number in (("002_F2_A_P", 5), ("003_F3", 3), ("004_F4", 9)):
        dose = finished.output / "Dose" / folder
        (rtdose,) = dose.glob("RTDOSE_*.dcm")
        read = pydicom.dcmread(rtdose)
        reference = read.ReferencedRTPlanSequence[0].ReferencedFractionGroupSequence[0]
        assert reference.ReferencedBeamSequence[0].ReferencedBeamNumber == number
        record = json.loads((dose / "run.json").read_text())
        assert (record["engine"], record["exit_code"], record["host"]) == ("moqui", 0, "local")
        assert len(record["lease_tokens"]) == 1
        seeds.add(record["seed"])
    assert len(seeds) == 3


def test_a_run_by_hand_carries_the_tags_of_its_case_and_beam(launches: Launches) -> None:
    launches.write()
    launches.launch("case_manifest", "QA0001")
    result = launches.launch("log_csv", FIELDS[1])
    run = launches.instance.get_run_by_id(result.run_id)
    assert run is not None
    tags = run.tags
    assert (tags["beams/case"], tags["beams/beam_id"]) == ("QA0001", "QA0001_beam_2")
    of_the_room = launches.instance.get_runs(dg.RunsFilter(tags={"beams/room": "G2"}))
    assert [run.tags["beams/case"] for run in of_the_room] == ["QA0001"] * 2


@pytest.mark.parametrize(
    ("code", "checks"),
    [
        ("ptn_missing", {"every_delivery_matches_the_plan": True, "every_layer_has_its_own_log": False}),
        ("layer_count", {"every_delivery_matches_the_plan": True, "every_layer_has_its_own_log": False}),
        ("patient_id_mismatch", {"every_delivery_matches_the_plan": False}),
        ("gantry_unknown", {"every_delivery_matches_the_plan": False}),
    ],
)
def test_a_refused_case_fails_with_its_check_and_its_sentence(launches: Launches, code, checks) -> None:
    launches.write(corrupted(SampleCase(), code))
    result = launches.launch("case_manifest", "QA0001")
    assert not result.success
    assert checks_of(result) == checks
    failed = next(one for one in result.get_asset_check_evaluations() if not one.passed)
    assert failed.severity is dg.AssetCheckSeverity.ERROR
    assert failed.metadata["code"].value == code
    assert sentence_of(result) == failed.description
    assert launches.field_keys == []
    assert launches.rows("SELECT status, failure_code FROM cases") == [("failed", code)]


def test_a_case_that_has_to_wait_fails_no_check_and_leaves_no_row(launches: Launches) -> None:
    started = datetime.now(UTC) - timedelta(minutes=30)
    launches.write(corrupted(SampleCase(start=started), "fraction_window_open"))
    result = launches.launch("case_manifest", "QA0001")
    assert not result.success
    assert checks_of(result) == {}
    assert "is open until" in sentence_of(result)
    assert not (launches.home / "ledger" / "beams.sqlite").exists()


def test_swapped_logs_stop_the_beam_before_anything_is_simulated(launches: Launches) -> None:
    launches.write(corrupted(SampleCase(), "layer_word"))
    launches.launch("case_manifest", "QA0001")
    results = {key: launches.launch(FIELD_ASSETS, key) for key in FIELDS}
    failed = [key for key, result in results.items() if not result.success]
    assert failed
    for key in failed:
        assert checks_of(results[key])["csv_reads_back"] is False
        assert "dose_is_finite_and_positive" not in checks_of(results[key])
    (codes,) = (
        {code for (code,) in launches.rows("SELECT failure_code FROM beams WHERE status = 'failed'")},
    )
    assert codes == {"layer_word"}


def test_a_case_with_a_failed_beam_is_reported_and_says_what_is_missing(launches: Launches) -> None:
    set_behaviour(engine_of(launches), beams={"QA0001_beam_2": "no_output"})
    launches.write()
    launches.launch("case_manifest", "QA0001")
    succeeded = [launches.launch(FIELD_ASSETS, key).success for key in FIELDS]
    assert succeeded == [True, False, True]
    assert launches.statuses() == ("failed", ["completed", "failed", "completed"])
    assert launches.launch("case_report", "QA0001").success
    assert launches.statuses()[0] == "failed"
    beams = launches.summary()["beams"]
    assert [len(beam["missing"]) for beam in beams] == [0, 1, 0]
    (missing,) = beams[1]["missing"]
    ((code, message),) = launches.rows("SELECT failure_code, failure_message FROM cases")
    assert (missing["code"], missing["message"]) == (code, message)
    # Its deliveries were judged all the same.
    assert [delivery["status"] for delivery in beams[1]["deliveries"]] == ["passed", "passed"]


def test_a_report_says_what_has_gone_since_it_was_made(finished: Launches) -> None:
    rtdose = next((finished.output / "Dose" / "003_F3").glob("RTDOSE_*.dcm"))
    rtdose.write_bytes(b"no DICOM")
    record = next((finished.output / "Daily_PTN").glob("*_beam_1.json"))
    record.unlink()
    assert finished.launch("case_report", "QA0001").success
    beams = finished.summary()["beams"]
    assert [missing["what"] for missing in beams[1]["missing"]] == ["rtdose"]
    assert {delivery["status"] for delivery in beams[0]["deliveries"]} == {"error", "passed"}


def test_no_idle_gpu_is_no_failure_and_the_beam_stays_queued(
    launches: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEAMS_GPU_WAIT_SECONDS", "0")
    set_answers(launches.home.parent / "smi" / "nvidia-smi", [])
    launches.write()
    launches.launch("case_manifest", "QA0001")
    result = launches.launch(FIELD_ASSETS, FIELDS[0])
    assert not result.success
    assert "dose_is_finite_and_positive" not in checks_of(result)
    row = launches.rows(
        "SELECT status, attempt, retry_count, failure_code FROM beams WHERE treatment_index = 1"
    )
    assert row == [("queued", 2, 0, "no_gpu")]
    assert launches.statuses()[0] == "simulating"


def test_an_engine_that_kills_itself_fails_the_beam_for_another_try(launches: Launches) -> None:
    set_behaviour(engine_of(launches), ["kill_itself", "success"])
    launches.write()
    launches.launch("case_manifest", "QA0001")
    assert not launches.launch(FIELD_ASSETS, FIELDS[0]).success
    row = "SELECT status, failure_category, failure_code, attempt FROM beams WHERE treatment_index = 1"
    assert launches.rows(row) == [("failed", "retryable", "killed_by_signal", 1)]
    assert launches.launch(FIELD_ASSETS, FIELDS[0]).success
    assert launches.rows(row) == [("completed", None, None, 2)]


@pytest.mark.parametrize("asset", FIELD_ASSETS)
def test_each_asset_of_a_completed_beam_can_be_materialised_again_alone(finished: Launches, asset) -> None:
    before = {path: path.read_bytes() for path in finished.output.rglob("*.dcm")}
    assert finished.launch(asset, FIELDS[0]).success
    wanted = {"log_csv": "pending", "tps_input": "prepared", "dose": "validating"}.get(asset, "completed")
    row = "SELECT status, attempt, retry_count FROM beams WHERE treatment_index = 1"
    assert finished.rows(row) == [(wanted, 2, 0)]
    if asset == "rtdose":
        assert {path: path.read_bytes() for path in finished.output.rglob("*.dcm")} == before


def test_the_rest_of_the_chain_brings_a_beam_that_was_begun_by_hand_to_its_end(finished: Launches) -> None:
    finished.launch("log_csv", FIELDS[0])
    assert finished.launch(FIELD_ASSETS[1:4], FIELDS[0]).success
    assert finished.statuses() == ("simulating", ["completed"] * 3)


def test_a_run_of_the_sensor_whose_attempt_is_over_does_nothing(finished: Launches) -> None:
    finished.launch("log_csv", FIELDS[0])
    before = finished.rows("SELECT * FROM beams")
    result = finished.launch(FIELD_ASSETS, FIELDS[0], tags={"beams/attempt": "1"})
    assert not result.success
    assert finished.rows("SELECT * FROM beams") == before


def test_a_run_that_repeats_one_of_the_sensor_is_a_rerun_by_hand(finished: Launches) -> None:
    tags = {"beams/attempt": "1", "dagster/parent_run_id": "earlier"}
    assert finished.launch(FIELD_ASSETS, FIELDS[0], tags=tags).success
    assert finished.rows("SELECT attempt FROM beams WHERE treatment_index = 1") == [(2,)]


def test_a_wrong_setting_fails_the_run_by_its_name(
    launches: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    launches.write()
    monkeypatch.setenv("BEAMS_VOXEL_MM", "40")
    result = launches.launch("case_manifest", "QA0001")
    assert "BEAMS_VOXEL_MM" in sentence_of(result)


def test_a_host_that_is_not_set_up_fails_the_beam_by_the_name_of_the_variable(
    finished: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUINTET_DEPLOYMENT", "aws")
    on_a_host = Launches(finished.home, deployment="aws")
    result = on_a_host.launch("dose", FIELDS[0])
    assert "set BEAMS_SSH_WORKDIR" in sentence_of(result)
    row = on_a_host.rows("SELECT status, failure_code FROM beams WHERE treatment_index = 1")
    assert row == [("failed", "ssh_auth")]


def test_a_delivery_that_cannot_be_judged_ends_as_an_error_beside_the_others(launches: Launches) -> None:
    folder = launches.write()
    launches.launch("case_manifest", "QA0001")
    (entry,) = launches.rows(
        "SELECT delivery_path FROM deliveries WHERE treatment_index = 1 AND NOT is_reference"
    )
    log = next((folder / entry[0]).glob("*.[pP][tT][nN]"))
    log.unlink()
    result = launches.launch("delivery_check", FIELDS[0])
    assert result.success
    assert checks_of(result)["gamma_is_at_least_95_percent"] is False
    states = launches.rows(
        "SELECT ptn_status, failure_code FROM deliveries WHERE treatment_index = 1 ORDER BY is_reference"
    )
    assert states == [("error", "ptn_missing"), ("passed", None)]


def test_a_full_disk_is_no_fault_of_the_delivery_that_was_being_checked(
    launches: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    launches.write()
    launches.launch("case_manifest", "QA0001")

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", path)

    monkeypatch.setattr("assets.beams.stages.delivery_checks.write_whole", full)
    launches.launch("delivery_check", FIELDS[0])
    states = launches.rows(
        "SELECT DISTINCT ptn_status, failure_code FROM deliveries WHERE treatment_index = 1"
    )
    assert states == [("error", "disk_full")]


def test_checks_that_cannot_begin_fail_their_step_and_leave_the_beam_as_it_is(
    launches: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    launches.write()
    launches.launch("case_manifest", "QA0001")

    make = Path.mkdir

    def full(path: Path, **how: Any) -> None:
        if path.name == "Daily_PTN":
            raise OSError(errno.ENOSPC, "No space left on device", path)
        make(path, **how)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "mkdir", full)
        assert "is full" in sentence_of(launches.launch("delivery_check", FIELDS[0]))
    step = "SELECT status, json_extract(metadata, '$.code') FROM workflow_steps WHERE step = 'delivery_check'"
    assert launches.rows(step) == [("failed", "disk_full")]
    assert launches.statuses()[1][0] == "pending"
    assert launches.launch("delivery_check", FIELDS[0]).success


def test_no_rtdose_is_made_of_a_dose_whose_logs_were_converted_anew(finished: Launches) -> None:
    (rtdose,) = (finished.output / "Dose" / "002_F2_A_P").glob("RTDOSE_*.dcm")
    before = rtdose.read_bytes()
    record = finished.output / "Dose" / "002_F2_A_P" / "run.json"
    made = json.loads(record.read_text())
    csv = next(name for name in made["input_digests"] if name.startswith("Log_csv/"))
    made["input_digests"][csv] = "0" * 64
    record.write_text(json.dumps(made))
    result = finished.launch("rtdose", FIELDS[0])
    assert "materialise dose for the beam" in sentence_of(result)
    assert finished.rows("SELECT failure_code FROM beams WHERE treatment_index = 1") == [("stale_output",)]
    assert rtdose.read_bytes() == before


def test_an_rtdose_that_does_not_read_back_never_takes_the_place_of_an_earlier_one(
    finished: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rtdose,) = (finished.output / "Dose" / "002_F2_A_P").glob("RTDOSE_*.dcm")
    before = rtdose.read_bytes()
    monkeypatch.setattr(
        "assets.beams.stages.rtdose_files.rtdose_references_the_plan", lambda *_: ("it has no plan",)
    )
    assert "it has no plan" in sentence_of(finished.launch("rtdose", FIELDS[0]))
    assert rtdose.read_bytes() == before
    assert not list(rtdose.parent.glob(".*"))


@pytest.mark.parametrize(
    ("code", "check", "severity"),
    [
        ("gamma_conditional", "gamma_is_at_least_95_percent", dg.AssetCheckSeverity.WARN),
        ("gamma_failed", "gamma_is_at_least_95_percent", dg.AssetCheckSeverity.ERROR),
        ("monitor_disagreement", "monitors_agree", dg.AssetCheckSeverity.WARN),
        ("meterset_share", "meterset_share_matches_plan", dg.AssetCheckSeverity.WARN),
    ],
)
def test_what_a_delivery_shows_is_a_check_that_stops_nothing_and_warns_of_the_case(
    launches: Launches, code, check, severity
) -> None:
    launches.write(corrupted(SampleCase(), code))
    launches.launch("case_manifest", "QA0001")
    broken = []
    for key in FIELDS:
        result = launches.launch(FIELD_ASSETS, key)
        assert result.success
        broken += [one for one in result.get_asset_check_evaluations() if not one.passed]
    assert {(one.check_name, one.severity) for one in broken} == {(check, severity)}
    assert launches.launch("case_report", "QA0001").success
    assert launches.statuses() == ("completed_with_warnings", ["completed"] * 3)


def test_doses_of_one_engine_wait_for_each_other_in_its_pool() -> None:
    for engine, pool in (
        (McsquareEngine(stage_folder="stage"), CPU_POOL),
        (MoquiEngine(command="tps_env"), GPU_POOL),
    ):
        pools = {asset.key.path[-1]: asset.op.pool for asset in assets_of(engine)}
        assert {name: found for name, found in pools.items() if found} == {"dose": pool}

"""The dose of a beam on this machine, by the scripted GPU engine and by the CPU engine."""

import json
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from assets.beams.failures import BeamFailure
from assets.beams.registry import gpus
from assets.beams.run_records import published_dose
from assets.beams.stages.simulation import simulate
from assets.beams.states import BeamState
from scripts.sample_data.beams_engine import BEHAVIOURS, read_tps, starts
from scripts.sample_data.beams_nvidia_smi import TWO_IDLE_GPUS, set_answers
from tests.assets.beams.registry.registry_worlds import rows as table
from tests.assets.beams.stages.simulated_beams import BEAM_ID, FOLDER, cpu_site, gpu_site, limited

FIRST_GPU = "GPU-11111111-aaaa"


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_gpu_beam_ends_with_its_dose_in_place_and_nothing_left_behind(tmp_path):
    site = gpu_site(tmp_path)
    result = site.simulate()
    assert result.folder == site.output / "Dose" / FOLDER
    assert names(result.folder) == ["dose.raw", "engine.log", "run.json"]
    published = published_dose(result.folder)
    assert published.record == result.record
    assert published.output == result.output
    assert result.figures.maximum == published.grid.values.max()
    beam = site.beam()
    assert (beam.state, beam.progress, beam.engine) == (BeamState.VALIDATING, 97, "moqui")
    assert site.lease_states() == [(1, "released", "r1")]
    assert (site.processes(), site.job_folders(), names(site.output / "Dose" / ".tmp")) == ([], [], [])
    assert site.failures == []
    assert site.starts() == 1


def test_the_record_says_what_was_computed_by_what_and_when(tmp_path):
    site = gpu_site(tmp_path)
    record = json.loads((site.simulate().folder / "run.json").read_text())
    assert record["engine"] == "moqui"
    assert record["lease_tokens"] == {FIRST_GPU: 1}
    assert (record["host"], record["salt"], record["exit_code"]) == ("local", "1", 0)
    assert record["completion_line"] == "Total execution time: 12.34 seconds"
    assert record["primaries"] == 500_000_000
    assert sorted(record["input_digests"]) == [
        "Log_csv/log/002_F1/01_150.00MeV.csv",
        "Log_csv/log/002_F1/02_140.00MeV.csv",
        "Log_csv/moqui_tps_QA0001_beam_1.in",
        "Log_csv/plan/RTPLAN.dcm",
        "moqui_tps_QA0001_beam_1.in",
    ]
    assert record["started_at"] <= record["ended_at"]
    assert len(record["command_digest"]) == len(record["engine_digest"]) == 64


def test_the_engine_gets_a_copy_of_the_file_with_its_gpus_and_its_folders(tmp_path):
    site = gpu_site(tmp_path, "nonzero_exit")
    with pytest.raises(BeamFailure):
        site.simulate()
    (start,) = starts(site.command)
    assert (start.gpu, start.device_order) == ("0", "PCI_BUS_ID")
    ran, written = (
        read_tps(path.read_text())
        for path in (Path(start.tps_file), site.output / "Log_csv" / "moqui_tps_QA0001_beam_1.in")
    )
    (job,) = site.job_folders()
    assert job.startswith("1-")
    differing = {key: value for key, value in ran.items() if value != written[key]}
    assert differing == {
        "outputdir": str(site.jobs / job / "output"),
        "beamlayermultigputemproot": str(site.jobs / job / "temporary"),
    }


def test_several_gpus_are_named_by_their_index_of_now(tmp_path):
    site = gpu_site(tmp_path, "nonzero_exit")
    lines = [f"{index},{line.partition(',')[2]}" for index, line in zip((5, 2), TWO_IDLE_GPUS, strict=True)]
    set_answers(site.nvidia_smi, lines)
    site.settings = replace(site.settings, gpus_per_beam="all")
    with pytest.raises(BeamFailure):
        site.simulate()
    ran = read_tps(Path(starts(site.command)[0].tps_file).read_text())
    assert (ran["gpuid"], ran["beamlayermultigpuallowedgpuids"]) == ("2", "2,5")
    assert ran["enablebeamlayermultigpu"] == "true"


def test_a_log_that_is_longer_than_what_a_look_reads_is_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr("assets.beams.stages.engine_watch._MOST_PIECES", 1)
    site = gpu_site(tmp_path, "huge_output")
    site.simulate()
    assert (site.output / "Dose" / FOLDER / "engine.log").stat().st_size > 50_000_000


SUCCESSES = sorted(name for name, code in BEHAVIOURS.items() if code is None and name != "success")
REFUSALS = {name: code for name, code in BEHAVIOURS.items() if code not in (None, "timeout")}


@pytest.mark.parametrize("behaviour", SUCCESSES)
def test_a_success_that_looks_odd_is_one(tmp_path, behaviour):
    site = gpu_site(tmp_path, behaviour)
    site.simulate()
    assert site.beam().progress == 97
    assert site.processes() == []


@pytest.mark.parametrize("behaviour", sorted(REFUSALS))
def test_every_other_end_of_the_engine_has_its_code_and_publishes_nothing(tmp_path, behaviour):
    site = gpu_site(tmp_path, behaviour)
    with pytest.raises(BeamFailure) as refusal:
        site.simulate()
    expected = "gpu_unknown" if behaviour == "no_free_gpu" else REFUSALS[behaviour]
    assert refusal.value.code == expected
    assert refusal.value.details.host == "local"
    beam = site.beam()
    assert (beam.state, beam.failure_code) == (BeamState.FAILED, expected)
    assert site.lease_states() == [(1, "released", "r1")]
    assert [(states, [lease.token for lease in work.leases]) for states, work in site.failures] == [
        ("held", [1])
    ]
    assert not (site.output / "Dose" / FOLDER).exists()
    assert site.processes() == []


@pytest.mark.parametrize("behaviour", ["hang", "deaf"])
def test_an_engine_that_takes_too_long_is_ended_with_all_of_its_processes(tmp_path, behaviour):
    site = limited(gpu_site(tmp_path, behaviour), 1)
    with pytest.raises(BeamFailure) as refusal:
        site.simulate()
    assert (refusal.value.code, refusal.value.category) == ("timeout", "retryable")
    assert site.beam().failure_code == "timeout"
    assert site.lease_states() == [(1, "released", "r1")]
    assert site.processes() == []


def test_a_failed_result_takes_nothing_from_an_earlier_one(tmp_path):
    site = gpu_site(tmp_path, ["success", "empty_dose"])
    before = site.simulate()
    content = (before.folder / "run.json").read_bytes()
    site.reopen("by_hand")
    with pytest.raises(BeamFailure):
        site.simulate("r2")
    assert (before.folder / "run.json").read_bytes() == content
    assert published_dose(before.folder).record == before.record


def test_a_new_result_takes_the_place_of_an_earlier_one_and_of_its_rtdose(tmp_path):
    site = gpu_site(tmp_path)
    before = site.simulate()
    (before.folder / "RTDOSE_old.dcm").write_bytes(b"of the dose before")
    site.reopen("by_hand")
    after = site.simulate("r2")
    assert names(after.folder) == ["dose.raw", "engine.log", "run.json"]
    assert after.record.lease_tokens == {FIRST_GPU: 2}
    assert site.starts() == 2


def test_the_progress_of_the_engine_is_stored_as_it_rises(tmp_path):
    site = gpu_site(tmp_path, batch_seconds=0.4)
    seen: list[float] = []

    def noted(seconds: float) -> None:
        seen.append(site.beam().progress)
        time.sleep(seconds)

    site.simulate(sleep=noted)
    assert seen == sorted(seen)
    assert {52.5, 65.0, 77.5} <= set(seen) <= {25.0, 52.5, 65.0, 77.5, 90.0}


def test_without_an_idle_gpu_the_beam_stays_queued_and_nothing_fails(tmp_path):
    site = gpu_site(tmp_path)
    set_answers(
        site.nvidia_smi, TWO_IDLE_GPUS, [f"7, {line.split(', ')[1]}, other, 9" for line in TWO_IDLE_GPUS]
    )
    with pytest.raises(BeamFailure) as refusal:
        site.simulate()
    assert (refusal.value.code, refusal.value.category) == ("no_gpu", "pending")
    beam = site.beam()
    assert (beam.state, beam.attempt, beam.run_id, beam.retry_count) == (BeamState.QUEUED, 2, None, 0)
    assert (site.starts(), site.lease_states()) == (0, [])
    set_answers(site.nvidia_smi)
    site.simulate("r2")
    assert site.beam().progress == 97


@pytest.mark.parametrize("answers", [{"failing": ["gpus"]}, {"failing": ["compute_apps"]}])
def test_an_unknown_inventory_starts_nothing(tmp_path, answers):
    site = gpu_site(tmp_path)
    set_answers(site.nvidia_smi, **answers)
    with pytest.raises(BeamFailure) as refusal:
        site.simulate()
    assert (refusal.value.code, refusal.value.category) == ("gpu_unknown", "retryable")
    assert (site.beam().state, site.starts()) == (BeamState.FAILED, 0)


def test_a_gpu_on_which_engines_failed_three_times_is_barred(tmp_path):
    site = gpu_site(tmp_path, "kill_itself")
    set_answers(site.nvidia_smi, TWO_IDLE_GPUS[:1])
    for turn in range(3):
        with pytest.raises(BeamFailure):
            site.simulate(f"r{turn}")
        site.reopen("rerun")
    assert [state for _, state, _ in site.lease_states()] == ["released", "released", "quarantined"]
    with closing(site.registry()) as connection:
        assert [row.status for row in gpus.listed(connection, "local")] == ["quarantined"]
    with pytest.raises(BeamFailure) as refusal:
        site.simulate("r3")
    assert refusal.value.code == "no_gpu"


def test_a_tps_file_that_was_changed_is_refused_before_a_gpu_is_taken(tmp_path):
    site = gpu_site(tmp_path)
    path = site.output / "Log_csv" / "moqui_tps_QA0001_beam_1.in"
    path.write_text(path.read_text().replace("GantryNum 2", "GantryNum 1"))
    with pytest.raises(BeamFailure) as refusal:
        site.simulate()
    assert refusal.value.code == "tps_invalid"
    assert (site.beam().state, site.starts(), site.lease_states()) == (BeamState.FAILED, 0, [])


@pytest.mark.parametrize("spoil", ["extra_plan", "missing_csv", "extra_folder"])
def test_folders_in_which_the_engine_would_find_another_log_are_refused(tmp_path, spoil):
    site = gpu_site(tmp_path)
    log_csv = site.output / "Log_csv"
    if spoil == "extra_plan":
        (log_csv / "plan" / "other.dcm").write_bytes(b"")
    elif spoil == "missing_csv":
        (log_csv / "log" / FOLDER / "02_140.00MeV.csv").unlink()
    else:
        (log_csv / "log" / "000_X").mkdir()
    with pytest.raises(BeamFailure) as refusal:
        site.simulate()
    assert refusal.value.code == "tps_invalid"
    assert (site.starts(), site.lease_states()) == (0, [])


def test_an_engine_that_is_not_there_is_told(tmp_path):
    site = gpu_site(tmp_path)
    site.command.unlink()
    with pytest.raises(BeamFailure) as refusal:
        site.simulate()
    assert (refusal.value.code, refusal.value.category) == ("no_evidence", "permanent")
    assert "tps_env" in refusal.value.message
    assert site.lease_states() == []


def test_a_cpu_beam_ends_with_its_dose_and_without_any_lease(tmp_path):
    site = cpu_site(tmp_path)
    result = site.simulate()
    assert names(result.folder) == ["Dose.mhd", "Dose.raw", "engine.log", "run.json"]
    beam = site.beam()
    assert (beam.state, beam.progress, beam.engine) == (BeamState.VALIDATING, 97, "mcsquare")
    assert site.lease_states() == []
    assert result.record.lease_tokens == {}
    assert result.record.primaries == 1000
    assert (site.processes(), site.job_folders()) == ([], [])


def test_the_same_salt_repeats_a_cpu_dose_byte_by_byte(tmp_path):
    site = cpu_site(tmp_path)
    first = site.simulate().record.output_sha256
    site.reopen("by_hand")
    assert site.simulate("r2").record.output_sha256 == first


def test_logs_without_a_beam_are_refused_before_the_engine_is_asked(tmp_path):
    site = cpu_site(tmp_path)
    order = site.order(spots=lambda: [(150.0, []), (140.0, [])])
    with pytest.raises(BeamFailure) as refusal:
        simulate(order, site.worker(), site.settings, site.host, site.engine)
    assert refusal.value.code == "empty_dose"
    assert site.beam().state is BeamState.FAILED
    assert site.job_folders() == []


def test_every_step_of_the_beam_is_one_row_that_is_still_open(tmp_path):
    site = gpu_site(tmp_path)
    site.simulate()
    with closing(site.registry()) as connection:
        steps = table(connection, "SELECT step, status FROM workflow_steps WHERE beam_id = ?", BEAM_ID)
    assert steps == [{"step": "dose", "status": "started"}]

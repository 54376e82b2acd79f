"""The programs that stand in for the GPU engine and for nvidia-smi: they behave as they are told."""

import math
import os
import signal
import subprocess
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.sample_data.beams_engine import (
    BEHAVIOURS,
    COMPLETION_LINE,
    HUGE_OUTPUT_BYTES,
    read_tps,
    set_behaviour,
    set_up_engine,
    starts,
)
from scripts.sample_data.beams_nvidia_smi import (
    APPS_QUERY,
    FORMAT,
    GPU_QUERY,
    ODD_GPUS,
    TWO_IDLE_GPUS,
    Query,
    set_answers,
    set_up_nvidia_smi,
)

PROGRESS = [
    "Particle count --> 500000000 with 4 batches",
    *(f"Generating particles for ({batch} of 4 batches) in CPU .." for batch in range(1, 5)),
    "Relative MC ERROR: 1.2 %",
]


@pytest.fixture
def tps_file(tmp_path: Path) -> Path:
    """A TPS file whose beam is the second of three items, with a log at x 30 mm, y -10 mm."""
    logs = tmp_path / "log"
    for name, x in (("001_SETUP", None), ("002_F2_A_P", 30.0), ("003_F3", -60.0)):
        (logs / name).mkdir(parents=True)
        if x is not None:
            (logs / name / "01_150.00MeV.csv").write_bytes(
                f"0.0,{x - 1},-10.0,100\r\n0.06,{x + 1},-10.0,100\r\n0.12,200.0,0.0,0\r\n".encode()
            )
    file = tmp_path / "moqui_tps_QA0001_beam_1.in"
    file.write_text(
        f"GPUID 3\n\nlogFilePath {logs}\n\nBeamNumbers 2\n\nTwoCentimeterMode true\n\n"
        "PhantomDimX 400\nPhantomDimY 400\nPhantomDimZ 400\nPhantomUnitX 1\nPhantomUnitY 1\n"
        "PhantomPositionX -200.0\nPhantomPositionY -200.0\n\nNormalizeTotalHistories 500000000\n\n"
        f"OutputDir {tmp_path / 'out'}\n",
        "utf-8",
    )
    return file


def run(command: Path, tps_file: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([command, tps_file], capture_output=True, timeout=120, check=False)


def dose(tps_file: Path) -> array:
    values = array("d")
    values.frombytes((tps_file.parent / "out/dose.raw").read_bytes())
    return values


def lines(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    return done.stdout.decode().splitlines()


def test_a_good_run_speaks_the_engines_lines_and_writes_one_plane(tmp_path: Path, tps_file: Path):
    done = run(set_up_engine(tmp_path / "bin"), tps_file)
    assert done.returncode == 0
    assert [line.removeprefix("[beam 1] ") for line in lines(done)] == [*PROGRESS, COMPLETION_LINE]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dose.raw"]
    plane = dose(tps_file)
    assert len(plane) == 400 * 400
    assert all(map(math.isfinite, plane))
    assert max(plane) > 0


def test_the_dose_lies_where_the_log_at_the_beams_place_says(tmp_path: Path, tps_file: Path):
    run(set_up_engine(tmp_path / "bin"), tps_file)
    plane = dose(tps_file)
    row, column = divmod(plane.index(max(plane)), 400)
    assert (column - 200 + 0.5, row - 200 + 0.5) == (pytest.approx(30, abs=1), pytest.approx(-10, abs=1))


def test_without_the_two_centimetre_mode_there_is_a_plane_for_each_depth(tmp_path: Path, tps_file: Path):
    text = tps_file.read_text().replace("TwoCentimeterMode true", "TwoCentimeterMode false")
    tps_file.write_text(text.replace("PhantomDimZ 400", "PhantomDimZ 3"))
    run(set_up_engine(tmp_path / "bin"), tps_file)
    assert len(dose(tps_file)) == 3 * 400 * 400


@pytest.mark.parametrize(("place", "text"), [("1", "no log in"), ("4", "no log folder 4 of 3 in")])
def test_a_beam_without_a_log_at_its_place_is_a_failure(
    tmp_path: Path, tps_file: Path, place: str, text: str
):
    tps_file.write_text(tps_file.read_text().replace("BeamNumbers 2", f"BeamNumbers {place}"))
    done = run(set_up_engine(tmp_path / "bin"), tps_file)
    assert done.returncode == 1
    assert lines(done)[-1].startswith(f"FATAL ERROR: {text}")


EVIDENCE: dict[str, tuple[int, bool, int]] = {
    "success": (0, True, 1),
    "split_marker": (0, True, 1),
    "silent_exit": (0, False, 0),
    "no_output": (0, True, 0),
    "two_outputs": (0, True, 2),
    "kill_itself": (-signal.SIGKILL, False, 0),
    "nonzero_exit": (1, True, 1),
    "huge_output": (0, True, 1),
    "failure_line": (0, True, 1),
    "no_free_gpu": (1, False, 0),
    "empty_dose": (0, True, 1),
    "nan_dose": (0, True, 1),
    "short_dose": (0, True, 1),
    "old_output": (0, True, 1),
}
"""By behaviour: exit code, whether the completion line is there, and how many outputs."""


@pytest.mark.parametrize("behaviour", EVIDENCE)
def test_a_behaviour_leaves_the_evidence_that_it_should(tmp_path: Path, tps_file: Path, behaviour: str):
    done = run(set_up_engine(tmp_path / "bin", behaviour), tps_file)
    outputs = list((tmp_path / "out").glob("*.raw"))
    assert (done.returncode, COMPLETION_LINE in lines(done), len(outputs)) == EVIDENCE[behaviour]


def test_every_behaviour_is_tried():
    assert set(EVIDENCE) | {"hang", "deaf"} == set(BEHAVIOURS)


@pytest.mark.parametrize(
    ("behaviour", "is_so"),
    [
        ("empty_dose", lambda values: len(values) == 160_000 and not any(values)),
        ("nan_dose", lambda values: [math.isnan(value) for value in values].count(True) == 1),
        ("short_dose", lambda values: len(values) == 160_000 - 1),
    ],
)
def test_a_bad_dose_is_bad_in_one_way(
    tmp_path: Path, tps_file: Path, behaviour: str, is_so: Callable[[array], bool]
):
    run(set_up_engine(tmp_path / "bin", behaviour), tps_file)
    assert is_so(dose(tps_file))


def test_an_old_output_is_older_than_the_start(tmp_path: Path, tps_file: Path):
    run(set_up_engine(tmp_path / "bin", "old_output"), tps_file)
    assert (tmp_path / "out/dose.raw").stat().st_mtime < tps_file.stat().st_mtime


def test_a_failure_line_stands_at_the_start_of_its_line_and_before_the_completion(
    tmp_path: Path, tps_file: Path
):
    said = lines(run(set_up_engine(tmp_path / "bin", "failure_line"), tps_file))
    assert said[-2:] == ["FATAL ERROR: cannot allocate device memory", COMPLETION_LINE]
    said = lines(run(set_up_engine(tmp_path / "bin", "no_free_gpu"), tps_file))
    assert said == ["ERROR: No free GPU remains after BeamLayerMultiGpu filtering"]


def test_huge_output_is_fifty_mebibytes(tmp_path: Path, tps_file: Path):
    done = run(set_up_engine(tmp_path / "bin", "huge_output"), tps_file)
    assert 0 < len(done.stdout) - HUGE_OUTPUT_BYTES < 1000


def test_the_completion_line_comes_in_two_writes(tmp_path: Path, tps_file: Path):
    command = set_up_engine(tmp_path / "bin", "split_marker")
    read_end, write_end = os.pipe()
    with subprocess.Popen([command, tps_file], stdout=write_end):
        os.close(write_end)
        parts = list(iter(lambda: os.read(read_end, 65536), b""))
    os.close(read_end)
    assert COMPLETION_LINE.encode() not in b"|".join(parts)
    assert b"".join(parts).endswith(f"{COMPLETION_LINE}\n".encode())


@pytest.fixture
def hanging(tmp_path: Path, tps_file: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start the engine in a process group of its own, wait until it hangs, end the group at last."""
    started: list[subprocess.Popen[bytes]] = []

    def start(behaviour: str) -> subprocess.Popen[bytes]:
        command = [set_up_engine(tmp_path / "bin", behaviour), tps_file]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        started.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if b"child" in line:
                return process
        raise AssertionError("the engine did not hang")

    yield start
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        process.wait(timeout=30)


def group_is_gone(group: int) -> bool:
    """Whether no process of a group is left, after at most ten seconds."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_a_hanging_engine_ends_with_its_group_but_not_its_child_with_itself(
    hanging: Callable[[str], subprocess.Popen[bytes]],
):
    process = hanging("hang")
    process.terminate()
    assert process.wait(timeout=30) == -signal.SIGTERM
    os.killpg(process.pid, 0)
    os.killpg(process.pid, signal.SIGTERM)
    assert group_is_gone(process.pid)


def test_a_deaf_engine_has_to_be_killed(hanging: Callable[[str], subprocess.Popen[bytes]]):
    process = hanging("deaf")
    os.killpg(process.pid, signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(timeout=30) == -signal.SIGKILL
    assert group_is_gone(process.pid)


def test_behaviours_follow_one_another_for_each_beam_and_the_last_stays(tmp_path: Path, tps_file: Path):
    command = set_up_engine(tmp_path / "bin")
    set_behaviour(command, ["nonzero_exit", "silent_exit"], beams={"QA0001_beam_2": "no_free_gpu"})
    other = tps_file.with_name("moqui_tps_QA0001_beam_2.in")
    other.write_text(tps_file.read_text())
    for file in (tps_file, other, tps_file, tps_file):
        run(command, file)
    assert [(start.beam, start.behaviour) for start in starts(command)] == [
        ("QA0001_beam_1", "nonzero_exit"),
        ("QA0001_beam_2", "no_free_gpu"),
        ("QA0001_beam_1", "silent_exit"),
        ("QA0001_beam_1", "silent_exit"),
    ]


def test_every_start_is_noted_with_its_process_gpu_and_device_order(
    tmp_path: Path, tps_file: Path, monkeypatch: pytest.MonkeyPatch
):
    command = set_up_engine(tmp_path / "bin")
    assert starts(command) == []
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    with subprocess.Popen([command, tps_file], stdout=subprocess.DEVNULL) as process:
        process.wait(timeout=60)
    (start,) = starts(command)
    assert (start.pid, start.gpu, start.device_order) == (process.pid, "3", "PCI_BUS_ID")
    assert start.tps_file == str(tps_file)


def test_a_command_in_a_folder_with_blanks_and_quotes_works(tmp_path: Path, tps_file: Path):
    assert run(set_up_engine(tmp_path / "it's a bin"), tps_file).returncode == 0


def test_an_unknown_behaviour_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"^'explode' is no behaviour; known are success, "):
        set_up_engine(tmp_path / "bin", "explode")


def test_the_engine_refuses_a_missing_file_and_wrong_usage(tmp_path: Path):
    command = set_up_engine(tmp_path / "bin")
    assert run(command, tmp_path / "absent.in").returncode == 1
    assert subprocess.run([command], capture_output=True, check=False, timeout=60).returncode == 2


def test_a_tps_file_is_read_by_the_engines_rules():
    text = "GPUID 0\ngpuid 1\n\nOutputDir /a b # cut\nBeamLayerMultiGpuAllowedGpuIds \n#none 1\n"
    assert read_tps(text) == {
        "gpuid": "0",
        "outputdir": "/a b ",
        "beamlayermultigpuallowedgpuids": "",
    }


def asked(command: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([command, *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_nvidia_smi_answers_both_queries_from_its_file(tmp_path: Path):
    command = set_up_nvidia_smi(tmp_path / "bin")
    assert asked(command, GPU_QUERY, FORMAT).stdout.splitlines() == list(TWO_IDLE_GPUS)
    assert asked(command, APPS_QUERY, FORMAT).stdout == ""
    apps = ["4711, GPU-11111111-aaaa, /opt/engine, 900"]
    set_answers(command, ODD_GPUS, apps)
    assert asked(command, FORMAT, GPU_QUERY).stdout.splitlines() == list(ODD_GPUS)
    assert asked(command, APPS_QUERY, FORMAT).stdout.splitlines() == apps


def test_nvidia_smi_can_have_no_gpu_at_all(tmp_path: Path):
    done = asked(set_up_nvidia_smi(tmp_path / "bin", gpus=()), GPU_QUERY, FORMAT)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(("query", "other"), [("gpus", APPS_QUERY), ("compute_apps", GPU_QUERY)])
def test_nvidia_smi_fails_or_hangs_for_one_query_alone(tmp_path: Path, query: Query, other: str):
    command = set_up_nvidia_smi(tmp_path / "bin")
    mine = GPU_QUERY if query == "gpus" else APPS_QUERY
    set_answers(command, failing=[query])
    done = asked(command, mine, FORMAT)
    assert (done.returncode, done.stdout) == (9, "")
    assert "couldn't communicate" in done.stderr
    assert asked(command, other, FORMAT).returncode == 0
    set_answers(command, hanging=[query])
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([command, mine, FORMAT], capture_output=True, check=False, timeout=1)
    assert asked(command, other, FORMAT).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [GPU_QUERY],
        [GPU_QUERY, "--format=csv"],
        [GPU_QUERY.replace(",clocks.gr", ""), FORMAT],
        [GPU_QUERY, APPS_QUERY, FORMAT],
        ["-L"],
    ],
)
def test_nvidia_smi_answers_nothing_else(tmp_path: Path, arguments: list[str]):
    done = asked(set_up_nvidia_smi(tmp_path / "bin"), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Invalid combination of input arguments" in done.stderr

"""The GPU engine's handle on the scripted stand-in: every way in which it can end, on a real compute host."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from assets.beams.dose_grid import moqui_dose
from assets.beams.evidence import require_dose
from assets.beams.failures import BeamFailure
from assets.beams.run_records import digest_of
from assets.beams.tps_file import tps_text
from assets.beams.tps_input import TpsBeam, launch_values, tps_values
from resources.compute_host import HostSession, LocalHost
from resources.dose_engine import EngineError, MoquiEngine, MoquiRequest, PreparedRun
from scripts.sample_data.beams_engine import BEHAVIOURS, set_behaviour, set_up_engine, starts
from tests.resources.dose_engine.jobs import Ended, ended, folder_of, run_to_the_end

BEAM = TpsBeam("QA0001", 1, 2, "002_F2", 2)
HANGS = ("hang", "deaf")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[HostSession]:
    with LocalHost(folder=str(tmp_path / "jobs")).connect() as session:
        yield session


@pytest.fixture
def command(tmp_path: Path) -> Path:
    return set_up_engine(tmp_path / "bin")


@pytest.fixture
def engine(command: Path) -> MoquiEngine:
    return MoquiEngine(command=str(command))


@pytest.fixture
def case_output(tmp_path: Path) -> Path:
    """A case whose second folder has a log that lies 30 mm along x and -50 mm along y."""
    log = tmp_path / "out/QA0001/Log_csv/log"
    (log / "001_SETUP").mkdir(parents=True)
    (log / "002_F2").mkdir()
    (log / "002_F2/01_150.00MeV.csv").write_bytes(b"0.0,30.0,-50.0,100\r\n0.06,30.0,-50.0,300\r\n")
    return tmp_path / "out/QA0001"


@pytest.fixture
def job(tmp_path: Path) -> PurePosixPath:
    return folder_of(tmp_path / "jobs/QA0001/002_F2/1")


@pytest.fixture
def prepared(engine: MoquiEngine, case_output: Path, job: PurePosixPath, tmp_path: Path) -> PreparedRun:
    values = launch_values(
        tps_values(BEAM, case_output, "1"),
        [3],
        output_dir=engine.output_folder(job),
        temp_root=job / "temp",
    )
    text = tps_text(values, BEAM.file_name)
    request = MoquiRequest(tps_name=BEAM.file_name, tps_text=text, job_folder=job)
    return engine.prepare(request, tmp_path / "input")


@pytest.fixture
def run(
    engine: MoquiEngine, session: HostSession, prepared: PreparedRun, job: PurePosixPath, command: Path
) -> Callable[..., Ended]:
    def run(behaviour: str) -> Ended:
        set_behaviour(command, behaviour)
        return run_to_the_end(engine, session, prepared, job)

    return run


def test_the_dose_of_a_run_lies_where_its_log_does(
    run: Callable[..., Ended], engine: MoquiEngine, session: HostSession, job: PurePosixPath, tmp_path: Path
) -> None:
    done = run("success")
    raw = engine.collect(session, job, done.names(), tmp_path / "collected")
    grid, figures = require_dose(done.run, lambda: moqui_dose(raw))
    row, column = divmod(int(grid.values.argmax()), 400)
    assert column + grid.origin_mm[0] == pytest.approx(30.0, abs=0.5)
    assert row + grid.origin_mm[1] == pytest.approx(-50.0, abs=0.5)
    assert figures.maximum > 0
    assert done.run.log.progress == 90.0
    assert sorted(path.name for path in raw.parent.iterdir()) == ["dose.raw", "engine.log"]


def test_the_engine_gets_its_own_copy_of_the_file_its_gpu_and_the_order_of_gpus(
    run: Callable[..., Ended], command: Path, job: PurePosixPath
) -> None:
    run("success")
    (start,) = starts(command)
    assert start.beam == "QA0001_beam_1"
    assert start.gpu == "3"
    assert start.device_order == "PCI_BUS_ID"
    assert start.tps_file == str(job / "moqui_tps_QA0001_beam_1.in")


@pytest.mark.parametrize("behaviour", sorted(BEHAVIOURS.keys() - set(HANGS)))
def test_every_behaviour_ends_under_its_code(
    run: Callable[..., Ended], job: PurePosixPath, behaviour: str
) -> None:
    assert judged(run(behaviour), job) == BEHAVIOURS[behaviour]


@pytest.mark.parametrize("behaviour", HANGS)
def test_a_hanging_engine_that_we_end_is_a_timeout(
    engine: MoquiEngine,
    session: HostSession,
    prepared: PreparedRun,
    job: PurePosixPath,
    command: Path,
    behaviour: str,
) -> None:
    set_behaviour(command, behaviour)
    engine.launch(session, prepared, job)
    status = session.stop(job, grace_s=0.5)
    assert status.state == "ended"
    assert judged(ended(engine, session, job, status, timed_out=True), job) == "timeout"
    assert judged(ended(engine, session, job, status), job) == "killed_by_signal"


def judged(done: Ended, job: PurePosixPath) -> str | None:
    """The code of a run, None for a success."""
    try:
        names = done.names()
        require_dose(done.run, lambda: moqui_dose(Path(job, "output", *names)))
    except BeamFailure as failure:
        return failure.code
    return None


def test_a_job_that_runs_or_has_ended_is_never_started_again(
    run: Callable[..., Ended],
    engine: MoquiEngine,
    session: HostSession,
    prepared: PreparedRun,
    job: PurePosixPath,
    command: Path,
) -> None:
    first = run("success").status
    output = engine.outputs(session, job)
    assert engine.launch(session, prepared, job) == first == engine.observe(session, job)
    assert engine.outputs(session, job) == output
    assert len(starts(command)) == 1


def test_what_lies_in_the_folder_of_a_job_before_it_starts_cannot_satisfy_it(
    run: Callable[..., Ended], job: PurePosixPath
) -> None:
    for name, content in (
        ("output/dose.raw", bytes(8 * 160_000)),
        ("engine.log", b"Total execution time: 1\n"),
    ):
        path = Path(job, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    done = run("silent_exit")
    assert done.found == []
    assert done.run.log.size == 0
    assert judged(done, job) == "no_evidence"


def test_a_job_that_vanished_is_started_anew_on_an_empty_output(
    engine: MoquiEngine, session: HostSession, prepared: PreparedRun, job: PurePosixPath, command: Path
) -> None:
    set_behaviour(command, ["no_output", "success"])
    first = run_to_the_end(engine, session, prepared, job)
    assert judged(first, job) == "missing_output"
    # As after a reboot: nobody wrote down how it ended, and that process is another one's now.
    Path(job, "exit_code").unlink()
    known = json.loads(Path(job, "job.json").read_text())
    Path(job, "job.json").write_text(
        Path(job, "job.json").read_text().replace(known["boot_id"], "0" * len(known["boot_id"]))
    )
    Path(job, "output/old.raw").write_bytes(b"")
    assert engine.observe(session, job).state == "vanished"
    assert judged(run_to_the_end(engine, session, prepared, job), job) is None
    assert len(starts(command)) == 2


def test_a_folder_is_no_output(
    run: Callable[..., Ended], engine: MoquiEngine, session: HostSession, job: PurePosixPath
) -> None:
    done = run("success")
    Path(job, "output/parts.raw").mkdir()
    assert [file.name for file in engine.outputs(session, job)] == ["dose.raw"]
    assert done.names() == ("dose.raw",)


def test_collecting_leaves_the_job_as_it_is_and_can_be_done_again(
    run: Callable[..., Ended], engine: MoquiEngine, session: HostSession, job: PurePosixPath, tmp_path: Path
) -> None:
    names = run("success").names()
    first = engine.collect(session, job, names, tmp_path / "first")
    second = engine.collect(session, job, names, tmp_path / "second")
    assert digest_of(first) == digest_of(second)
    assert [file.name for file in engine.outputs(session, job)] == ["dose.raw"]


def test_the_digest_is_that_of_the_program_on_the_host(
    engine: MoquiEngine, session: HostSession, command: Path
) -> None:
    assert engine.digest(session) == digest_of(command)


@pytest.mark.parametrize("name", ["absent", "a folder", "not executable"])
def test_a_host_without_the_program_is_told_by_name_and_nothing_starts(
    session: HostSession, prepared: PreparedRun, job: PurePosixPath, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    if name == "not executable":
        path.write_bytes(b"")
    elif name == "a folder":
        path.mkdir()
    engine = MoquiEngine(command=str(path))
    elsewhere = PreparedRun(folder=prepared.folder, inputs=prepared.inputs, argv=(str(path), "x"), environ={})
    with pytest.raises(EngineError, match=f"no program '{path}'.*BEAMS_MOQUI_COMMAND") as refusal:
        engine.launch(session, elsewhere, job)
    assert refusal.value.code == "no_evidence"
    assert session.observe(job).state == "absent"


def test_a_program_that_cannot_be_read_has_no_digest(session: HostSession, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="BEAMS_MOQUI_COMMAND"):
        MoquiEngine(command=str(tmp_path / "absent")).digest(session)


def test_a_program_with_an_odd_name_has_its_digest_and_runs(
    session: HostSession, tmp_path: Path, prepared: PreparedRun
) -> None:
    command = set_up_engine(tmp_path / "a \\ b; $(x)")
    assert MoquiEngine(command=str(command)).digest(session) == digest_of(command)
    assert len(prepared.command_digest) == 64


def test_another_argument_or_variable_is_another_command(prepared: PreparedRun) -> None:
    def digest(argv: tuple[str, ...], environ: dict[str, str]) -> str:
        return PreparedRun(folder=prepared.folder, inputs=(), argv=argv, environ=environ).command_digest

    assert digest(("a", "b"), {}) == digest(("a", "b"), {})
    assert digest(("a", "b"), {"x": "1", "y": "2"}) == digest(("a", "b"), {"y": "2", "x": "1"})
    digests = {
        digest(*one)
        for one in ((("a", "b"), {}), (("a b",), {}), (("a", "b"), {"x": "1"}), (("a",), {"b": ""}))
    }
    assert len(digests) == 4

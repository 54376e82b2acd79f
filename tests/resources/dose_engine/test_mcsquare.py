"""The real CPU engine on this machine, judged as a run of it is."""

from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import NoReturn

import numpy as np
import pytest

from assets.beams.dose_grid import ISOCENTRE_DEPTH_MM, DoseGrid, mcsquare_dose, phantom_voxels
from assets.beams.evidence import require_dose
from assets.beams.failures import BeamFailure
from resources.compute_host import HostSession, LocalHost
from resources.dose_engine import EngineError, McsquareEngine, McsquareRequest
from resources.dose_engine.mcsquare import Spot
from resources.dose_engine.mcsquare_home import PROGRAM, engine_home
from tests.resources.dose_engine.jobs import Ended, folder_of, run_to_the_end

pytestmark = pytest.mark.services

INSTALL = ".venv/bin/python -m pip install --no-deps --require-hashes -r requirements/engines.txt"
PROTONS = 20_000


@pytest.fixture
def session(tmp_path: Path) -> Iterator[HostSession]:
    with LocalHost(folder=str(tmp_path / "jobs")).connect() as session:
        yield session


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy of the engine for all tests."""
    return tmp_path_factory.mktemp("engines")


@pytest.fixture
def engine(stage: Path, missing_service: Callable[[str], NoReturn]) -> McsquareEngine:
    try:
        distribution("opentps-core")
    except PackageNotFoundError:
        missing_service(f"The CPU engine is not installed: {INSTALL}")
    return McsquareEngine(stage_folder=str(stage))


def request_of(
    *layers: tuple[float, list[Spot]], seed: int = 433038655, threads: int = 1, voxel_mm: float = 3.0
) -> McsquareRequest:
    return McsquareRequest(
        layers=layers,
        primaries=PROTONS,
        seed=seed,
        threads=threads,
        voxel_mm=voxel_mm,
        voxels=phantom_voxels(voxel_mm),
        isocentre_depth_mm=ISOCENTRE_DEPTH_MM,
    )


@pytest.fixture
def simulated(engine: McsquareEngine, session: HostSession, tmp_path: Path) -> Callable[..., Path]:
    """Simulate a request and return the folder with the collected files of its run, which is a success."""
    attempts = 0

    def simulate(request: McsquareRequest) -> Path:
        nonlocal attempts
        attempts += 1
        job = folder_of(tmp_path / "jobs" / "QA0001" / str(attempts))
        ended = run_to_the_end(engine, session, engine.prepare(request, tmp_path / f"{attempts}.in"), job)
        names = ended.names()
        target = tmp_path / f"{attempts}.out"
        assert engine.collect(session, job, names, target) == target / "Dose.raw"
        require_dose(ended.run, lambda: mcsquare_dose(target, request.voxel_mm))
        assert ended.run.log.progress == 90.0
        return target

    return simulate


def centres(grid: DoseGrid, axis: int) -> np.ndarray:
    """The positions of the voxel centres in mm along x (0), y (1) or z (2)."""
    return grid.origin_mm[axis] + grid.spacing_mm[axis] * np.arange(grid.values.shape[2 - axis])


def mean_position(grid: DoseGrid, axis: int) -> float:
    others = tuple(place for place in range(3) if place != 2 - axis)
    return float(np.average(centres(grid, axis), weights=grid.values.sum(axis=others, dtype=np.float64)))


def peak_depth(grid: DoseGrid) -> float:
    """Below the surface, in mm, of the slab across the beam with the most dose."""
    return float(centres(grid, 1)[grid.values.sum(axis=(0, 2)).argmax()] + ISOCENTRE_DEPTH_MM)


@pytest.mark.parametrize(("energy_mev", "depth_mm"), [(100.0, 75.0), (150.0, 155.0)])
def test_one_spot_has_its_peak_where_protons_of_its_energy_stop(
    simulated: Callable[..., Path], energy_mev: float, depth_mm: float
) -> None:
    grid = mcsquare_dose(simulated(request_of((energy_mev, [(0.0, 0.0, 1.0)]))))
    assert peak_depth(grid) == pytest.approx(depth_mm, abs=3.0)


def test_a_spot_lands_at_its_own_x_and_its_y_is_z(simulated: Callable[..., Path]) -> None:
    grid = mcsquare_dose(simulated(request_of((100.0, [(40.0, -70.0, 1.0)]))))
    assert mean_position(grid, 0) == pytest.approx(40.0, abs=2.0)
    assert mean_position(grid, 2) == pytest.approx(-70.0, abs=2.0)


def test_the_beam_goes_from_the_face_of_lowest_y_towards_higher_y(simulated: Callable[..., Path]) -> None:
    grid = mcsquare_dose(simulated(request_of((100.0, [(0.0, 0.0, 1.0)]))))
    along = grid.values.sum(axis=(0, 2))
    behind = centres(grid, 1) > 85.0 - ISOCENTRE_DEPTH_MM
    assert along[0] > 0.2 * along.max()
    assert along[behind].sum() < 0.01 * along.sum()


def test_each_layer_has_its_energy_and_each_spot_its_weight(simulated: Callable[..., Path]) -> None:
    grid = mcsquare_dose(
        simulated(
            request_of(
                (100.0, [(-60.0, 0.0, 300.0), (-60.0, 60.0, 100.0)]),
                (120.0, []),
                (150.0, [(60.0, 0.0, 400.0)]),
            )
        )
    )
    left = centres(grid, 0) < 0
    low, high = (
        DoseGrid(grid.values[:, :, side], grid.spacing_mm, grid.origin_mm, grid.unit)
        for side in (left, ~left)
    )
    assert peak_depth(low) == pytest.approx(75.0, abs=3.0)
    assert peak_depth(high) == pytest.approx(155.0, abs=3.0)
    upper = centres(grid, 2) > 30.0
    assert low.values[upper].sum() / low.values[~upper].sum() == pytest.approx(1 / 3, rel=0.15)


def test_one_thread_and_one_seed_give_the_same_bytes_and_another_seed_gives_others(
    simulated: Callable[..., Path],
) -> None:
    spot = (100.0, [(0.0, 0.0, 1.0)])
    first, again, other = (
        (simulated(request_of(spot, seed=seed)) / "Dose.raw").read_bytes() for seed in (1, 1, 2_147_483_646)
    )
    assert first == again
    assert first != other


def test_two_threads_simulate_the_same_beam(simulated: Callable[..., Path]) -> None:
    grid = mcsquare_dose(simulated(request_of((100.0, [(0.0, 0.0, 1.0)]), threads=2)))
    assert peak_depth(grid) == pytest.approx(75.0, abs=3.0)


@pytest.mark.parametrize("voxel_mm", [2.5, 400 / 57, 10.0])
def test_any_voxel_gives_a_dose_that_fits_it(simulated: Callable[..., Path], voxel_mm: float) -> None:
    folder = simulated(request_of((100.0, [(40.0, 0.0, 1.0)]), voxel_mm=voxel_mm))
    grid = mcsquare_dose(folder, voxel_mm)
    assert grid.values.shape == (phantom_voxels(voxel_mm),) * 3
    assert peak_depth(grid) == pytest.approx(75.0, abs=max(3.0, voxel_mm / 2))
    assert mean_position(grid, 0) == pytest.approx(40.0, abs=2.0)
    assert mcsquare_dose(folder).values.shape == grid.values.shape


@pytest.fixture
def broken(engine: McsquareEngine, session: HostSession, tmp_path: Path) -> Callable[..., Ended]:
    """Run a request whose input somebody changed after it was prepared."""

    def run(harm: Callable[[Path], object], request: McsquareRequest | None = None) -> Ended:
        folder, job = tmp_path / "input", folder_of(tmp_path / "jobs" / "broken")
        prepared = engine.prepare(request or request_of((100.0, [(0.0, 0.0, 1.0)])), folder)
        harm(folder)
        return run_to_the_end(engine, session, prepared, job)

    return run


def nothing(_: Path) -> None:
    """Leave the input as it is."""


def judge(ended: Ended, output: Path) -> None:
    ended.names()
    require_dose(ended.run, lambda: mcsquare_dose(output, 3.0))


def code_of(ended: Ended, tmp_path: Path) -> str:
    with pytest.raises(BeamFailure) as failure:
        judge(ended, tmp_path / "jobs/broken/output")
    return failure.value.code


def test_a_machine_file_with_cr_lf_gives_exit_code_zero_and_an_empty_dose(
    broken: Callable[..., Ended], tmp_path: Path
) -> None:
    def harm(folder: Path) -> None:
        machine = folder / "BDL/BDL_default_DN_RangeShifter.txt"
        machine.write_bytes(machine.read_bytes().replace(b"\n", b"\r\n"))

    ended = broken(harm)
    assert ended.status.exit_code == 0
    assert ended.run.log.completion_line is not None
    assert ended.run.log.lost_share == 1.0
    assert code_of(ended, tmp_path) == "empty_dose"


def test_an_energy_beyond_the_beam_data_loses_its_protons_and_is_refused(
    broken: Callable[..., Ended], tmp_path: Path
) -> None:
    ended = broken(nothing, request_of((250.0, [(0.0, 0.0, 1.0)])))
    assert ended.status.exit_code == 0
    assert ended.run.log.lost_share > 0.9
    assert code_of(ended, tmp_path) == "dose_size"


def test_a_field_beside_the_phantom_is_refused(broken: Callable[..., Ended], tmp_path: Path) -> None:
    ended = broken(nothing, request_of((100.0, [(230.0, 0.0, 1.0), (0.0, 0.0, 1.0)])))
    assert code_of(ended, tmp_path) == "dose_size"


@pytest.mark.parametrize("name", ["CT.mhd", "PlanPencil.txt", "BDL/BDL_default_DN_RangeShifter.txt"])
def test_an_input_that_is_not_there_is_told_by_the_exit_code(
    broken: Callable[..., Ended], tmp_path: Path, name: str
) -> None:
    # The name in the configuration only: the file itself was sent.
    def harm(folder: Path) -> None:
        config = folder / "config.txt"
        config.write_text(config.read_text().replace(name, "absent.txt"))

    ended = broken(harm)
    assert code_of(ended, tmp_path) == "nonzero_exit"
    assert "nable to open" in ended.run.log.tail


def test_an_output_folder_that_cannot_be_written_is_a_signal(
    broken: Callable[..., Ended], tmp_path: Path
) -> None:
    def harm(folder: Path) -> None:
        config = folder / "config.txt"
        config.write_text(config.read_text().replace("Output_Directory output", "Output_Directory CT.raw"))

    ended = broken(harm)
    assert ended.status.signal == 11
    assert code_of(ended, tmp_path) == "killed_by_signal"


def test_the_input_does_not_depend_on_where_it_lies_and_the_command_names_the_engine(
    engine: McsquareEngine, tmp_path: Path
) -> None:
    request = request_of((100.0, [(0.0, 0.0, 1.0)]))
    one, other = (engine.prepare(request, tmp_path / name) for name in ("one", "other"))
    assert one.input_digests() == other.input_digests()
    assert one.command_digest == other.command_digest
    assert str(tmp_path) not in "".join(
        (one.folder / name).read_text("utf-8") for name in one.inputs if not name.endswith(".raw")
    )
    assert Path(one.argv[0]).name == PROGRAM


def test_the_package_and_a_folder_that_is_named_are_the_same_engine(
    engine: McsquareEngine, session: HostSession, stage: Path
) -> None:
    named = McsquareEngine(stage_folder=str(stage), home=str(engine_home(None)))
    assert named.digest(session) == engine.digest(session)


def test_a_host_without_the_engine_is_told_by_name(
    engine: McsquareEngine, session: HostSession, tmp_path: Path
) -> None:
    prepared = engine.prepare(request_of((100.0, [(0.0, 0.0, 1.0)])), tmp_path / "input")
    elsewhere = type(prepared)(
        folder=prepared.folder, inputs=prepared.inputs, argv=("/nowhere/MCsquare_linux",), environ={}
    )
    with pytest.raises(EngineError, match=r"no '/nowhere/MCsquare_linux'.*BEAMS_COMPUTE_HOST=local"):
        engine.launch(session, elsewhere, PurePosixPath(tmp_path.as_posix(), "jobs/1"))

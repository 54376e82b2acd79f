"""The step `dose`: the engine simulates a beam as it was logged, here or on the host, or did so already."""

from collections.abc import Callable, Collection, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from assets.beams.csv_record import require_current_csvs
from assets.beams.failures import beam_failure
from assets.beams.join import JoinedDelivery
from assets.beams.keys import shown
from assets.beams.mcsquare_plan import Spot, layer_spots
from assets.beams.ptn import decoded, log_name
from assets.beams.registry import rows
from assets.beams.registry.cancelling import cancel_beam
from assets.beams.spot_csv import read_spot_csv
from assets.beams.stages.attempt import DoseOrder
from assets.beams.stages.beam_step import BeamStep, beam_step, keep, lay_down
from assets.beams.stages.dose_validation import DoseResult
from assets.beams.stages.simulation import simulate
from assets.beams.stages.site import Site
from assets.beams.stages.tps_files import tps_beam
from assets.beams.stages.worker import Stop, Stopped, Worker
from assets.beams.states import BeamState, CaseState
from assets.failures import NotReady
from resources.compute_host import ComputeHost, HostMisconfigured
from resources.dose_engine import DoseEngine

STEP = "dose"


def make_dose(
    site: Site,
    partition_key: str,
    host: ComputeHost,
    engine: DoseEngine,
    *,
    active_runs: Callable[[Collection[str]], Collection[str]],
) -> DoseResult:
    """Simulate a prepared beam; its dose is validated then.

    Args:
        site: of the run.
        partition_key: of the beam.
        host: where engines run.
        engine: which one.
        active_runs: which of these runs are queued or at work.

    Raises:
        BeamFailure: as `beam_step` does; any code of the phases `tps`, `transfer`, `simulate` and `result`.
        NotReady: runs are asked to end; another goes on after the next start.
    """
    with beam_step(site, partition_key, STEP, BeamState.PREPARED) as step:
        try:
            made = simulate(_order(step), _worker(step, active_runs), site.settings, host, engine)
        except Stopped as stopped:
            if stopped.how == "cancelled":
                cancel_beam(step.connection, step.beam_id, site.clock())
            else:
                lay_down(site, step.beam_id)
            raise NotReady(str(stopped)) from stopped
        except HostMisconfigured as missing:
            raise beam_failure("ssh_auth", str(missing)) from missing
        step.end(metadata={"engine": engine.name, "output_sha256": made.record.output_sha256})
    return made


def _order(step: BeamStep) -> DoseOrder:
    case, index = step.case, step.index
    layers, reference = require_current_csvs(case, index), case.reference(index)
    return DoseOrder(
        beam=tps_beam(case, index),
        case_output=case.output,
        csv_names=tuple(layer["name"] for layer in layers),
        highest_mev=max(log.layer.energy_mev for log in reference.logs),
        spots=lambda: list(_spots(case.log_folder(index), reference, layers)),
    )


def _spots(
    folder: Path, reference: JoinedDelivery, layers: list[dict[str, Any]]
) -> Iterator[tuple[float, list[Spot]]]:
    """The spots of each layer: the numbers of its CSV, at the samples where its log has the beam on."""
    for log, layer in zip(reference.logs, layers, strict=True):
        content, name = log.path.read_bytes(), log_name(log.path)
        if sha256(content).hexdigest() != layer["ptn_sha256"]:
            raise beam_failure(
                "csv_mismatch",
                f"The log {shown(name)} is not the one that {shown(layer['name'])} was made of; materialise"
                " log_csv for the beam again.",
            )
        csv = read_spot_csv((folder / layer["name"]).read_bytes(), layer["samples"], layer["name"])
        yield log.layer.energy_mev, layer_spots(csv, decoded(content, name))


def _worker(step: BeamStep, active_runs: Callable[[Collection[str]], Collection[str]]) -> Worker:
    site = step.site
    return Worker(
        work=step.work,
        connect=site.open_registry,
        clock=site.clock,
        active_runs=active_runs,
        log=site.log,
        stop_requested=lambda: _stop_requested(step),
        on_failure=lambda failure, work: keep(site, failure, work),
    )


def _stop_requested(step: BeamStep) -> Stop | None:
    """What the watcher asks of all runs, or a person who cancels the case of this one."""
    is_cancelling = rows.case_of(step.connection, step.key.case).state is CaseState.CANCELLING
    return "cancel" if is_cancelling else step.site.stop_requested()

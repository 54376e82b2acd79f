"""What an engine is given: the request in its own terms, and the digests of all that decides its result.

Not here: how it writes its input files (`resources.dose_engine`), and what the TPS file says (`tps_input`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from assets.beams.dose_grid import ISOCENTRE_DEPTH_MM, phantom_voxels
from assets.beams.failures import beam_failure
from assets.beams.keys import shown
from assets.beams.registry.leases import Lease
from assets.beams.run_records import digest_of
from assets.beams.seeds import random_seed
from assets.beams.stages import job_records
from assets.beams.stages.attempt import Attempt, DoseOrder
from assets.beams.stages.gpu_inventory import asked_gpus
from assets.beams.stages.remote_tree import upload_tree
from assets.beams.tps_file import require_reads_back, tps_text
from assets.beams.tps_input import launch_values, tps_values
from resources.dose_engine import McsquareRequest, MoquiRequest, PreparedRun

_PREPARED = "prepared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a dose is made of, but for where and when."""

    engine_digest: str
    seed: int
    primaries: int
    digests: Mapping[str, str]
    """SHA-256 of each file, by its path below the case's output folder."""
    computes: str
    """The digest of everything here and of the engine's settings: equal ones have equal results."""


def inputs_of(attempt: Attempt) -> Inputs:
    """The inputs of an attempt.

    Raises:
        BeamFailure: `tps_invalid`: the TPS file of the GPU engine is not what it has to be.
        EngineError: the host has no such engine.
    """
    order, settings, engine = attempt.order, attempt.settings, attempt.engine
    digests = _case_digests(order)
    deciding: dict[str, object] = {"threads": settings.threads, "voxel_mm": settings.voxel_mm}
    primaries = settings.primaries
    if engine.needs_gpu:
        values = tps_values(order.beam, order.case_output, settings.run_salt)
        name = f"Log_csv/{order.beam.file_name}"
        digests[name] = require_reads_back(order.case_output / name, values)
        primaries, deciding = int(values["NormalizeTotalHistories"]), {}
    seed = random_seed(order.beam.case, order.beam.treatment_index, settings.run_salt)
    engine_digest = engine.digest(attempt.session)
    computes = job_records.digest_of(
        engine=engine.name,
        engine_digest=engine_digest,
        seed=seed,
        primaries=primaries,
        inputs=digests,
        settings=deciding,
    )
    return Inputs(
        engine_digest=engine_digest, seed=seed, primaries=primaries, digests=digests, computes=computes
    )


def prepared_run(attempt: Attempt, inputs: Inputs, job_folder: PurePosixPath) -> PreparedRun:
    """Have the engine write its input for the job of this folder.

    Raises:
        BeamFailure: `empty_dose`: the logs have no beam; `gpu_unknown`: a leased GPU is not to be seen.
        EngineError: the engine is not there.
    """
    request = _gpu_request(attempt, job_folder) if attempt.engine.needs_gpu else _cpu_request(attempt, inputs)
    return attempt.engine.prepare(request, attempt.scratch / _PREPARED)


def upload(attempt: Attempt, job_folder: PurePosixPath) -> None:
    """Bring what the TPS file points to below the job's folder, where the host is not this machine."""
    order = attempt.order
    upload_tree(attempt.session, order.case_output, order.beam.folder, order.csv_names, job_folder)


def _cpu_request(attempt: Attempt, inputs: Inputs) -> McsquareRequest:
    layers = attempt.order.spots()
    if not any(spots for _, spots in layers):
        raise beam_failure(
            "empty_dose",
            f"The logs of {shown(attempt.work.beam_id)} have no sample with the beam on and a count: there is"
            " nothing to simulate; check the reference delivery.",
        )
    settings = attempt.settings
    return McsquareRequest(
        layers=layers,
        primaries=inputs.primaries,
        seed=inputs.seed,
        threads=settings.threads,
        voxel_mm=settings.voxel_mm,
        voxels=phantom_voxels(settings.voxel_mm),
        isocentre_depth_mm=ISOCENTRE_DEPTH_MM,
    )


def _gpu_request(attempt: Attempt, job_folder: PurePosixPath) -> MoquiRequest:
    order = attempt.order
    values = launch_values(
        tps_values(order.beam, order.case_output, attempt.settings.run_salt),
        _gpu_indices(attempt, attempt.hold.leases),
        output_dir=attempt.engine.output_folder(job_folder),
        temp_root=job_folder / "temporary",
        case_output=job_folder if attempt.host.is_remote else None,
    )
    name = order.beam.file_name
    return MoquiRequest(tps_name=name, tps_text=tps_text(values, name), job_folder=job_folder)


def _gpu_indices(attempt: Attempt, leases: Sequence[Lease]) -> list[int]:
    """The indices of leased GPUs as the host numbers them now; after a reboot they may be others."""
    inventory = asked_gpus(attempt.session, attempt.settings.nvidia_smi)
    inventory.require_known()
    seen = {gpu.uuid: gpu.index for gpu in inventory.gpus}
    for lease in leases:
        if lease.uuid not in seen:
            raise beam_failure(
                "gpu_unknown",
                f"GPU {lease.uuid} of {attempt.host.name} was given to beam {attempt.work.beam_id} and is not"
                " shown any more; run it again.",
            )
    return [seen[lease.uuid] for lease in leases]


def _case_digests(order: DoseOrder) -> dict[str, str]:
    plan = order.case_output / "Log_csv" / "plan"
    folder = order.case_output / "Log_csv" / "log" / order.beam.folder
    files = [*plan.iterdir(), *(folder / name for name in order.csv_names)]
    return {str(file.relative_to(order.case_output)): digest_of(file) for file in sorted(files)}

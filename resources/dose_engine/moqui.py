"""The GPU engine moqui, `tps_env` on a compute host: a TPS file in, one raw dose out.

Not here: what the TPS file says, which GPUs a job has, and what the output is worth.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Final, Literal

from resources.compute_host import HostSession
from resources.dose_engine.base import DoseEngine, PreparedRun
from resources.dose_engine.errors import EngineError

_DIGEST_LENGTH: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class MoquiRequest:
    """What to simulate: everything is in the TPS file, which names `output_folder` of the job."""

    tps_name: str
    """The name of the run's own copy, `moqui_tps_<beam_id>.in`."""
    tps_text: str
    job_folder: PurePosixPath
    """On the host."""


class MoquiEngine(DoseEngine):
    """moqui, installed on the compute host."""

    name: ClassVar[Literal["mcsquare", "moqui"]] = "moqui"
    needs_gpu: ClassVar[bool] = True
    output_names: ClassVar[tuple[str, ...]] = ("*.raw",)

    command: str
    """`BEAMS_MOQUI_COMMAND`: the path of `tps_env` on the compute host."""

    def digest(self, session: HostSession) -> str:
        """The SHA-256 of the program on the host; see `DoseEngine.digest`."""
        ended = session.run(["sha256sum", "--", self.command])
        digest = ended.stdout.decode("ascii", "replace").removeprefix("\\")[:_DIGEST_LENGTH]
        if ended.exit_code != 0 or len(digest) != _DIGEST_LENGTH:
            raise self._absent(self.command)
        return digest

    def prepare(self, request: MoquiRequest, run_folder: Path) -> PreparedRun:
        """Write the run's copy of the TPS file; see `DoseEngine.prepare`."""
        run_folder.mkdir(parents=True, exist_ok=True)
        (run_folder / request.tps_name).write_text(request.tps_text, "utf-8", newline="\n")
        return PreparedRun(
            folder=run_folder,
            inputs=(request.tps_name,),
            argv=(self.command, str(request.job_folder / request.tps_name)),
            # As nvidia-smi numbers the GPUs; CUDA's own order has the fastest first.
            environ={"CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        )

    def _absent(self, program: str) -> EngineError:
        return EngineError(
            f"The compute host has no program '{program}'; let BEAMS_MOQUI_COMMAND name the path of"
            " tps_env there."
        )

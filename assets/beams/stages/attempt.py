"""One attempt at the dose of a beam: what is asked for, who does it, where, and what it holds meanwhile."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from assets.beams.registry.beams import BeamWork
from assets.beams.registry.leases import Lease
from assets.beams.settings import BeamSettings
from assets.beams.stages.worker import Worker
from assets.beams.tps_input import TpsBeam
from resources.compute_host import ComputeHost, HostSession
from resources.dose_engine import DoseEngine

LayerSpots = Sequence[tuple[float, Sequence[tuple[float, float, float]]]]
"""Of each layer its energy in MeV, and its spots: x and y in mm at the isocentre plane, and the weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseOrder:
    """The dose that is asked for."""

    beam: TpsBeam
    case_output: Path
    """The folder of the case under the output root."""
    csv_names: tuple[str, ...]
    """Of the reference delivery, one per layer; they lie in the beam's folder."""
    spots: Callable[[], LayerSpots]
    """The spots of the same delivery; only the CPU engine asks."""
    highest_mev: float
    """The highest energy of a layer."""

    @property
    def dose_folder(self) -> Path:
        """Where the result goes."""
        return self.case_output / "Dose" / self.beam.folder


@dataclass(slots=True)
class Hold:
    """What the attempt holds and has to let go of at its end."""

    leases: tuple[Lease, ...] = ()
    in_use: bool = False
    """Whether an engine may run on them: then they are kept, whatever ends the attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt that has its host."""

    order: DoseOrder
    worker: Worker
    settings: BeamSettings
    host: ComputeHost
    engine: DoseEngine
    session: HostSession
    connection: sqlite3.Connection
    """To the registry; other threads open their own."""
    scratch: Path
    """A folder of this attempt alone, on the file system of the result."""
    hold: Hold

    @property
    def work(self) -> BeamWork:
        """What the attempt shows when it writes: itself, and its leases."""
        return replace(self.worker.work, leases=self.hold.leases)

    @property
    def jobs_folder(self) -> PurePosixPath:
        """Where the jobs of this beam lie on the host, one folder each."""
        return self.host.workdir() / self.order.beam.case / self.order.beam.folder

    def now(self) -> datetime:
        """By the worker's clock."""
        return self.worker.clock()

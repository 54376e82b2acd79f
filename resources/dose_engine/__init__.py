"""Dose engines: from logged spots to a dose, by one handle.

    base            the handle, and a prepared run
    mcsquare        the CPU engine, on this machine; `mcsquare_home` is its program with its data
    moqui           the GPU engine, on a compute host
    errors          what can go wrong before an engine runs

What belongs here: an engine's input, its command, and where it leaves its output.
What does not: hosts, files and processes (`resources.compute_host`); what is simulated and what its result is
worth (`assets.beams`).
"""

from resources.dose_engine.base import LOG, DoseEngine, PreparedRun
from resources.dose_engine.errors import EngineError
from resources.dose_engine.mcsquare import McsquareEngine, McsquareRequest
from resources.dose_engine.moqui import MoquiEngine, MoquiRequest

__all__ = [
    "LOG",
    "DoseEngine",
    "EngineError",
    "McsquareEngine",
    "McsquareRequest",
    "MoquiEngine",
    "MoquiRequest",
    "PreparedRun",
]

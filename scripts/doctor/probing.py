"""Probes beside each other: each has the same time, none keeps another waiting, none ends the doctor.

A probe that gives no answer in time is left behind on its thread; Python cannot end it.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from threading import Thread
from typing import NamedTuple

from scripts.doctor.findings import Finding, problem, sentence_of


class Probe(NamedTuple):
    """One look at something outside of this process: what it is called, and the look."""

    matter: str
    look: Callable[[], Iterable[Finding]]
    patience: float = 1.0
    """How many times longer than others it may take."""


def examine(probes: Sequence[Probe], seconds: float) -> tuple[list[Finding], bool]:
    """What all probes find, in their order, and whether all have ended; `seconds` is the limit of each."""
    begun = [_Begun(probe, seconds * probe.patience) for probe in probes]
    findings = [finding for one in begun for finding in one.findings()]
    return findings, not any(one.is_at_work for one in begun)


class _Begun:
    def __init__(self, probe: Probe, seconds: float) -> None:
        self._probe = probe
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._found: list[Finding] = []
        self._thread = Thread(target=self._run, name=f"doctor: {probe.matter}", daemon=True)
        self._thread.start()

    @property
    def is_at_work(self) -> bool:
        return self._thread.is_alive()

    def findings(self) -> list[Finding]:
        self._thread.join(max(0.0, self._until - time.monotonic()))
        is_late, found = self.is_at_work, list(self._found)
        if is_late:
            late = f"gave no answer within {self._seconds:g} s"
            remedy = "see whether its address is right and can be reached from here; --timeout waits longer"
            found.append(problem(self._probe.matter, late, remedy))
        return found

    def _run(self) -> None:
        try:
            for finding in self._probe.look():
                self._found.append(finding)
        except Exception as error:  # noqa: BLE001 - whatever a client raises is what was found.
            self._found.append(problem(self._probe.matter, sentence_of(error)))

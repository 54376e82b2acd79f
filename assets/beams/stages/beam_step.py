"""What the steps of a beam have in common: the beam's attempt is taken, the step recorded, a failure kept.

Whatever ends a step, the registry says so: a failure fails the beam (or lets it wait), a cancelled run
cancels it, one that is asked to end lays it down for later. A defect of ours leaves the step open; the next
attempt finds its run gone.

Not here: what a step does.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from assets.beams.beam_items import TreatmentBeam
from assets.beams.durable_files import disk_full_named
from assets.beams.failures import BeamFailure, PendingBeamFailure
from assets.beams.keys import FieldKey, beam_id, parsed_field_key, shown
from assets.beams.manifested_case import ManifestedCase, manifested_case
from assets.beams.registry import beams, failing, rows
from assets.beams.registry.beams import BeamWork
from assets.beams.registry.cancelling import cancel_beam
from assets.beams.registry.claiming import claim_beam, claim_check
from assets.beams.registry.reopening import Reopening, reopen_beam
from assets.beams.registry.steps import Request
from assets.beams.stages.site import Site
from assets.beams.states import BeamState


@dataclass(frozen=True, slots=True, eq=False)
class BeamStep:
    """A step of a beam that has begun."""

    site: Site
    connection: sqlite3.Connection
    work: BeamWork
    name: str
    key: FieldKey
    case: ManifestedCase
    beam: TreatmentBeam

    @property
    def index(self) -> int:
        """The treatment index of the beam."""
        return self.beam.treatment_index

    @property
    def beam_id(self) -> str:
        """The name of the beam in files and in the registry."""
        return self.work.beam_id

    @property
    def dose_folder(self) -> str:
        """Where the beam's dose lies, relative to the output of the case."""
        return f"Dose/{self.beam.folder}"

    def end(self, *, to: BeamState | None = None, metadata: Mapping[str, object] | None = None) -> None:
        """End the step, with the beam in the status that this means."""
        beams.end_step(self.connection, self.work, self.name, self.site.clock(), to=to, metadata=metadata)


@contextmanager
def beam_step(site: Site, partition_key: str, name: str, start: BeamState | None) -> Iterator[BeamStep]:
    """Take a beam for a step, with the beam at `start`; None leaves its status alone.

    Raises:
        BeamFailure: what the block raised, once the registry has it; `bad_case_id` for a key that is none.
        NoManifest: the case has none.
        StaleWorker, NoAttempt: the beam is not this run's to take.
    """
    key = parsed_field_key(partition_key)
    with site.registry() as connection:
        row = rows.case_of(connection, key.case)
        output = site.output_of(key.case, row.room)
        identity = beam_id(*key)
        try:
            case = manifested_case(key.case, output, site.settings.scan_root, site.settings.rules())
        except BeamFailure as failure:
            if start is not None:
                keep(site, failure, _begun(site, connection, identity, name, start))
            raise
        beam = case.beam(key.treatment_index)
        work = _begun(site, connection, identity, name, start)
        step = BeamStep(site, connection, work, name, key, case, beam)
        try:
            with disk_full_named(shown(output.name)):
                yield step
        except BeamFailure as failure:
            if start is None:
                failing.fail_step(connection, work, name, failure, site.clock())
            else:
                keep(site, failure, work)
            raise
        except Exception:
            raise
        except BaseException:  # A signal to the run: Dagster's and Ctrl-C's are no `Exception`.
            if rows.beam_of(connection, identity).is_active:
                _interrupted(site, connection, identity)
            raise


def _begun(
    site: Site, connection: sqlite3.Connection, identity: str, name: str, start: BeamState | None
) -> BeamWork:
    if start is None:
        work = claim_check(connection, identity, site.run, site.clock())
    else:
        work = claim_beam(connection, identity, site.run, start, site.clock())
    beams.begin_step(connection, work, name, site.clock())
    return work


def keep(site: Site, failure: BeamFailure, work: BeamWork) -> None:
    """Keep the failure of a beam; what it waits for is no failure, and the beam stays as it is.

    A run that has lost the beam changes nothing: whoever took it says what becomes of it. One that has lost
    only its GPU fails the beam, so that it is tried again.
    """
    own = BeamWork(work.beam_id, work.attempt, work.run_id)
    with site.registry() as connection:
        if rows.beam_of(connection, own.beam_id).run_id != own.run_id:
            return
        if isinstance(failure, PendingBeamFailure):
            beams.wait_for_gpu(connection, own, failure, site.clock())
        else:
            failing.fail_beam(connection, own, failure, site.clock())


def _interrupted(site: Site, connection: sqlite3.Connection, identity: str) -> None:
    if site.stop_requested() is None:
        cancel_beam(connection, identity, site.clock())
    else:
        lay_down(site, identity)


def lay_down(site: Site, identity: str) -> None:
    """Return a beam to `pending`, for a run after the next start to go on with it."""
    asked = Reopening("resume", Request("drain", f"run {site.run.id} was asked to end"), site.run.active, 0)
    with site.registry() as connection:
        reopen_beam(connection, identity, asked, site.clock())

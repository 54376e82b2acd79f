"""The runs that the sensor asks for, and what it is told of those that there are. Pure.

A run works on one stage of a case: its manifest, one beam, or its report. Its key names case, content, stage
and attempt, and the same key never runs twice: whoever wants the stage again begins another attempt first.

Not here: when a run is asked for (`planning`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from assets.beams.keys import beam_id, field_key

Stage = Literal["manifest", "beam", "report"]

CASE_TAG: Final = "beams/case"
ROOM_TAG: Final = "beams/room"
BEAM_TAG: Final = "beams/beam_id"
ATTEMPT_TAG: Final = "beams/attempt"

JOBS: Final[Mapping[Stage, str]] = {
    "manifest": "prepare_beam_case",
    "beam": "check_beam_field",
    "report": "report_beam_case",
}
"""The names of the jobs that do the stages."""


@dataclass(frozen=True, slots=True)
class Request:
    """A run to ask for."""

    stage: Stage
    case: str
    room: str | None
    fingerprint: str
    attempt: int
    """Of the case, or for a beam of the beam."""
    treatment_index: int | None = None
    """Of the beam; None for a stage of the whole case."""

    @property
    def run_key(self) -> str:
        """`<case>:<fingerprint>:<stage>:<attempt>`; the stage of a beam is `beam-<index>`."""
        stage = self.stage if self.treatment_index is None else f"beam-{self.treatment_index}"
        return f"{self.case}:{self.fingerprint}:{stage}:{self.attempt}"

    @property
    def partition_key(self) -> str:
        """The key of the case or of the beam. Raises `BeamFailure` for one that breaks the rule."""
        return self.case if self.treatment_index is None else field_key(self.case, self.treatment_index)

    @property
    def job_name(self) -> str:
        """The job to run."""
        return JOBS[self.stage]

    @property
    def tags(self) -> dict[str, str]:
        """The tags by which runs are found, and the attempt, which tells a run that it was asked for."""
        tags = {CASE_TAG: self.case, ATTEMPT_TAG: str(self.attempt)}
        if self.room is not None:
            tags[ROOM_TAG] = self.room
        if self.treatment_index is not None:
            tags[BEAM_TAG] = beam_id(self.case, self.treatment_index)
        return tags


@dataclass(frozen=True, slots=True)
class Runs:
    """What is known of runs at one moment."""

    active: frozenset[str]
    """The ids of those that are queued or at work."""
    busy: frozenset[str]
    """The partition keys that those work on."""
    has_ended: Callable[[str], bool]
    """Whether a run of a key was launched and is over."""

"""The backend that is none: the step does the work itself, in its own process."""

from typing import Self

import dagster as dg

from resources.compute.base import ComputeBackend, Submission
from resources.compute.settings import Settings


class InProcessBackend(ComputeBackend):
    """Says that the caller does the work. It needs no settings."""

    name = "in_process"

    @classmethod
    def from_settings(cls, _: Settings) -> Self:
        """Make it."""
        return cls()

    @property
    def is_in_process(self) -> bool:
        """True."""
        return True

    def run(
        self, context: dg.AssetExecutionContext, submission: Submission
    ) -> dg.PipesClientCompletedInvocation:
        """Refuse, with a RuntimeError: there is nobody to hand the job to."""
        raise RuntimeError("The backend in_process starts no job; the step does the work itself.")

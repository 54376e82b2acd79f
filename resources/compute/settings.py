"""What the environment says about the platforms: job names, buckets, clusters. Never a secret.

A setting that is missing fails the run that needs it, not the load, and has no default host or id.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from resources.compute.errors import ComputeMisconfigured


@dataclass(frozen=True, slots=True)
class Settings:
    """The variables that a backend is made from; blank means unset."""

    backend: str
    environ: Mapping[str, str]

    def required(self, variable: str, what: str) -> str:
        """Return the value of a variable.

        `what` completes "set it to …".

        Raises:
            ComputeMisconfigured: it is not set.
        """
        if value := self.optional(variable):
            return value
        raise ComputeMisconfigured(
            f"The compute backend {self.backend} needs {variable}: set it to {what}, "
            "or choose another backend with the run tag compute."
        )

    def optional(self, variable: str) -> str | None:
        """Return the value of a variable, None if it is not set."""
        return self.environ.get(variable, "").strip() or None

"""What a run shows for itself: its facts, and how its claims came out.

A step of Dagster and a job on a platform show the same report. Not here: what is in the report of each job
(`stages.reports`), and how Dagster or a platform's messages write it (`steps`, the entries).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from assets.dwh.metrics import Metrics
from assets.facts import Document, Fact, Facts

OTHER_PARTITIONS: Final = "other_partitions"
"""The key in a platform's message that names `Report.other_partitions`."""

Severity = Literal["WARN", "ERROR"]


@dataclass(frozen=True, slots=True)
class Claim:
    """How a claim about the result came out. One that does not hold warns, or is an error and blocks."""

    name: str
    holds: bool
    description: str
    severity: Severity = "ERROR"
    facts: Facts = field(default_factory=dict)

    @property
    def blocks(self) -> bool:
        """Whether nobody is to read the result."""
        return not self.holds and self.severity == "ERROR"


@dataclass(frozen=True, slots=True)
class Report:
    """What a run shows of an asset's partition."""

    metrics: Metrics
    facts: Facts
    claims: Sequence[Claim]
    other_partitions: Sequence[str] = ()
    """Further partitions that the same run has made."""

    @property
    def all_facts(self) -> dict[str, Fact]:
        """The facts, and the metrics document with them."""
        return {**self.facts, "metrics": Document(self.metrics.model_dump(mode="json"))}

    @property
    def blocks(self) -> bool:
        """Whether a claim blocks."""
        return any(claim.blocks for claim in self.claims)

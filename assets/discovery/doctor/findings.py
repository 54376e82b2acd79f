"""What the doctor finds, and how bad each kind is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

Severity = Literal["info", "warn", "error"]
"""`error`: something is wrong that nothing puts right by itself. `warn`: a person should look."""

FindingId = Literal[
    "expired_lease",
    "dead_owner",
    "missing_stage_rows",
    "stage_order",
    "done_without_result",
    "stale_results",
    "orphan_stage",
    "unknown_handler",
    "duplicate_after_canonicalisation",
    "discovery_anomalous",
    "discovery_overdue",
    "error_concentration",
    "retry_storm",
    "queue_growing",
    "over_budget",
    "unpriced_cost",
    "expired_reservation",
    "limiter_cooled_long",
    "clock_jump",
    "wal_large",
    "network_file_system",
    "disk_low",
    "integrity",
    "schema_behind",
    "view_mismatch",
    "mirror_drift",
    "secret_in_events",
]
IDS: Final[tuple[FindingId, ...]] = get_args(FindingId)

FIXABLE: Final[frozenset[FindingId]] = frozenset(
    {"expired_lease", "dead_owner", "missing_stage_rows", "orphan_stage", "expired_reservation"}
)
"""What `fix` puts right: a reconciliation does the same at the start of every run."""

_OTHER_THAN_WARN: Final[Mapping[FindingId, Severity]] = {
    "stale_results": "info",
    "done_without_result": "error",
    "unknown_handler": "error",
    "network_file_system": "error",
    "integrity": "error",
    "view_mismatch": "error",
    "secret_in_events": "error",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should know."""

    id: FindingId
    severity: Severity
    job: str | None
    """`None`: it is about the whole ledger."""
    evidence: str
    """One sentence with numbers and keys, credentials hidden."""
    command: str
    """What a person would type next."""
    fixable: bool
    """Whether `inv jobs.doctor --fix` puts it right."""


def found(
    id_: FindingId, job: str | None, evidence: str, command: str, severity: Severity | None = None
) -> Finding:
    """A finding, as bad as its kind is unless `severity` says otherwise."""
    severity = severity or _OTHER_THAN_WARN.get(id_, "warn")
    return Finding(id_, severity, job, evidence, command, id_ in FIXABLE)


def to_fix(id_: FindingId, job: str, evidence: str) -> Finding:
    """A finding that the doctor itself puts right."""
    return found(id_, job, evidence, "inv jobs.doctor --fix")

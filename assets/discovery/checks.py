"""The checks of a job, named as claims: what must hold of its source, and of its items.

They only read the ledger, so they can be run by themselves, and every run of a job ends with them. What the
doctor examines as well is examined by the doctor's own functions: both tell one story. Not here: when they
are run (`steps`).
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg

from assets.discovery.credentials import shown
from assets.discovery.doctor import lost_work, money, sources
from assets.discovery.doctor.case import Case, StandingJob
from assets.discovery.doctor.findings import Finding
from assets.discovery.doctor.surroundings import Surroundings
from assets.discovery.ledger import budgets, history, jobs, mirror
from assets.discovery.readers.instants import in_zone
from assets.discovery.readers.jobs_today import JobToday
from assets.discovery.run_facts import SHOWN, failed_table
from assets.metadata import as_table, metadata_value


def discovered_key(job_name: str) -> dg.AssetKey:
    """The asset that stands for what a job's source shows."""
    return dg.AssetKey(["discovery", job_name, "discovered"])


def items_key(job_name: str) -> dg.AssetKey:
    """The asset that stands for a job's items, each a partition."""
    return dg.AssetKey(["discovery", job_name, "items"])


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a check came to. `text` is one sentence, also where all is well."""

    holds: bool
    text: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Look:
    """What checks look at: a job of the jobs file, in the ledger, at an instant."""

    connection: sqlite3.Connection
    today: JobToday
    now: int

    @property
    def stages(self) -> list[str]:
        return [stage.name for stage in self.today.plan.stages]

    def findings(self, examine: Callable[[Case], Iterator[Finding]]) -> list[Finding]:
        """What a check of the doctor finds of this job, or of all jobs together."""
        standing = [] if self.today.job is None else [StandingJob(self.today.job, self.today.plan)]
        case = Case(self.connection, standing, self.now, Surroundings())
        return [finding for finding in examine(case) if finding.job in (None, self.today.name)]


def _of(findings: list[Finding], well: str, metadata: Mapping[str, Any]) -> _Verdict:
    """A claim that holds unless the doctor finds something."""
    if not findings:
        return _Verdict(True, well, metadata)
    commands = dict.fromkeys(finding.command for finding in findings)
    text = " ".join(shown(finding.evidence) for finding in findings)
    return _Verdict(False, text, {**metadata, "next": "; ".join(commands)})


def _source(look: _Look) -> _Verdict:
    last = next(iter(history.discoveries(look.connection, look.today.name, 1)), None)
    if last is None:
        return _Verdict(True, "The source has not been looked at yet.", {})
    return _of(
        look.findings(sources.discovery_anomalous),
        f"The last discovery read {last.n_read:,} candidates.",
        {"outcome": last.outcome or "not ended", "read": last.n_read},
    )


def _on_time(look: _Look) -> _Verdict:
    row = jobs.standing(look.connection, look.today.name)
    if row is None or row.last_discovery_at is None:
        return _of(look.findings(sources.discovery_overdue), "No discovery was due yet.", {})
    last = in_zone(row.last_discovery_at, look.today.zone)
    return _of(
        look.findings(sources.discovery_overdue), f"The last discovery began at {last}.", {"last": last}
    )


def _failures(look: _Look) -> _Verdict:
    count, some = mirror.failed_items(look.connection, look.today.name, SHOWN)
    if not count:
        return _Verdict(True, "No item is failed.", {"failed": 0})
    text = f"{count:,} stage{'s' if count > 1 else ''} of items failed; retry, skip or cancel them."
    items = metadata_value(failed_table(some))
    return _Verdict(
        False, text, {"failed": count, "failed_items": items, "next": f"inv jobs.retry -j {look.today.name}"}
    )


def _spending(look: _Look) -> _Verdict:
    limits = budgets.limits_of(look.connection, look.today.plan, look.now, also_warned=True)
    spent = {f"spent_usd_{limit.scope}": limit.spent / 1e6 for limit in limits}
    allowed = {f"limit_usd_{limit.scope}": limit.micros / 1e6 for limit in limits}
    text = "Every limit has room." if limits else "The job has no limit."
    return _of(look.findings(money.over_budget), text, {**spent, **allowed})


def _leases(look: _Look) -> _Verdict:
    return _of(look.findings(lost_work.expired_lease), "Every lease is alive.", {})


def _results(look: _Look) -> _Verdict:
    count, some = mirror.done_without_result(look.connection, look.today.name, look.stages, SHOWN)
    if not count:
        return _Verdict(True, "Every done stage has a result of its revision.", {})
    stages = as_table([{"key": shown(key), "stage": stage} for key, stage in some])
    text = f"{count:,} done stage{'s have' if count > 1 else ' has'} no result of the item's revision."
    return _Verdict(
        False, text, {"without_result": stages, "next": f"inv jobs.reprocess -j {look.today.name}"}
    )


@dataclass(frozen=True, slots=True)
class _Claim:
    description: str
    judge: Callable[[_Look], _Verdict]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN


_OF_DISCOVERED: Final[Mapping[str, _Claim]] = {
    "the_source_is_not_suspiciously_empty": _Claim(
        "The last discovery did not read far less than earlier ones.", _source
    ),
    "discovery_is_on_time": _Claim(
        "A discovery has worked within the last three intervals, unless the job is paused or disabled.",
        _on_time,
    ),
}
_OF_ITEMS: Final[Mapping[str, _Claim]] = {
    "no_item_is_failed": _Claim("Nothing waits in the dead letter for a person.", _failures),
    "spending_is_within_budget": _Claim("No limit of a day or month is used up.", _spending),
    "no_lease_is_expired": _Claim("No worker vanished with work that nobody took back.", _leases),
    "every_done_stage_has_a_result": _Claim(
        "A stage counts as done only with a result.", _results, dg.AssetCheckSeverity.ERROR
    ),
}


def check_specs(asset_key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of an asset of a job. None blocks: the ledger guards the work, checks tell people."""
    return [
        dg.AssetCheckSpec(name, asset=asset_key, description=claim.description)
        for name, claim in _claims_of(asset_key).items()
    ]


def check_results(
    asset_key: dg.AssetKey, connection: sqlite3.Connection, today: JobToday, now: int
) -> list[dg.AssetCheckResult]:
    """What the checks of an asset come to now.

    Args:
        asset_key: `discovered_key` or `items_key` of the job.
        connection: the ledger, to read.
        today: the job.
        now: milliseconds UTC.
    """
    look = _Look(connection, today, now)
    results: list[dg.AssetCheckResult] = []
    for name, claim in _claims_of(asset_key).items():
        verdict = claim.judge(look)
        results.append(
            dg.AssetCheckResult(
                asset_key=asset_key,
                check_name=name,
                passed=verdict.holds,
                severity=claim.severity,
                description=verdict.text,
                metadata=verdict.metadata,
            )
        )
    return results


def _claims_of(asset_key: dg.AssetKey) -> Mapping[str, _Claim]:
    return _OF_ITEMS if asset_key.path[-1] == "items" else _OF_DISCOVERED

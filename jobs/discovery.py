"""The jobs of discovery: for each job of the jobs file one that looks and one that drains, and the doctor.

Runs that a sensor asks for carry the tag `quintet/discovery_job`, of whose values the queue runs one at a
time; runs that a person launches carry none and go beside them, kept apart by the claims in the ledger.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import dagster as dg

from assets.discovery.checks import check_results, discovered_key, items_key
from assets.discovery.doctor.case import standing_jobs
from assets.discovery.doctor.findings import Finding
from assets.discovery.doctor.surroundings import Surroundings
from assets.discovery.engine.registry import LEDGER, utc_now
from assets.discovery.job_model import Job
from assets.discovery.ledger import reaping, upkeep
from assets.discovery.roster import Roster
from assets.discovery.steps import Resources, Step, drain, ended_runs, log_check, reading
from assets.failures import PermanentFailure
from assets.metadata import as_table
from assets.retries import translated_failures
from resources.http import Http
from resources.ledger import Ledger
from resources.ledger.file_systems import NETWORK_FILE_SYSTEMS, file_system_of
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    # Dagster exports no name for what `define_asset_job` returns.
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

AnyJob: TypeAlias = "dg.JobDefinition | UnresolvedAssetJobDefinition"

JOB_TAG: Final = "quintet/discovery_job"
"""The tag of runs that sensors ask for; its value is the name of the job in the jobs file."""


def discover_job_name(job_name: str) -> str:
    """The Dagster job that looks at the source of a job."""
    return f"discovery_{job_name}_discover"


def drain_job_name(job_name: str) -> str:
    """The Dagster job that drains a job."""
    return f"discovery_{job_name}_drain"


def jobs_of(roster: Roster, resources: Mapping[str, object] = MappingProxyType({})) -> list[AnyJob]:
    """Two for each job of the jobs file, and the doctor.

    `resources` are those of the location. Given here, Dagster need not make the sensors of a job that lacks
    them anew, which it warns of on standard error (1.13.27).
    """
    return [
        *(made for job in roster.jobs for made in (_discover_job(job), _drain_job(roster, job, resources))),
        doctor_job(roster),
    ]


def _discover_job(job: Job) -> AnyJob:
    return dg.define_asset_job(
        discover_job_name(job.name),
        selection=dg.AssetSelection.assets(discovered_key(job.name)),
        description=f"Look at the source of {job.name} and take what it shows.",
    )


def _drain_job(roster: Roster, job: Job, resources: Mapping[str, object]) -> dg.JobDefinition:
    @dg.op(name=f"discovery__{job.name}__drain", description="Claim until nothing is claimable.")
    def drain_items(
        context: dg.OpExecutionContext, ledger: Ledger, http: Http, object_store: ObjectStore
    ) -> None:
        drain(Step(context, roster, job, Resources(ledger, http, object_store)))

    @dg.job(
        name=drain_job_name(job.name),
        description=f"Take all that waits of {job.name} through its stages, then record what is done.",
        resource_defs={key: resources[key] for key in ("ledger", "http", "object_store") if key in resources},
    )
    def drain_of_job() -> None:
        drain_items()

    return drain_of_job


def doctor_job(roster: Roster) -> dg.JobDefinition:
    """The standing examination: findings, the checks of all jobs, and what the ledger's file wants."""

    @dg.op(name="discovery__doctor", out={"findings": dg.Out(dg.Nothing)})
    def examine_ledger(context: dg.OpExecutionContext, ledger: Ledger) -> dg.Output[None]:
        with translated_failures(context):
            if roster.problem is not None:
                raise PermanentFailure(str(roster.problem))
            findings = _findings(context.instance, roster, ledger)
            metadata = _checkpoint(ledger) | _told(context, findings)
            for result in _all_checks(roster, ledger):
                log_check(context, result)
        if errors := [finding.evidence for finding in findings if finding.severity == "error"]:
            raise dg.Failure("\n".join(errors), metadata=metadata, allow_retries=False)
        return dg.Output(None, output_name="findings", metadata=metadata)

    @dg.job(
        name="discovery_doctor",
        description="Examine the ledger of discovery, evaluate the checks of all jobs, and tend the file. "
        "Fails if something is wrong that nothing puts right by itself.",
    )
    def discovery_doctor() -> None:
        examine_ledger()

    return discovery_doctor


def doctor_schedule(jobs: Sequence[AnyJob]) -> dg.ScheduleDefinition:
    """The doctor once a day, at a quiet hour; `jobs` are those of `jobs_of`."""
    (doctor,) = (job for job in jobs if job.name == "discovery_doctor")
    return dg.ScheduleDefinition(
        name="discovery_doctor_schedule",
        job=doctor,
        cron_schedule="40 4 * * *",
        execution_timezone="UTC",
        description="Every day at 04:40 UTC.",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )


def _findings(instance: dg.DagsterInstance, roster: Roster, ledger: Ledger) -> list[Finding]:
    """What the doctor finds. A ledger that does not exist yet has nothing to find."""
    from assets.discovery.doctor.examination import examine  # Its patterns take 0.1 s to compile.

    path = ledger.path(LEDGER)
    if not path.exists():
        return []
    with closing(ledger.open_raw_db(LEDGER)) as connection:
        surroundings = Surroundings(
            ledger=path,
            environment=os.environ,
            network_file_system=_network_file_system,
            ended_runs=ended_runs(instance, reaping.holders(connection)[1]),
            is_stored=lambda blob_path: (path.parent / blob_path).is_file(),
            mirrored=lambda job: instance.get_materialized_partitions(items_key(job)),
        )
        return examine(connection, standing_jobs(roster.jobs_file), utc_now(), surroundings)


def _network_file_system(folder: Path) -> str | None:
    kind = file_system_of(folder)
    return kind if kind in NETWORK_FILE_SYSTEMS else None


def _checkpoint(ledger: Ledger) -> dict[str, Any]:
    if not ledger.path(LEDGER).exists():
        return {"log": "There is no ledger yet."}
    with closing(ledger.open_db(LEDGER)) as connection:
        done = upkeep.optimise(connection)
    return {"log": "taken into the file" if done.is_whole else f"{done.pages} pages are still being read"}


def _told(context: dg.OpExecutionContext, findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as a table, and each that is more than advice as a line of the log."""
    for finding in findings:
        if finding.severity != "info":
            context.log.warning("%s: %s (%s)", finding.id, finding.evidence, finding.command)
    columns = ("severity", "id", "job", "evidence", "command")
    rows = [{name: getattr(finding, name) or "" for name in columns} for finding in findings]
    return {
        "findings": len(findings),
        "table": as_table(rows),
    }


def _all_checks(roster: Roster, ledger: Ledger) -> list[dg.AssetCheckResult]:
    """The checks of all jobs: a job that is never run has nobody else to tell that it is late."""
    now = utc_now()
    with reading(ledger) as connection:
        return [
            result
            for job in roster.jobs
            for key in (discovered_key(job.name), items_key(job.name))
            for result in check_results(key, connection, roster.today(job), now)
        ]

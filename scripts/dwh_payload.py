"""A job of dwh that a step of Dagster has sent to a platform: run here, reported over Dagster Pipes.

The same job with the same arguments as in a step, with the resources of the deployment of this process. Not
here: the messages themselves (`resources.compute.payload`), and what a report says (`assets.dwh.reports`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from dagster_pipes import PipesMetadataRawValue, PipesMetadataValue

from assets.dwh.job_settings import text_argument
from assets.dwh.registry import RegisteredJob
from assets.dwh.reports import OTHER_PARTITIONS, Claim, Report
from assets.facts import Document, Fact, Facts, Markdown, Scalar, Table
from resources.compute.payload import Payload, typed
from scripts.dwh_runs import failures_published

_TYPES: Final[Mapping[type, str]] = {bool: "bool", int: "int", float: "float", str: "string"}


def run_reported(job: RegisteredJob, arguments: Mapping[str, Any], payload: Payload) -> dict[str, Any]:
    """Run a job, report what came of it, and return its metrics document as JSON types.

    A run whose quality is not good enough is reported with its failed check, and returns.

    Raises:
        UsageError: the arguments or the configuration are not allowed; nothing was done.
        Exception: what the job raised, the same object.
    """
    with failures_published(job, arguments) as told:
        # A resource of another deployment, or a library that is not on this machine, ends up here.
        from assets.dwh.stages.jobs import run_job
        from assets.dwh.stages.workplace import Workplace
        from resources.deployments import resources_for
        from resources.object_store import ObjectStore
        from resources.spark import ENGINE_TAG, Spark
        from resources.warehouse import Warehouse

        engine, resources = text_argument(arguments, ENGINE_TAG), resources_for()
        workplace = Workplace(
            cast("ObjectStore", resources["object_store"]),
            cast("Spark", resources["spark"]).for_run({ENGINE_TAG: engine or ""}),
            cast("Warehouse", resources["warehouse"]),
            log=payload.log.info,
        )
        told.is_done = True  # From here on the job's own hooks tell.
        report = run_job(job, workplace, arguments)
    tell(payload, report)
    return report.metrics.model_dump(mode="json")


def tell(payload: Payload, report: Report) -> None:
    """Report what a step in the same process would record: `assets.dwh.steps.recorded`.

    Pipes reports the step's own partition only; others are named in a message of their own.
    """
    payload.materialised(metadata(report.all_facts))
    for claim in report.claims:
        payload.checked(
            claim.name, passed=claim.holds, severity=claim.severity, metadata=_claim_metadata(claim)
        )
    if report.other_partitions:
        payload.told({OTHER_PARTITIONS: list(report.other_partitions)})
    payload.told(report.metrics.model_dump(mode="json"))


def metadata(facts: Facts) -> dict[str, PipesMetadataRawValue | PipesMetadataValue]:
    """Facts as metadata in messages: the same that `assets.metadata` makes of them."""
    return {name: metadata_value(fact) for name, fact in facts.items()}


def metadata_value(fact: Fact) -> PipesMetadataRawValue | PipesMetadataValue:
    """A fact as metadata."""
    match fact:
        case Markdown(text):
            return typed("md", text)
        case Table(rows):
            return typed("table", _table(rows))
        case Document(content):
            return typed("json", dict(content))
        case _:
            return fact


def _claim_metadata(claim: Claim) -> dict[str, PipesMetadataRawValue | PipesMetadataValue]:
    """The facts of a claim, and its description, for which a message has no other place."""
    return {"description": claim.description, **metadata(claim.facts)}


def _table(rows: Sequence[Mapping[str, Scalar]]) -> dict[str, Any]:
    """Rows and their columns; an empty cell is an empty text, as a table of Dagster holds no null."""
    records = [{name: "" if cell is None else cell for name, cell in row.items()} for row in rows]
    columns = [{"name": name, "type": _TYPES[type(cell)]} for name, cell in next(iter(records), {}).items()]
    return {"records": records, "schema": columns}

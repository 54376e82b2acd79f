"""The sensors of beams: one asks for the runs of every case that is due, one clears up after runs that died.

Both are stopped until someone starts them. What they do on files and in the registry is in
`assets.beams.stages` (`scanning`, `orphans`), without Dagster; here are its runs, its keys and its requests.
Both are imported by the tick: reading DICOM takes 0.4 s to import, and a location loads without it.
"""

import os
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import dagster as dg

from assets.beams.partitions import beam_cases, beam_fields
from assets.beams.registry import schema
from assets.beams.run_requests import JOBS, Request, Runs
from assets.beams.settings import settings_of, unknown_variables
from assets.beams.stages.site import LEDGER
from assets.beams.steps import runs_under_way
from jobs.beams import check_beam_field, prepare_beam_case, report_beam_case
from resources.compute_host import ComputeHost
from resources.ledger import Ledger

_RUN_KEY_TAG: Final = "dagster/run_key"
_PARTITION_TAG: Final = "dagster/partition"
_ASSET_PREFIX: Final = "beams"
_ACTOR: Final = "beam_case_sensor"

_ENDED: Final = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]


@dg.sensor(
    name="beam_case_sensor",
    jobs=[prepare_beam_case, check_beam_field, report_beam_case],
    minimum_interval_seconds=30,
    description="Lists the scan root and asks for what is due: manifests, then beams, then reports.",
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def beam_case_sensor(context: dg.SensorEvaluationContext, ledger: Ledger) -> dg.SensorResult:
    """Look at every case under the scan root, as far as 10 s allow."""
    from assets.beams.stages.scanning import Known, tick

    instance = context.instance
    settings = settings_of(os.environ, Path(ledger.folder).parent)
    known = Known(
        runs=lambda: dagster_runs(instance),
        cases=instance.get_dynamic_partitions(str(beam_cases.name)),
        fields=instance.get_dynamic_partitions(str(beam_fields.name)),
    )
    with closing(ledger.open_db(LEDGER)) as connection:
        schema.migrate(connection)
        done = tick(settings, connection, known, context.cursor, datetime.now(UTC), actor=_ACTOR)
    for warning in (*unknown_variables(os.environ), *done.notes):
        context.log.warning("%s", warning)
    return dg.SensorResult(
        run_requests=[_run_request(request) for request in done.requests],
        skip_reason=done.skip_reason,
        cursor=done.cursor,
        dynamic_partitions_requests=[
            partitions.build_add_request(list(keys))
            for partitions, keys in ((beam_cases, done.new_case_keys), (beam_fields, done.new_field_keys))
            if keys
        ],
    )


@dg.sensor(
    name="beam_orphan_sensor",
    minimum_interval_seconds=60,
    description="Frees the GPUs of runs that died, and ends what they left behind. Asks for no run.",
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def beam_orphan_sensor(
    context: dg.SensorEvaluationContext, ledger: Ledger, compute_host: ComputeHost
) -> dg.SkipReason:
    """Clear up after runs that died."""
    from assets.beams.stages.orphans import clear_up

    settings = settings_of(os.environ, Path(ledger.folder).parent)
    with closing(ledger.open_db(LEDGER)) as connection:
        schema.migrate(connection)
        active = dagster_runs(context.instance).active
        told = clear_up(connection, compute_host, settings, active, lambda: datetime.now(UTC))
    return dg.SkipReason("; ".join(told) or "no run left anything behind")


def dagster_runs(instance: dg.DagsterInstance) -> Runs:
    """The runs of an instance, as they are now."""
    under_way = runs_under_way(instance)

    def has_ended(run_key: str) -> bool:
        of_key = dg.RunsFilter(tags={_RUN_KEY_TAG: run_key}, statuses=_ENDED)
        return bool(instance.get_run_ids(of_key, limit=1))

    return Runs(
        active=frozenset(run.run_id for run in under_way),
        busy=frozenset(
            run.tags[_PARTITION_TAG] for run in under_way if _PARTITION_TAG in run.tags and _is_ours(run)
        ),
        has_ended=has_ended,
    )


def _is_ours(run: dg.DagsterRun) -> bool:
    """Whether a run makes assets of beams; other pipelines may have partitions of the same names."""
    made = run.asset_selection or ()
    return run.job_name in JOBS.values() or any(key.path[0] == _ASSET_PREFIX for key in made)


def _run_request(request: Request) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=request.run_key,
        job_name=request.job_name,
        partition_key=request.partition_key,
        tags=request.tags,
    )

"""The assets of discovery, two for each job of the jobs file: what its source shows, and its items.

They are made when the code location loads, by reading the jobs file and importing the handlers, and by
nothing else. Both can be asked for their checks alone. A file with mistakes makes one asset, which says them:
the other pipelines of the location load as always.

Not here: what the steps do (`steps`), the checks (`checks`).
"""

import logging
from datetime import timedelta
from typing import Final

import dagster as dg

from assets.discovery.checks import check_specs, discovered_key, items_key
from assets.discovery.doctor.sources import LATE_AFTER
from assets.discovery.due import longest_interval
from assets.discovery.job_model import Job
from assets.discovery.partitions import item_partitions
from assets.discovery.roster import Roster
from assets.discovery.steps import Resources, Results, Step, discover, work
from assets.failures import PermanentFailure
from assets.retries import translated_failures
from resources.http import Http
from resources.ledger import Ledger
from resources.object_store import ObjectStore

GROUP: Final = "discovery"
JOBS_FILE: Final = dg.AssetKey(["discovery", "jobs_file"])

_log = logging.getLogger("quintet.discovery")


def assets_of(roster: Roster) -> list[dg.AssetsDefinition]:
    """The assets of all jobs, disabled ones too; of a file with mistakes the one asset that says them."""
    if roster.problem is not None:
        _log.error("There are no jobs of discovery: %s", roster.problem)
        return [_mistaken_file(roster)]
    return [asset for job in roster.jobs for asset in (_discovered(roster, job), _items(roster, job))]


def _discovered(roster: Roster, job: Job) -> dg.AssetsDefinition:
    key = discovered_key(job.name)
    about = f"{job.description}. " if job.description else ""

    @dg.multi_asset(
        name="__".join(key.path),
        specs=[
            dg.AssetSpec(
                key,
                description=f"{about}What the source shows ({job.discovery.strategy}), as items.",
                group_name=GROUP,
                kinds={"sqlite"},
                metadata=_about(job),
                freshness_policy=_freshness(job),
                # Nothing is made where a pause keeps discovery from happening.
                skippable=True,
            )
        ],
        check_specs=check_specs(key),
        can_subset=True,
    )
    def discovered(
        context: dg.AssetExecutionContext, ledger: Ledger, http: Http, object_store: ObjectStore
    ) -> Results:
        yield from discover(Step(context, roster, job, Resources(ledger, http, object_store)))

    return discovered


def _items(roster: Roster, job: Job) -> dg.AssetsDefinition:
    key, partitions = items_key(job.name), item_partitions(job.name)
    stages = " → ".join(stage.name for stage in job.chain)

    @dg.multi_asset(
        name="__".join(key.path),
        specs=[
            dg.AssetSpec(
                key,
                deps=[discovered_key(job.name)],
                description=f"The items of {job.name}, each taken through {stages}; done ones are recorded.",
                group_name=GROUP,
                kinds={"sqlite", "python"},
                metadata=_about(job),
                partitions_def=partitions,
                # Done items are logged one by one: a yielded result would count for all of a run's keys.
                skippable=True,
            )
        ],
        check_specs=check_specs(key),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
    )
    def items(
        context: dg.AssetExecutionContext, ledger: Ledger, http: Http, object_store: ObjectStore
    ) -> Results:
        yield from work(Step(context, roster, job, Resources(ledger, http, object_store)))

    return items


def _freshness(job: Job) -> dg.FreshnessPolicy | None:
    """Late when `discovery_is_on_time` says so, and close to it one interval before.

    Nothing is due of a job that is disabled or works on request, nor of a backfill, which ends some time.
    """
    interval = longest_interval(job)
    if interval is None or not job.enabled or job.kind == "backfill":
        return None
    # Dagster takes no window below a minute, and judges every half minute only.
    fail, warn = (max(times * interval, timedelta(minutes=times)) for times in (LATE_AFTER, LATE_AFTER - 1))
    return dg.FreshnessPolicy.time_window(fail, warn)


def _about(job: Job) -> dict[str, str]:
    clock = job.discovery.cron or (job.discovery.every_s and f"every {job.discovery.every_s:g} s")
    about = {
        "strategy": job.discovery.strategy,
        "discovers": str(clock or "on request"),
        "timezone": job.timezone,
        "owner": job.owner,
        "tags": ", ".join(job.tags),
        "enabled": "yes" if job.enabled else "no, by the jobs file",
    }
    return {name: text for name, text in about.items() if text}


def _mistaken_file(roster: Roster) -> dg.AssetsDefinition:
    @dg.asset(
        key=JOBS_FILE,
        group_name=GROUP,
        kinds={"yaml"},
        description=f"The jobs of discovery are missing, for their file has mistakes:\n\n{roster.problem}\n\n"
        "Mend it and reload the code location. Materialising this asset reads the file again.",
    )
    def jobs_file(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with translated_failures(context):
            again = Roster.load(roster.path)
            if again.problem is not None:
                raise PermanentFailure(str(again.problem))
        text = f"{roster.path} is in order; reload the code location to get its {len(again.jobs)} jobs."
        return dg.MaterializeResult(metadata={"mended": text})

    return jobs_file

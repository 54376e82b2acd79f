"""Everything Quintet has, assembled: the one place that joins assets, sensors, jobs and resources.

The web UI, the daemon, the command lines and the tests all come through `build_defs`, so there is no second
wiring. Not here: which resources a deployment gets (`resources.deployments`).
"""

from collections.abc import Mapping

import dagster as dg

from assets.aim import assets as aim_assets
from assets.beams import assets as beams_assets
from assets.discovery import assets as discovery_assets
from assets.discovery.roster import Roster
from assets.dwh import assets as dwh_assets
from assets.market import assets as market_assets
from jobs import aim as aim_jobs
from jobs import beams as beams_jobs
from jobs import discovery as discovery_jobs
from jobs import dwh as dwh_jobs
from jobs import failed_partitions
from jobs import market as market_jobs
from jobs.loggers import plain_logger
from resources.deployments import resources_for
from sensors import aim as aim_sensors
from sensors import alerts, dwh_events, freshness
from sensors import beams as beams_sensors
from sensors import discovery as discovery_sensors
from sensors import dwh as dwh_sensors
from sensors import market as market_sensors


def build_defs(
    *, deployment: str | None = None, resource_overrides: Mapping[str, object] | None = None
) -> dg.Definitions:
    """Assemble every pipeline over the resources of one deployment.

    What discovery has is in its jobs file. A mistake there leaves discovery with one asset that says it, and
    the other pipelines as they are.

    Args:
        deployment: a row of the deployment table; `None` takes the environment variable `QUINTET_DEPLOYMENT`.
        resource_overrides: resources to use instead of the deployment's, by key.

    Raises:
        ValueError: no such deployment, or an override for a resource that no asset could ask for.
    """
    resources = resources_for(deployment)
    overrides = resource_overrides or {}
    if unknown := sorted(overrides.keys() - resources.keys()):
        known = ", ".join(sorted(resources))
        raise ValueError(f"No resource is called {', '.join(unknown)}; override one of: {known}.")
    chosen = {**resources, **overrides}
    roster = Roster.load()
    jobs_of_discovery = discovery_jobs.jobs_of(roster, chosen)
    assets = [
        market_assets.raw_bars,
        market_assets.market_month,
        *aim_assets.ASSETS,
        *dwh_assets.ASSETS,
        *discovery_assets.assets_of(roster),
        *beams_assets.assets_of(chosen["dose_engine"]),
    ]
    return dg.Definitions(
        assets=[*assets, failed_partitions.EXAMINED],
        asset_checks=[failed_partitions.examination(assets)],
        jobs=[
            market_jobs.build_market_month,
            aim_jobs.run_aim,
            dwh_jobs.transform_images,
            dwh_jobs.filter_images,
            dwh_jobs.load_promos,
            *jobs_of_discovery,
            beams_jobs.prepare_beam_case,
            beams_jobs.check_beam_field,
            beams_jobs.report_beam_case,
            failed_partitions.examine_partitions,
        ],
        schedules=[
            aim_jobs.aim_schedule,
            discovery_jobs.doctor_schedule(jobs_of_discovery),
            failed_partitions.examine_partitions_schedule,
        ],
        sensors=[
            market_sensors.market_month_sensor,
            aim_sensors.aim_feed_sensor,
            dwh_sensors.dwh_raw_sensor,
            dwh_sensors.dwh_transform_sensor,
            dwh_sensors.dwh_promotions_sensor,
            dwh_events.dwh_event_sensor,
            *discovery_sensors.sensors_of(roster, jobs_of_discovery),
            beams_sensors.beam_case_sensor,
            beams_sensors.beam_orphan_sensor,
            alerts.run_failure_alert,
            alerts.run_recovery_notice,
            freshness.late_asset_alert,
        ],
        resources=chosen,
        # A run that asks for none by name gets Dagster's usual one.
        loggers={"console": dg.colored_console_logger, "plain": plain_logger},
        # A step that needs cores brings its own pool; a process per step would cost 2 s each.
        executor=dg.in_process_executor,
    )


defs = build_defs()

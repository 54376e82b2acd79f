"""The job of aim, all stages of a run date, and its schedule: Tuesdays and Fridays at six in London."""

from zoneinfo import ZoneInfo

import dagster as dg

from assets.aim.assets import ASSETS, batch_recommender
from assets.aim.partitions import ZONE

GLOBAL_RUN = {"ops": {batch_recommender.op.name: {"config": {"run_mode": "GLOBAL"}}}}

run_aim = dg.define_asset_job(
    "run_aim",
    selection=dg.AssetSelection.assets(*ASSETS),
    description="From the feeds of a run date to its published lists and reports.",
    # Runs of this job wait for each other in the queue; others meet in the book of the run that is at work.
    tags={"quintet/exclusive": "aim"},
)


@dg.schedule(
    name="aim_schedule",
    job=run_aim,
    cron_schedule="0 6 * * 2,5",
    execution_timezone=ZONE,
    description="Tuesdays and Fridays at 06:00 in London, for that day.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
def aim_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the run of the London date of the tick."""
    day = context.scheduled_execution_time.astimezone(ZoneInfo(ZONE)).date().isoformat()
    return dg.RunRequest(run_key=day, partition_key=day, run_config=GLOBAL_RUN)

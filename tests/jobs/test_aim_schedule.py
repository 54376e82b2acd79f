"""The job of aim and its schedule: Tuesdays and Fridays at six in London, for that day, all year."""

from datetime import UTC, datetime
from itertools import islice

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from definitions import build_defs
from jobs.aim import aim_schedule, run_aim
from tests.assets.aim.dagster_runs import EVERY, key


def ticks_after(day: str, count: int) -> list[datetime]:
    """The next times at which the daemon asks the schedule."""
    start = datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()
    times = schedule_execution_time_iterator(
        start, aim_schedule.cron_schedule, aim_schedule.execution_timezone
    )
    return list(islice(times, count))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2025-06-08", ["Tue 2025-06-10 05:00", "Fri 2025-06-13 05:00", "Tue 2025-06-17 05:00"]),
        ("2025-01-05", ["Tue 2025-01-07 06:00", "Fri 2025-01-10 06:00", "Tue 2025-01-14 06:00"]),
        # The clocks change on the Sundays in between.
        ("2025-03-27", ["Fri 2025-03-28 06:00", "Tue 2025-04-01 05:00"]),
        ("2025-10-23", ["Fri 2025-10-24 05:00", "Tue 2025-10-28 06:00"]),
    ],
)
def test_it_ticks_on_tuesdays_and_fridays_at_six_in_london_summer_and_winter(day, expected):
    ticks = ticks_after(day, len(expected))
    assert [f"{tick.astimezone(UTC):%a %Y-%m-%d %H:%M}" for tick in ticks] == expected


@pytest.mark.parametrize("day", ["2025-06-10", "2025-01-10"])
def test_a_tick_asks_for_the_partition_of_its_day_in_london_in_run_mode_global(day):
    (tick,) = ticks_after(day, 1)
    defs = build_defs()
    repository = defs.get_repository_def()
    with dg.build_schedule_context(
        scheduled_execution_time=tick.astimezone(UTC), repository_def=repository
    ) as context:
        (request,) = aim_schedule.evaluate_tick(context).run_requests or []
    assert (request.partition_key, request.run_key) == (day, day)
    assert request.run_config == {"ops": {"batch_recommender": {"config": {"run_mode": "GLOBAL"}}}}
    partitions = defs.resolve_job_def("run_aim").partitions_def
    assert partitions
    assert partitions.has_partition_key(day)


def test_the_schedule_is_stopped_until_someone_starts_it():
    assert aim_schedule.name == "aim_schedule"
    assert aim_schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert aim_schedule.job_name == "run_aim"


def test_the_job_makes_every_asset_and_its_runs_wait_for_each_other_in_the_queue():
    job = build_defs().resolve_job_def("run_aim")
    assert job.asset_layer.selected_asset_keys == {key(name) for name in EVERY}
    assert run_aim.tags == {"quintet/exclusive": "aim"}

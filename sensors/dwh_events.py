"""The sensor of dwh's events: what did not reach its receiver is tried again.

Not here: what waits and what is due (`assets.dwh.stages.events`), and alerts to people (`alerts`).
"""

import dagster as dg

from assets.dwh.stages.events import outbox_for, retry_waiting
from resources.notifier import Topics
from resources.object_store import ObjectStore


@dg.sensor(
    name="dwh_event_sensor",
    minimum_interval_seconds=60,
    description="Delivers the events of finished jobs that did not reach their receiver; starts no run.",
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def dwh_event_sensor(object_store: ObjectStore) -> dg.SkipReason:
    """Try once more what is due, and say what became of it."""
    # Here the sensor is the retry. Five events that nobody answers then take 45 of the 60 s of a tick.
    topics = Topics(connect_seconds=3, read_seconds=6, attempts=1)
    return dg.SkipReason(str(retry_waiting(outbox_for(object_store, topics=topics))))

"""The sensor of beams and the runs that it asks for, one after the other in this process.

For programs that wait for the results: the demo and the benchmark. Not here: Dagster's daemon, which does the
same with a process per run (`beam_watcher`).
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import dagster as dg

from assets.beams.settings import PREFIX
from definitions import build_defs

_SENSOR: Final = "beam_case_sensor"
_INTERRUPTED: Final = "UNEXPECTED_TERMINATION"
_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@contextmanager
def only_settings(settings: Mapping[str, str]) -> Iterator[None]:
    """Have these environment variables, and no other setting of beams, until the block ends."""
    names = {*settings, *(name for name in os.environ if name.startswith(PREFIX))}
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in settings:
            os.environ.pop(name, None)
        os.environ.update(before)


class BeamRuns:
    """Looks and runs on one Dagster instance, with the resources and settings of the environment."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._definitions = build_defs()
        self._cursor: str | None = None

    def look(self) -> tuple[list[dg.RunRequest], str]:
        """One tick: the runs to start, and why there are none. New cases and beams become partitions."""
        sensor: Any = self._definitions.resolve_sensor_def(_SENSOR)
        with dg.build_sensor_context(
            self._instance, self._cursor, resources=self._definitions.resources, definitions=self._definitions
        ) as context:
            result: dg.SensorResult = sensor(context)
        self._cursor = result.cursor
        for request in result.dynamic_partitions_requests or ():
            self._instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        reason = result.skip_reason
        said = reason.skip_message if isinstance(reason, dg.SkipReason) else reason
        return [*(result.run_requests or ())], said or ""

    def run(self, request: dg.RunRequest) -> bool:
        """Do a run to its end; whether it succeeded. Nothing of it is printed, all of it is recorded.

        Raises:
            KeyboardInterrupt: it was interrupted, which Dagster records as a failed run.
        """
        job = self._definitions.resolve_job_def(request.job_name or "")
        # By these tags the next look knows the run for one that was asked for.
        tags = {**request.tags, "dagster/run_key": request.run_key or "", "dagster/sensor_name": _SENSOR}
        result = job.execute_in_process(
            run_config=_QUIET,
            instance=self._instance,
            partition_key=request.partition_key,
            tags=tags,
            raise_on_error=False,
        )
        if any(_tells_of_interruption(event) for event in result.all_events):
            raise KeyboardInterrupt
        return result.success


def _tells_of_interruption(event: dg.DagsterEvent) -> bool:
    if event.event_type is not dg.DagsterEventType.RUN_FAILURE:
        return False
    reason = event.job_failure_data.failure_reason
    return reason is not None and reason.value == _INTERRUPTED

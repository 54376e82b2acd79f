"""The alert on assets that are late, whatever the reason: no run has to fail for it.

How often an asset should be made is its freshness policy, which stands with the asset; Dagster's daemon
judges it every 30 s and keeps the verdict. Here it is told once, and once more when the asset is on time
again. Not here: failed runs (`sensors.alerts`), partitions that are left failed (`jobs.failed_partitions`).
"""

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from resources.notifier import Notifier

if TYPE_CHECKING:
    # Dagster exports no name for the verdict.
    from dagster._core.definitions.freshness import FreshnessState

_LATE = "FAIL"


@dg.sensor(
    name="late_asset_alert",
    description="Tells the notifier, once, of each asset that is late by its freshness policy, and when "
    "it is on time again.",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def late_asset_alert(context: dg.SensorEvaluationContext, notifier: Notifier) -> dg.SkipReason:
    """Notify of the assets that have become late, or have been made, since the last tick."""
    if context.repository_def is None:
        return dg.SkipReason("The code location is not there.")
    graph = context.repository_def.asset_graph
    policies = {
        key: policy for key in graph.get_all_asset_keys() if (policy := graph.get(key).freshness_policy)
    }
    records = context.instance.get_freshness_state_records(list(policies))
    states = {key.to_user_string(): record.freshness_state for key, record in records.items()}
    if not states:
        return dg.SkipReason("No asset has been judged; the daemon does that where freshness is enabled.")
    changes = changes_of(states, json.loads(context.cursor or "[]"))
    if changes.is_empty:
        return dg.SkipReason(f"{changes.still_late} of {len(states)} judged assets are late, as was told.")
    expected = {key.to_user_string(): expectation(policy) for key, policy in policies.items()}
    notifier.notify(
        subject=changes.subject,
        text="\n".join(
            [
                *(f"{name} is late: {expected[name]}; {_last_made(context, name)}." for name in changes.late),
                *(f"{name} is on time again." for name in changes.on_time),
            ]
        ),
        link=_asset_page((*changes.late, *changes.on_time)[0]),
    )
    # Only now: a message that could not be delivered is due again at the next tick.
    context.update_cursor(json.dumps(sorted(name for name, state in states.items() if state == _LATE)))
    return dg.SkipReason(f"Told: {changes.subject}.")


@dataclass(frozen=True, slots=True)
class Changes:
    """What became late and what is on time again since the last message, by name."""

    late: tuple[str, ...]
    on_time: tuple[str, ...]
    still_late: int
    """How many were late then and are late now."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.late and not self.on_time

    @property
    def subject(self) -> str:
        """Both in a few words."""
        parts = ((self.late, "late"), (self.on_time, "on time again"))
        return ", ".join(f"{_counted(names)} {what}" for names, what in parts if names)


def changes_of(states: Mapping[str, "FreshnessState"], told: Collection[str]) -> Changes:
    """What to tell, given the verdicts and the assets that were told to be late.

    An asset that has lost its policy is neither.
    """
    late = {name for name, state in states.items() if state == _LATE}
    return Changes(
        late=tuple(sorted(late.difference(told))),
        on_time=tuple(sorted(name for name in told if name in states and name not in late)),
        still_late=len(late.intersection(told)),
    )


def expectation(policy: dg.FreshnessPolicy) -> str:
    """The policy in words."""
    from dagster._core.definitions.freshness import CronFreshnessPolicy, TimeWindowFreshnessPolicy

    match policy:
        case CronFreshnessPolicy():
            age = policy.lower_bound_delta
            return f"at {policy.deadline_cron} ({policy.timezone}) it is to be no older than {age}"
        case TimeWindowFreshnessPolicy():
            return f"it is to be no older than {policy.fail_window.to_timedelta()}"
        case _:
            return f"by its {type(policy).__name__}"


def _counted(names: Collection[str]) -> str:
    return f"{len(names)} assets are" if len(names) > 1 else f"{next(iter(names))} is"


def _last_made(context: dg.SensorEvaluationContext, name: str) -> str:
    event = context.instance.get_latest_materialization_event(dg.AssetKey.from_user_string(name))
    if event is None:
        return "it was never made"
    return f"it was last made at {datetime.fromtimestamp(event.timestamp, tz=UTC):%Y-%m-%d %H:%M} UTC"


def _asset_page(name: str) -> str | None:
    """The asset in the web UI, if `QUINTET_UI_URL` says where that is."""
    ui = os.environ.get("QUINTET_UI_URL", "").strip().rstrip("/")
    return f"{ui}/assets/{name}" if ui else None

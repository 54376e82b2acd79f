"""Why a run failed, in a sentence or a few, for people who are told of it elsewhere than in the web UI.

What belongs here: reading it from the run's events, and keeping secrets out of it. What does not: who is told
(`sensors.alerts`), and which partitions a failed run left behind (`jobs.failed_partitions`).
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

import dagster as dg
from dagster import DagsterEvent

MOST_CHARACTERS: Final = 1_000
"""Of one reason: enough for a sentence, too little for a stack trace."""

_TOLD = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
}
# What Dagster raises for failed blocking checks names them, and nothing of what they said.
_FAILED_CHECKS: Final = "DagsterAssetCheckFailedError"
_SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|WEBHOOK|PRIVATE")
_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]{0,20})://(?:[^\s/@]*@)?([^\s/?#'\"<>]*)([^\s?#'\"<>]*)[^\s'\"<>]*", re.IGNORECASE
)


def failure_reason(instance: dg.DagsterInstance, run_id: str) -> str:
    """Why a failed run failed, as its event log says, without secrets and within `MOST_CHARACTERS`."""
    return presentable(full_failure_reason(instance, run_id))


def full_failure_reason(instance: dg.DagsterInstance, run_id: str) -> str:
    """The same at its full length and as it was written: to look something up in, not to show."""
    entries = instance.all_logs(run_id, of_type=_TOLD)
    return reason_in([entry.dagster_event for entry in entries if entry.dagster_event])


def reason_in(events: Sequence[DagsterEvent]) -> str:
    """What the first failed step said, and how many failed after it; a run can also fail outside of steps."""
    steps = [event for event in events if event.is_step_failure]
    if not steps:
        run = next((event for event in events if event.is_run_failure), None)
        return (run and run.message) or "It failed outside of any step."
    others = f" ({len(steps) - 1} more failed)" if len(steps) > 1 else ""
    return f"Step {steps[0].step_key}{others}: {_step_error(steps[0], events)}"


def presentable(reason: str) -> str:
    """The reason as it may be shown: without secrets, and not too long."""
    # Shortening first could leave the beginning of a secret that nothing recognises any more.
    text = without_secrets(reason, os.environ).strip()
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"


def _step_error(event: DagsterEvent, events: Sequence[DagsterEvent]) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    error = failure.error
    if error and error.cls_name == _FAILED_CHECKS and (claims := [*_broken_claims(event, events)]):
        return "\n".join(claims)
    # Around what the step raised, Dagster puts an error of its own that only names the step.
    if error and error.cause and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    return error.message if error else "It did not say why."


def _broken_claims(step: DagsterEvent, events: Sequence[DagsterEvent]) -> Iterator[str]:
    """What the step's failed checks of severity error said; of these at least one was blocking."""
    for event in events:
        if event.event_type != dg.DagsterEventType.ASSET_CHECK_EVALUATION or event.step_key != step.step_key:
            continue
        check = event.asset_check_evaluation_data
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
            name = f"{check.check_name} of {check.asset_key.to_user_string()}"
            yield f"{name} failed: {check.description or 'it did not say why.'}"


def without_secrets(text: str, environ: Mapping[str, str]) -> str:
    """The text without what an error may have picked up on its way.

    Values of variables with telling names (tokens, passwords, webhooks) give way to the name; URLs lose their
    user and query, and web addresses, where the path can be a key, all but the host.
    """
    secrets = {
        value: name
        for name, value in environ.items()
        if _SECRET_NAME.search(name.upper()) and len(value) >= 8
    }
    for value in sorted(secrets, key=len, reverse=True):
        text = text.replace(value, f"[{secrets[value]}]")
    return _URL.sub(_without_credentials, text)


def _without_credentials(url: re.Match[str]) -> str:
    scheme, host, path = cast("tuple[str, str, str]", url.groups())
    if scheme.lower() in ("http", "https"):
        path = "/…" if path.strip("/") else path
    return f"{scheme}://{host}{path}"

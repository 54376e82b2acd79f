"""The alert on failed runs: one sensor for all pipelines, and the message it sends.

What belongs here: when to alert and what to say. What does not: delivery, which is the `notifier` resource.
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import cast

import dagster as dg
from dagster import DagsterEvent

from resources.notifier import Notifier

MOST_CHARACTERS = 1_000  # Of one error: enough for a sentence, too little for a stack trace.

_SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|WEBHOOK|PRIVATE")
_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]{0,20})://(?:[^\s/@]*@)?([^\s/?#'\"<>]*)([^\s?#'\"<>]*)[^\s'\"<>]*", re.IGNORECASE
)


@dg.run_failure_sensor(
    name="run_failure_alert",
    description="Tells the notifier of each run that failed and will not be retried.",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def run_failure_alert(context: dg.RunFailureSensorContext, notifier: Notifier) -> dg.SkipReason | None:
    """Notify of the failed run, unless Dagster is going to retry it and so may still mend it.

    The link leads to the run in the web UI if `QUINTET_UI_URL` says where that is.
    """
    run = context.dagster_run
    if run.tags.get("dagster/will_retry") == "true":
        return dg.SkipReason(f"Run {run.run_id} failed and will be retried.")
    what, partitions = run_target(run), run_partitions(run.tags)
    lines = [f"Run {run.run_id} of {what}", *([f"Partition {partitions}"] if partitions else [])]
    sentence = failure_sentence(context.get_step_failure_events(), context.failure_event)
    # Shortening first could leave the beginning of a secret that nothing recognises any more.
    lines.append(_shortened(without_secrets(sentence, os.environ)))
    ui = os.environ.get("QUINTET_UI_URL", "").strip().rstrip("/")
    notifier.notify(
        subject=f"{what} failed" + (f" for {partitions}" if partitions else ""),
        text="\n".join(lines),
        link=f"{ui}/runs/{run.run_id}" if ui else None,
    )
    return None


def run_target(run: dg.DagsterRun) -> str:
    """The run's job, or its assets where a person picked them in the UI and Dagster made up the job."""
    if run.job_name.startswith("__") and run.asset_selection:
        return ", ".join(sorted(key.to_user_string() for key in run.asset_selection))
    return run.job_name


def run_partitions(tags: Mapping[str, str]) -> str | None:
    """The run's partition, or its range of partitions, as its tags say."""
    first = tags.get("dagster/asset_partition_range_start")
    last = tags.get("dagster/asset_partition_range_end")
    return f"{first} to {last}" if first and last else tags.get("dagster/partition")


def failure_sentence(steps: Sequence[DagsterEvent], run: DagsterEvent) -> str:
    """What the first failed step said, and how many failed after it; a run can also fail outside of steps."""
    if not steps:
        return run.message or "It failed outside of any step."
    others = f" ({len(steps) - 1} more failed)" if len(steps) > 1 else ""
    return f"Step {steps[0].step_key}{others}: {_step_error(steps[0])}"


def _step_error(event: DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    error = failure.error
    # Around what the step raised, Dagster puts an error of its own that only names the step.
    if error and error.cause and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    return error.message if error else "It did not say why."


def _shortened(error: str) -> str:
    text = error.strip()
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"


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

"""The alert on failed runs and the notice when they are made good, for all pipelines, and what they say.

What belongs here: when to notify and of what. What does not: delivery, which is the `notifier` resource.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import cast

import dagster as dg
from dagster import DagsterEvent

from resources.notifier import Notifier

MOST_CHARACTERS = 1_000  # Of one error: enough for a sentence, too little for a stack trace.
MOST_EARLIER_RUNS = 50  # Of one partition: who mends it after more attempts gets no notice.

_RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_PARTITION_TAGS = ("dagster/partition", *_RANGE_TAGS)
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
    """Notify of the failed run, unless Dagster is going to retry it and so may still mend it."""
    run = context.dagster_run
    if _will_be_retried(run):
        return dg.SkipReason(f"Run {run.run_id} failed and will be retried.")
    what, partitions = run_target(run), run_partitions(run.tags)
    lines = [f"Run {run.run_id} of {what}", *([f"Partition {partitions}"] if partitions else [])]
    sentence = failure_sentence(context.get_step_failure_events(), context.failure_event)
    # Shortening first could leave the beginning of a secret that nothing recognises any more.
    lines.append(_shortened(without_secrets(sentence, os.environ)))
    notifier.notify(
        subject=f"{what} failed" + (f" for {partitions}" if partitions else ""),
        text="\n".join(lines),
        link=_run_page(run),
    )
    return None


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    name="run_recovery_notice",
    description="Tells the notifier, once, of each run that makes good what an alerted run had failed to do.",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def run_recovery_notice(context: dg.RunStatusSensorContext, notifier: Notifier) -> dg.SkipReason | None:
    """Notify of the run if its partition had failed before; whoever launched it, and from which job."""
    run = context.dagster_run
    earlier = _earlier_runs(context.instance, run)
    failed = None
    # Of most runs the partition never failed: what they made need not be asked for.
    if any(other.is_failure for other in earlier):
        outcomes = (_outcome(context.instance, other) for other in earlier)
        failed = made_good(_outcome(context.instance, run), outcomes)
    if failed is None:
        return dg.SkipReason(f"Run {run.run_id} succeeded, and no alert was open for what it made.")
    what, partitions = run_target(run), run_partitions(run.tags)
    lines = [f"Run {run.run_id} of {what}", *([f"Partition {partitions}"] if partitions else [])]
    lines.append(f"It makes good the failed run {failed.run_id}.")
    notifier.notify(
        subject=f"{what} recovered" + (f" for {partitions}" if partitions else ""),
        text="\n".join(lines),
        link=_run_page(run),
    )
    return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: of which targets it says something, and whether they failed."""

    run_id: str
    targets: frozenset[str]
    """The assets that it made, or failed to make; the name of its job if it makes none."""
    failed: bool


def made_good(run: Outcome, earlier: Iterable[Outcome]) -> Outcome | None:
    """The last failed run one of whose targets this run has made, unless a run in between had made it.

    Args:
        run: a run that succeeded.
        earlier: the runs of the same partition that ended before it, the last first.
    """
    left = run.targets
    for other in earlier:
        if other.failed and other.targets & left:
            return other
        left -= other.targets
        if not left:
            return None
    return None


def _earlier_runs(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[dg.DagsterRun]:
    """The runs of the same partition that ended before this one, the last first, without retried ones.

    Runs without a partition are those of the same job.
    """
    partition = {tag: run.tags[tag] for tag in _PARTITION_TAGS if tag in run.tags}
    records = instance.get_run_records(
        dg.RunsFilter(
            job_name=None if partition else run.job_name,
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
            tags=partition,
        ),
        limit=MOST_EARLIER_RUNS,
    )
    ends = {record.dagster_run.run_id: record.end_time or inf for record in records}
    own_end = ends.get(run.run_id, inf)
    found = [
        other
        for record in records
        if (other := record.dagster_run).run_id != run.run_id
        and ends[other.run_id] <= own_end
        and run_partitions(other.tags) == run_partitions(run.tags)
        and not _will_be_retried(other)
    ]
    return sorted(found, key=lambda other: ends[other.run_id], reverse=True)


def _outcome(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Outcome:
    made = instance.get_asset_keys_for_run(run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)
    if run.is_failure:
        planned = instance.get_asset_keys_for_run(
            run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
        )
        # Where all were made, a check or some keys of a range failed.
        made = planned - made or planned
    targets = {key.to_user_string() for key in made} or {f"job {run.job_name}"}
    return Outcome(run.run_id, frozenset(targets), run.is_failure)


def run_target(run: dg.DagsterRun) -> str:
    """The run's job, or its assets where a person picked them in the UI and Dagster made up the job."""
    if run.job_name.startswith("__") and run.asset_selection:
        return ", ".join(sorted(key.to_user_string() for key in run.asset_selection))
    return run.job_name


def run_partitions(tags: Mapping[str, str]) -> str | None:
    """The run's partition, or its range of partitions, as its tags say."""
    first, last = (tags.get(tag) for tag in _RANGE_TAGS)
    return f"{first} to {last}" if first and last else tags.get("dagster/partition")


def _will_be_retried(run: dg.DagsterRun) -> bool:
    return run.tags.get("dagster/will_retry") == "true"


def _run_page(run: dg.DagsterRun) -> str | None:
    """The run in the web UI, if `QUINTET_UI_URL` says where that is."""
    ui = os.environ.get("QUINTET_UI_URL", "").strip().rstrip("/")
    return f"{ui}/runs/{run.run_id}" if ui else None


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

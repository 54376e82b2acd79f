"""The verbs with their options, as Invoke reads them; each is a line over `verbs` and `views`.

Those are imported when a verb is carried out: `inv --list` and the other verbs can do without them. Numbers
and times are taken as texts, so that a wrong one is told in a sentence.
"""

import logging

from invoke.collection import Collection
from invoke.context import Context

from scripts.discovery_cli.conduct import conduct, conduct_stream
from scripts.discovery_cli.options import Verb, verb

_RUN = {
    "limit": "The most new items that are discovered, and the most that are processed.",
    "single_pass": "Discover once, work on what can be done now, and wait for nothing.",
    "discover_only": "Take what the source shows, and work on nothing.",
    "stage": "Run this stage only; in a test.",
    "item": "Try this item: its key, id or partition key; in a test.",
    "no_reset": "Leave the stages as they are, done ones done; in a test.",
}


@verb("list")
def list_(_: Context, json: bool = False) -> None:
    """The jobs of the jobs file."""
    from scripts.discovery_cli.verbs import jobs
    from scripts.discovery_cli.views import jobs as views

    conduct(jobs.listing, views.listing, as_json=json)


@verb()
def status(_: Context, job: str | None = None, json: bool = False) -> None:
    """How each job stands, and how many of its items and stages are where."""
    from scripts.discovery_cli.verbs import jobs
    from scripts.discovery_cli.views import jobs as views

    conduct(lambda place: jobs.status(place, job), views.status, as_json=json)


def _run_verb(name: str, says: str) -> Verb:
    """One of the three verbs that run a job: they have the same options."""

    def body(  # noqa: PLR0913, PLR0917 - every parameter is an option.
        _: Context,
        job: str | None = None,
        limit: str | None = None,
        single_pass: bool = False,
        discover_only: bool = False,
        stage: str | None = None,
        item: str | None = None,
        no_reset: bool = False,
        json: bool = False,
    ) -> None:
        from scripts.discovery_cli.verbs import runs
        from scripts.discovery_cli.views import runs as views

        asked = runs.Asked(limit, single_pass, discover_only, stage, item, no_reset)
        # Who tries a handler wants to see what it logs.
        level = logging.INFO if name == "test" else logging.WARNING
        conduct(
            lambda place: runs.VERBS[name](place, job, asked),
            views.VIEWS[name],
            as_json=json,
            log_level=level,
        )

    body.__doc__ = says
    return verb(name, **_RUN)(body)


_RUN_VERBS = (
    _run_verb("run", "Discover what a job's source shows, and take its items through their stages."),
    _run_verb("test", "Try a job on a few items, on a ledger of its own; only what it costs is kept."),
    _run_verb("dry-run", "Read the source, and tell what the next run would do with it and spend."),
)


@verb(
    status="pending, in_progress, done, failed or cancelled.",
    stage="Items whose first unfinished stage is this one.",
    search="A part of the key, title or URL.",
    limit="The most items that are listed.",
)
def items(
    _: Context,
    job: str | None = None,
    status: str | None = None,
    stage: str | None = None,
    search: str | None = None,
    limit: str = "50",
    json: bool = False,
) -> None:
    """The items of a job, newest first."""
    from scripts.discovery_cli.verbs import items as verbs
    from scripts.discovery_cli.views import items as views

    asked = verbs.Asked(status, stage, search, limit)
    conduct(lambda place: verbs.items(place, job, asked), views.items, as_json=json)


@verb()
def show(_: Context, job: str | None = None, key: str | None = None, json: bool = False) -> None:
    """Everything about one item, and why it does not move."""
    from scripts.discovery_cli.verbs import items as verbs
    from scripts.discovery_cli.views import items as views

    conduct(lambda place: verbs.show(place, job, key), views.show, as_json=json)


@verb(
    class_="Failures of this class: transient, rate_limited, permanent, auth, code, budget or lost.",
    all_="All failed stages of the job.",
)
def retry(
    _: Context,
    job: str | None = None,
    key: str | None = None,
    class_: str | None = None,
    all_: bool = False,
    json: bool = False,
) -> None:
    """Set failed stages pending: of one item, of one class of failures, or all of a job."""
    from scripts.discovery_cli.verbs import items as verbs
    from scripts.discovery_cli.views import items as views

    conduct(lambda place: verbs.retry(place, job, key, class_, all_=all_), views.retry, as_json=json)


@verb(
    stage="This stage only; otherwise every one that waits or failed.",
    reason="Why, for who looks at it later.",
    cancel="Cancel instead of skipping: nothing that needs it goes on.",
)
def skip(
    _: Context,
    job: str | None = None,
    key: str | None = None,
    stage: str | None = None,
    reason: str = "",
    cancel: bool = False,
    json: bool = False,
) -> None:
    """Skip the stages of an item that wait or failed, or one of them."""
    from scripts.discovery_cli.verbs import items as verbs
    from scripts.discovery_cli.views import items as views

    conduct(lambda place: verbs.skip(place, job, key, stage, reason, cancel=cancel), views.skip, as_json=json)


@verb(
    reason="Why, for who looks at it later.",
    until="When it ends: an ISO time, in the job's time zone unless it names one, or +SECONDS.",
    now="Also end what is running, at its next call.",
)
def pause(
    _: Context,
    job: str | None = None,
    reason: str = "",
    until: str | None = None,
    now: bool = False,
    json: bool = False,
) -> None:
    """Let a job rest: nothing is discovered or claimed. A pause that holds already stays as it is."""
    from scripts.discovery_cli.verbs import pauses
    from scripts.discovery_cli.views import pauses as views

    conduct(lambda place: pauses.pause(place, job, reason, until, at_once=now), views.pause, as_json=json)


@verb()
def unpause(_: Context, job: str | None = None, json: bool = False) -> None:
    """End a pause, and forget the job's open breakers; failed stages stay failed."""
    from scripts.discovery_cli.verbs import pauses
    from scripts.discovery_cli.views import pauses as views

    conduct(lambda place: pauses.unpause(place, job), views.unpause, as_json=json)


@verb()
def wake(_: Context, job: str | None = None, json: bool = False) -> None:
    """Make discovery due, and let what waits for a retry go on. A paused job stays paused."""
    from scripts.discovery_cli.verbs import pauses
    from scripts.discovery_cli.views import pauses as views

    conduct(lambda place: pauses.wake(place, job), views.wake, as_json=json)


@verb()
def stale(_: Context, job: str | None = None, json: bool = False) -> None:
    """What of a job is out of date, and what running it again would cost."""
    from scripts.discovery_cli.verbs import staleness
    from scripts.discovery_cli.views import staleness as views

    conduct(lambda place: staleness.stale(place, job), views.stale, as_json=json)


@verb(
    limit="The most items that wait for reprocessing, those of earlier calls included.",
    stage="This stage only.",
)
def reprocess(
    _: Context,
    job: str | None = None,
    limit: str | None = None,
    stage: str | None = None,
    json: bool = False,
) -> None:
    """Set what is out of date pending, newest items first; the old results stay until then."""
    from scripts.discovery_cli.verbs import staleness
    from scripts.discovery_cli.views import staleness as views

    conduct(lambda place: staleness.reprocess(place, job, limit, stage), views.reprocess, as_json=json)


@verb(day="One day, of each job's time zone: YYYY-MM-DD.", by="job, model, stage or day.")
def costs(
    _: Context,
    job: str | None = None,
    day: str | None = None,
    by: str = "job",
    json: bool = False,
) -> None:
    """What was spent, and what is reserved."""
    from scripts.discovery_cli.verbs import records
    from scripts.discovery_cli.views import records as views

    conduct(lambda place: records.costs(place, job, day, by), views.costs, as_json=json)


@verb(
    since="An ISO time, or the sequence number of an event: those behind it.",
    type_="One type of event, such as stage_failed.",
    limit="The most events; with --follow, of those that were there before.",
    follow="Go on with those that come, until it is interrupted.",
)
def events(
    _: Context,
    job: str | None = None,
    since: str | None = None,
    type_: str | None = None,
    limit: str = "50",
    follow: bool = False,
    json: bool = False,
) -> None:
    """What happened, oldest first."""
    from scripts.discovery_cli.verbs import records
    from scripts.discovery_cli.views import records as views

    asked = records.Asked(job, since, type_, limit)
    if follow:
        conduct_stream(lambda place: records.followed(place, asked), views.event, as_json=json)
    else:
        conduct(lambda place: records.events(place, asked), views.events, as_json=json)


@verb(fix="Put right what is safe to, and say what.")
def doctor(_: Context, job: str | None = None, fix: bool = False, json: bool = False) -> None:
    """Examine the ledger; exit code 1 if there is anything that a person should look at."""
    from scripts.discovery_cli.verbs import upkeep
    from scripts.discovery_cli.views import upkeep as views

    conduct(lambda place: upkeep.doctor(place, job, fix=fix), views.doctor, as_json=json)


@verb()
def migrate(_: Context, json: bool = False) -> None:
    """Bring the ledger to the newest schema; one is made if there is none."""
    from scripts.discovery_cli.verbs import upkeep
    from scripts.discovery_cli.views import upkeep as views

    conduct(upkeep.migrate, views.migrate, as_json=json)


@verb(
    to="The file to write, JSON lines.",
    prune="Then remove the events that the job's keep_days lets go.",
)
def export(
    _: Context,
    job: str | None = None,
    to: str | None = None,
    prune: bool = False,
    json: bool = False,
) -> None:
    """Write items, stages, attempts, results, costs and events to a file."""
    from scripts.discovery_cli.verbs import upkeep
    from scripts.discovery_cli.views import upkeep as views

    conduct(lambda place: upkeep.export(place, job, to, prune=prune), views.export, as_json=json)


@verb(to="The file to write; discovery.html in the folder work of QUINTET_HOME unless given.")
def report(_: Context, to: str | None = None, json: bool = False) -> None:
    """Write a page about all jobs that a browser shows."""
    from scripts.discovery_cli.verbs import upkeep
    from scripts.discovery_cli.views import upkeep as views

    conduct(lambda place: upkeep.report(place, to), views.report, as_json=json)


JOBS = Collection(
    "jobs",
    *(list_, status, *_RUN_VERBS, items, show, retry, skip, pause, unpause, wake),
    *(stale, reprocess, costs, events, doctor, migrate, export, report),
)

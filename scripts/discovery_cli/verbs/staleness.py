"""stale, reprocess."""

from dataclasses import asdict

from assets.discovery.ledger import staleness
from assets.discovery.readers.stale_plan import StalePlan, stale_plan
from scripts.discovery_cli.selection import chosen_job, known_stage, seen_job, whole_number
from scripts.discovery_cli.workplace import Workplace
from scripts.terminal.answers import Answer


def stale(place: Workplace, job: str | None) -> Answer[StalePlan]:
    """What of a job is out of date."""
    with place.reading() as connection:
        return Answer(stale_plan(connection, seen_job(place, connection, job).plan))


def reprocess(
    place: Workplace, job: str | None, limit: str | None, stage: str | None
) -> Answer[dict[str, int]]:
    """Set what is out of date pending; the document counts items."""
    found = chosen_job(place, job)
    known_stage((each.name for each in found.chain), stage, found.name)
    most = whole_number(limit, "--limit")
    with place.writing() as connection:
        done = staleness.reprocess(connection, place.plan(found.name), place.clock(), limit=most, stage=stage)
    return Answer(asdict(done))

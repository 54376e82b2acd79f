"""items, show, retry, skip."""

from dataclasses import dataclass
from typing import Final, TypedDict

from assets.discovery.config_problems import ConfigurationError, unknown_word
from assets.discovery.ledger import by_hand
from assets.discovery.readers.item_list import ItemFilter, ItemList, find_item
from assets.discovery.readers.item_list import items as listed_items
from assets.discovery.readers.item_story import Story
from assets.discovery.readers.item_story import show as story
from assets.discovery.readers.job_status import DERIVED_STATUSES
from scripts.discovery_cli.selection import (
    chosen_job,
    chosen_key,
    known_stage,
    one_of,
    seen_job,
    whole_number,
)
from scripts.discovery_cli.workplace import Workplace
from scripts.terminal.answers import Answer

ERROR_CLASSES: Final = ("transient", "rate_limited", "permanent", "auth", "code", "budget", "lost")


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `items`."""

    status: str | None = None
    stage: str | None = None
    search: str | None = None
    limit: str = "50"


class Retried(TypedDict):
    """The document of `retry`: how many stages."""

    retried: int


class Changed(TypedDict):
    """The document of `skip`: how many stages."""

    changed: int


def items(place: Workplace, job: str | None, asked: Asked) -> Answer[ItemList]:
    """The items of a job, newest first."""
    status = None if asked.status is None else one_of(DERIVED_STATUSES, asked.status, "status")
    limit = whole_number(asked.limit, "--limit") or 0
    with place.reading() as connection:
        today = seen_job(place, connection, job)
        stage = asked.stage
        if today.job is not None:
            stage = known_stage((each.name for each in today.plan.stages), stage, today.name)
        chosen = ItemFilter(status=status, stage=stage, search=asked.search, limit=limit)
        return Answer(listed_items(connection, today.plan, chosen))


def show(place: Workplace, job: str | None, key: str | None) -> Answer[Story]:
    """Everything about one item."""
    with place.reading() as connection:
        today = seen_job(place, connection, job)
        item_id = find_item(connection, today.name, chosen_key(key))
        return Answer(story(connection, today, item_id, place.clock()))


def retry(
    place: Workplace, job: str | None, key: str | None, class_: str | None, *, all_: bool
) -> Answer[Retried]:
    """Set failed stages pending; of one item also what was cancelled, or else is done or skipped."""
    found = chosen_job(place, job)
    if [key is not None, class_ is not None, all_].count(True) != 1:
        raise ConfigurationError(["say what to retry by exactly one of -k KEY, --class CLASS and --all"])
    error_class = None if class_ is None else one_of(ERROR_CLASSES, class_, "class of failures")
    plan = place.plan(found.name)
    with place.writing() as connection:
        if key is not None:
            item_id = find_item(connection, found.name, chosen_key(key))
            count = by_hand.retry_item(connection, plan, item_id, place.clock())
        else:
            count = by_hand.retry_failed(connection, plan, place.clock(), error_class)
    return Answer(Retried(retried=count))


def skip(
    place: Workplace, job: str | None, key: str | None, stage: str | None, reason: str, *, cancel: bool
) -> Answer[Changed]:
    """Skip or cancel one stage of an item, or all that wait or failed."""
    found, item = chosen_job(place, job), chosen_key(key)
    to = "cancelled" if cancel else "skipped"
    with place.writing() as connection:
        item_id = find_item(connection, found.name, item)
        why = reason.strip() or f"{to} by hand"
        try:
            count = by_hand.set_aside(connection, item_id, to, why, place.clock(), stage)
        except KeyError:
            names = [each.name for each in found.chain]
            raise ConfigurationError(
                [f"{unknown_word(str(stage), 'stage', names)} (job {found.name})"]
            ) from None
    return Answer(Changed(changed=count))

"""What a run did, as facts for people: numbers, sentences, tables and pictures.

Every text that came from a source has passed the redaction of `credentials`. Not here: where facts are shown
(`steps`), the facts of one item (`partitions`), of checks (`checks`).
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from assets.discovery import pictures
from assets.discovery.credentials import shown
from assets.discovery.engine.context import RunSummary
from assets.discovery.ledger import history, mirror
from assets.discovery.mirroring import Mirrored
from assets.discovery.readers.instants import in_zone_or_none
from assets.discovery.readers.job_status import tally
from assets.discovery.readers.jobs_today import JobToday
from assets.facts import Fact, Markdown, Table

SHOWN: Final = 50
"""The most rows of a table."""
LONGEST: Final = 1000
"""The most characters of a text: a cursor may name every file of a sitemap."""

_COUNTERS: Final = (
    "n_read",
    "n_new",
    "n_changed",
    "n_unchanged",
    "n_duplicate",
    "n_rejected",
    "n_missing",
    "n_gone",
)


def discovery_facts(connection: sqlite3.Connection, today: JobToday, summary: RunSummary) -> dict[str, Fact]:
    """What a discovery found, where it left off, and how it compares with earlier ones."""
    found, name = summary.discovery, today.name
    past = history.discoveries(connection, name, pictures.DISCOVERIES_SHOWN)
    facts: dict[str, Fact] = {"history": Markdown(pictures.discovery_history(name, past, today.zone))}
    if found is None:
        return facts | {"outcome": summary.stopped, "reason": shown(summary.stopped_reason)}
    facts |= {"outcome": found.outcome} | {counter: getattr(found, counter) for counter in _COUNTERS}
    if found.discovery_id is not None:
        facts["cursor"] = shown(history.cursor_after(connection, found.discovery_id) or "none")[:LONGEST]
    if found.error:
        facts["error"] = shown(found.error)
    if found.warnings:
        facts["warnings"] = "\n".join(shown(warning) for warning in found.warnings)
    if found.new_keys:
        new = history.new_items(connection, name, found.new_keys[:SHOWN])
        facts["new_items"] = Table(
            [
                {
                    "key": shown(item.key),
                    "title": shown(item.title or ""),
                    "url": shown(item.url or ""),
                    "published": in_zone_or_none(item.published_at, today.zone) or "",
                    "partition": item.partition_key,
                }
                for item in new
            ]
        )
    return facts


def work_facts(connection: sqlite3.Connection, today: JobToday, summary: RunSummary) -> dict[str, Fact]:
    """What became of the items of a run, and how far all items of the job have come."""
    facts: dict[str, Fact] = {
        "done": summary.items_done,
        "failed": summary.items_failed,
        "retrying": mirror.retrying(connection, summary.item_ids),
        "stages_done": summary.stages.done,
        "stages_skipped": summary.stages.skipped,
        "stages_failed": summary.stages.failed,
        "stages_to_try_again": summary.stages.retried,
        "cost_usd": summary.cost_micros / 1e6,
        "stopped": summary.stopped,
        "funnel": Markdown(pictures.funnel(today.name, tally(connection, today).stages)),
    }
    if summary.stopped_reason:
        facts["reason"] = shown(summary.stopped_reason)
    _, failed = mirror.failed_items(connection, today.name, SHOWN, items=summary.item_ids)
    if failed:
        facts["failed_items"] = failed_table(failed)
    return facts


def mirror_facts(mirrored: Mirrored, unmirrored: int) -> dict[str, Fact]:
    """What Dagster was told of, and how many live items it is never told of (`mirror_limit`)."""
    return {
        "mirrored": mirrored.recorded,
        "mirrored_before": mirrored.known_before,
        "unmirrored": unmirrored,
        "mirroring": "goes on in the next run" if mirrored.is_behind else "up to date",
    }


def failed_table(failed: Sequence[mirror.FailedItem]) -> Table:
    """Stages in the dead letter."""
    return Table(
        [
            {
                "key": shown(item.key),
                "stage": item.stage,
                "class": item.error_class or "",
                "error": shown(item.error_text or "")[:300],
                "attempts": item.attempts,
                "partition": item.partition_key,
            }
            for item in failed
        ]
    )


def refusal(summary: RunSummary) -> str | None:
    """Why a run counts as failed: all of several items did. Fewer are the ledger's business."""
    worked = len(summary.item_ids)
    if worked < 2 or summary.items_failed < worked:
        return None
    return (
        f"All {worked} items of {summary.job} that this run worked on failed; see what they have in common "
        f"(inv jobs.items -j {summary.job} --status failed), mend it, and retry them"
    )

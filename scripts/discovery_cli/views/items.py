"""items, show, retry, skip."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import RenderableType

from assets.discovery.readers.item_list import ItemList
from assets.discovery.readers.item_story import Story
from scripts.discovery_cli.amounts import money
from scripts.discovery_cli.verbs.items import Changed, Retried
from scripts.terminal.answers import Answer
from scripts.terminal.layout import counts, facts, heading, remark, sentence, table

_ITEM: Final = (
    *("id", "key", "partition_key", "derived_status", "revision", "title", "url"),
    *("published_at", "discovered_at", "last_seen_at", "missing_since", "gone_at", "cancelled_at"),
)
_LONGEST_DATA: Final = 300


def items(answer: Answer[ItemList]) -> Iterator[RenderableType]:
    """A line for each item; marks say what its status does not."""
    rows = []
    for item in answer.document["items"]:
        marks = {
            "running": item["n_running"] > 0,
            "retrying": item["retrying"],
            "blocked": item["blocked"],
        }
        status = ", ".join([item["derived_status"], *(mark for mark, holds in marks.items() if holds)])
        rows.append((item["id"], item["key"], status, item["revision"], item["title"] or item["url"]))
    yield table(("#id", "key", "status", "#revision", "title"), rows)
    yield remark(f"{len(rows):,} items")


def show(answer: Answer[Story]) -> Iterator[RenderableType]:
    """Why it does not move, then the item and its history."""
    story = answer.document
    yield sentence(f"{story['why']['code']}: {story['why']['text']}")
    yield sentence("")
    item = story["item"]
    yield facts(
        {name: item[name] for name in _ITEM if item.get(name) is not None} | {"data": _short(item["data"])}
    )
    for title, columns, rows in _sections(story):
        if rows:
            yield heading(title)
            yield table(columns, rows)


def _sections(story: Story) -> Iterator[tuple[str, tuple[str, ...], list[tuple[object, ...]]]]:
    """The tables: title, columns, rows."""
    yield (
        "Stages",
        ("stage", "status", "#attempt", "#of", "not before", "finished", "why"),
        [_stage_line(stage) for stage in story["stages"]],
    )
    yield (
        "Attempts",
        ("#id", "stage", "#revision", "#attempt", "started", "finished", "outcome", "error"),
        [_attempt_line(attempt) for attempt in story["attempts"]],
    )
    yield (
        "Results",
        ("stage", "#revision", "version", "created", "superseded", "#bytes", "payload"),
        [_result_line(result) for result in story["results"]],
    )
    yield (
        "Costs",
        ("at", "stage", "mode", "state", "provider", "model", "cost"),
        [_cost_line(cost) for cost in story["costs"]],
    )
    yield (
        "Events",
        ("#seq", "at", "stage", "type", "level", "payload"),
        [_event_line(event) for event in story["events"]],
    )


def retry(answer: Answer[Retried]) -> Iterator[RenderableType]:
    """How many stages wait again."""
    yield sentence(f"{counts({'stages': answer.document['retried']})} set pending")


def skip(answer: Answer[Changed]) -> Iterator[RenderableType]:
    """How many stages were set aside."""
    yield sentence(f"{counts({'stages': answer.document['changed']})} set aside")


def _stage_line(stage: Mapping[str, Any]) -> tuple[object, ...]:
    error = ": ".join(filter(None, (stage["error_class"], stage["error_text"])))
    return (
        stage["stage"],
        stage["status"],
        stage["attempt"],
        stage["max_attempts"],
        stage["not_before"],
        stage["finished_at"],
        stage["skip_reason"] or error or stage["stale_reason"],
    )


def _attempt_line(attempt: Mapping[str, Any]) -> tuple[object, ...]:
    names = ("id", "stage", "revision", "attempt", "started_at", "finished_at", "outcome", "error_text")
    return tuple(attempt[name] for name in names)


def _result_line(result: Mapping[str, Any]) -> tuple[object, ...]:
    names = ("stage", "revision", "handler_version", "created_at", "superseded_at", "size")
    return (*(result[name] for name in names), result["blob_path"] or _short(result["payload"]))


def _cost_line(cost: Mapping[str, Any]) -> tuple[object, ...]:
    names = ("at", "stage", "mode", "state", "provider", "model")
    return (*(cost[name] for name in names), money(cost["micros"]))


def _event_line(event: Mapping[str, Any]) -> tuple[object, ...]:
    names = ("seq", "at", "stage", "type", "level")
    return (*(event[name] for name in names), _short(event["payload"]))


def _short(value: Any) -> str | None:
    text = json.dumps(value, ensure_ascii=False) if value else ""
    return text if len(text) <= _LONGEST_DATA else f"{text[: _LONGEST_DATA - 1]}…"

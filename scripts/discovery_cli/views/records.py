"""costs, events."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType

from assets.discovery.readers.cost_report import CostReport
from assets.discovery.readers.event_log import EventLog
from scripts.discovery_cli.amounts import money, when
from scripts.terminal.answers import Answer
from scripts.terminal.layout import NOTHING, remark, sentence, table


def costs(answer: Answer[CostReport]) -> Iterator[RenderableType]:
    """A line for each group, and the total."""
    rows = [
        (row["group"], money(row["micros"]), money(row["reserved_micros"]), row["calls"], row["unpriced"])
        for row in answer.document["rows"]
    ]
    yield table(("group", "#spent", "#reserved", "#calls", "#unpriced"), rows)
    yield remark(f"total {money(answer.document['total_micros'])}")


def events(answer: Answer[EventLog]) -> Iterator[RenderableType]:
    """A line for each event."""
    yield table(
        ("#seq", "at", "job", "key", "stage", "type", "payload"),
        [_cells(entry) for entry in answer.document["events"]],
    )


def event(entry: Mapping[str, Any]) -> Iterator[RenderableType]:
    """One event of those that come, on a line of its own."""
    yield sentence("  ".join(str(value) if value not in (None, "") else NOTHING for value in _cells(entry)))


def _cells(entry: Mapping[str, Any]) -> tuple[object, ...]:
    payload = json.dumps(entry["payload"], ensure_ascii=False) if entry["payload"] else ""
    type_ = entry["type"] if entry["level"] == "info" else f"{entry['type']} ({entry['level']})"
    return (entry["seq"], when(entry["at"]), entry["job"], entry["key"], entry["stage"], type_, payload)

"""stale, reprocess."""

from collections.abc import Iterator

from rich.console import RenderableType

from assets.discovery.readers.stale_plan import StalePlan
from scripts.discovery_cli.amounts import money
from scripts.terminal.answers import Answer
from scripts.terminal.layout import counts, facts


def stale(answer: Answer[StalePlan]) -> Iterator[RenderableType]:
    """How much, why, and for how much money."""
    plan = answer.document
    yield facts(
        {
            "job": plan["job"],
            "stale items": plan["stale"],
            "stages": counts(plan["by_stage"]),
            "reasons": counts(plan["by_reason"]),
            "changed source, same version": f"{plan['advisory_logic']:,} items (not stale)",
            "running them again": f"about {money(plan['cost_estimate_micros'])}",
        }
    )


def reprocess(answer: Answer[dict[str, int]]) -> Iterator[RenderableType]:
    """How many items wait now, and how many do not."""
    done = answer.document
    yield facts(
        {
            "queued now": done["queued"],
            "waiting before": done["already_waiting"],
            "left alone, running": done["skipped_running"],
            "still stale": done["remaining"],
        }
    )

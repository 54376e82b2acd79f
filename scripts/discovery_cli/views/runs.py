"""run, test, dry-run."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from rich.console import RenderableType

from scripts.discovery_cli.amounts import money
from scripts.discovery_cli.verbs.runs import Forecast, Ran, Tested
from scripts.terminal.answers import Answer
from scripts.terminal.layout import counts, facts, heading, sentence, table

_LONGEST_PAYLOAD: Final = 300


def run(answer: Answer[Ran]) -> Iterator[RenderableType]:
    """What was found, what was done, what it cost and why it ended."""
    document = answer.document
    discovery = document["discovery"]
    yield facts(
        {
            "job": document["job"],
            "run": document["run_id"],
            "discovery": "none" if discovery is None else _discovered(discovery),
            "items": counts(document["items"]),
            "stages": counts(document["stages"]),
            "cost": money(document["cost_micros"]),
            "stopped": document["stopped"],
        }
    )
    for warning in () if discovery is None else discovery["warnings"]:
        yield sentence(f"warning: {warning}")


def test(answer: Answer[Tested]) -> Iterator[RenderableType]:
    """The same, and what each stage came to."""
    yield from run(Answer(answer.document))
    yield heading("Results (of a scratch ledger; only the cost was kept)")
    rows = [
        (result["key"], result["stage"], result["status"], _payload(result["payload"]))
        for result in answer.document["results"]
    ]
    yield table(("key", "stage", "status", "payload"), rows)


def dry_run(answer: Answer[Forecast]) -> Iterator[RenderableType]:
    """What the next run would do."""
    document = answer.document
    discovery = document["discovery"]
    yield facts(
        {
            "job": document["job"],
            "would discover": "nothing" if discovery is None else _discovered(discovery),
            "would claim": counts(document["claims"]),
            "would spend": f"about {money(document['cost_estimate_micros'])}",
        }
    )
    if discovery is not None and discovery["new_keys"]:
        yield heading("New items")
        for key in discovery["new_keys"]:
            yield sentence(f"  {key}")
        left = discovery["n_new"] - len(discovery["new_keys"])
        if left > 0:
            yield sentence(f"  and {left:,} more")


VIEWS: Final[Mapping[str, Callable[[Answer[Any]], Iterator[RenderableType]]]] = {
    "run": run,
    "test": test,
    "dry-run": dry_run,
}


def _discovered(discovery: Mapping[str, Any]) -> str:
    names = {name: name.removeprefix("n_") for name in discovery if name.startswith("n_")}
    counted = counts({word: discovery[name] for name, word in names.items()})
    return f"{discovery['outcome']}: {counted}" if "outcome" in discovery else counted


def _payload(payload: Any) -> str | None:
    if payload is None:
        return None
    text = json.dumps(payload, ensure_ascii=False)
    return text if len(text) <= _LONGEST_PAYLOAD else f"{text[: _LONGEST_PAYLOAD - 1]}…"

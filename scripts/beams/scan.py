"""`scan`: one tick of the sensor by hand. Registers cases and beams, and launches nothing."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from scripts.beams.desk import Desk
from scripts.terminal.answers import Answer

if TYPE_CHECKING:
    from rich.console import RenderableType


def add_options(_: argparse.ArgumentParser) -> None:
    """There are none."""


def carry_out(desk: Desk, _: argparse.Namespace) -> Answer:
    """Do a tick over the whole scan root; what the sensor itself remembers stays as it is."""
    settings = desk.settings

    from assets.beams.partitions import beam_cases, beam_fields
    from assets.beams.stages import scanning
    from sensors.beams import dagster_runs

    with desk.instance() as instance, desk.writing() as connection:
        known = scanning.Known(
            runs=lambda: dagster_runs(instance),
            cases=instance.get_dynamic_partitions(str(beam_cases.name)),
            fields=instance.get_dynamic_partitions(str(beam_fields.name)),
        )
        tick = scanning.tick(
            settings,
            connection,
            known,
            scanning.read_memory(desk.home),
            desk.clock(),
            actor=desk.user,
            budget_s=None,
        )
        instance.add_dynamic_partitions(str(beam_cases.name), tick.new_case_keys)
        instance.add_dynamic_partitions(str(beam_fields.name), tick.new_field_keys)
    scanning.write_memory(desk.home, tick.cursor)
    requests = tuple(f"The sensor would ask for the run {request.run_key}." for request in tick.requests)
    return Answer(tick.document(), notes=(*tick.notes, *requests))


def view(answer: Answer) -> "Iterator[RenderableType]":
    """A table of cases, one of what was passed over; messages of what waits or is refused stand between."""
    from scripts.terminal.layout import heading, sentence, table

    cases: list[dict[str, Any]] = answer.document["cases"]
    ignored: list[dict[str, Any]] = answer.document["ignored"]
    if not cases:
        yield sentence("There is no case with a marker under the scan root.")
    else:
        yield table(("case", "path", "room", "state", "code", "beams"), (_row(case) for case in cases))
    for case in cases:
        if case["message"]:
            yield sentence(f"{case['case'] or case['path']}: {case['message']}")
    if ignored:
        yield heading("Ignored")
        yield table(("path", "code"), ((folder["path"], folder["code"]) for folder in ignored))


def _row(case: dict[str, Any]) -> list[object]:
    beams = ", ".join(map(str, case["beams"]))
    return [case["case"], case["path"], case["room"], case["state"], case["code"], beams]

"""`gpus`: the GPUs of the compute host as it shows them now, and who holds them."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from scripts.beams.answers import Answer
from scripts.beams.desk import Desk

if TYPE_CHECKING:
    from rich.console import RenderableType


def add_options(_: argparse.ArgumentParser) -> None:
    """There are none."""


def carry_out(desk: Desk, _: argparse.Namespace) -> Answer:
    """Ask the host and keep what it says."""
    settings = desk.settings

    from assets.beams.stages.gpu_inventory import gpus_document

    host = desk.compute_host
    with desk.writing() as connection:
        return Answer(gpus_document(connection, host, settings, desk.clock))


def view(answer: Answer) -> "Iterator[RenderableType]":
    """A table of GPUs; of an unknown inventory only the reason."""
    from scripts.discovery_cli.layout import heading, sentence, table

    document = answer.document
    if document["state"] == "unknown":
        yield sentence(f"The GPUs are unknown, so none is given out: {document['reason']}.")
    elif not document["gpus"]:
        yield sentence("The host has no GPU.")
    else:
        yield table(_COLUMNS, (_row(gpu) for gpu in document["gpus"]))
    if document["rejected_rows"]:
        yield heading("Refused rows")
        yield table(("row", "reason"), ((row["line"], row["reason"]) for row in document["rejected_rows"]))


_COLUMNS: Final = ("#GPU", "name", "status", "#free MiB", "#of MiB", "#C", "#use", "beam", "run", "uuid")


def _row(gpu: dict[str, Any]) -> list[object]:
    lease, use = gpu["lease"] or {}, gpu["utilization_percent"]
    return [
        gpu["index"],
        gpu["name"],
        gpu["status"],
        gpu["memory_free_mib"],
        gpu["memory_total_mib"],
        gpu["temperature_c"],
        None if use is None else f"{use} %",
        lease.get("beam_id"),
        lease.get("owner_run"),
        gpu["uuid"],
    ]

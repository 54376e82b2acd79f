"""`gpus`: the GPUs of the compute host as it shows them now, and who holds them."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from assets.beams.keys import shown
from assets.beams.registry import gpus
from assets.failures import PermanentFailure
from scripts.beams.desk import Desk
from scripts.terminal.answers import Answer

if TYPE_CHECKING:
    from rich.console import RenderableType


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("--free", metavar="UUID", help="end the quarantine of a GPU that works again")


def carry_out(desk: Desk, options: argparse.Namespace) -> Answer:
    """Ask the host and keep what it says; before it, free a GPU that a person vouches for.

    Raises:
        PermanentFailure: the GPU to be freed is not in quarantine.
    """
    settings = desk.settings
    if options.free is not None:
        _free(desk, options.free)

    from assets.beams.stages.gpu_inventory import gpus_document

    host = desk.compute_host
    with desk.writing() as connection:
        return Answer(gpus_document(connection, host, settings, desk.clock))


def _free(desk: Desk, uuid: str) -> None:
    with desk.reading() as connection:
        barred = gpus.quarantined(connection)
    if uuid not in barred:
        among = f"in quarantine are {', '.join(barred)}" if barred else "no GPU is in quarantine"
        raise PermanentFailure(f"GPU {shown(uuid)} cannot be freed: {among}.")
    with desk.writing() as connection:
        gpus.end_quarantine(connection, uuid)


def view(answer: Answer) -> "Iterator[RenderableType]":
    """A table of GPUs; of an unknown inventory only the reason."""
    from scripts.terminal.layout import heading, sentence, table

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

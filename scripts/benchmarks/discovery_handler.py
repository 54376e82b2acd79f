"""The handler of the benchmark's jobs: it returns at once, so what is measured is everything else."""

from typing import Any

from assets.discovery.contract import Work

HANDLER_VERSION = 1


def handle(work: Work) -> dict[str, Any]:
    """The key and the stage."""
    return {"key": work.key, "stage": work.stage}

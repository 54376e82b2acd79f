"""Loads the promotions of ingress days: `main`, as the predecessor's module of this name had it."""

from typing import Any

from assets.dwh.registry import REGISTRY
from scripts.dwh_runs import run_as_asset


def main(**kwargs: Any) -> dict[str, Any]:
    """Run `load_promos` with the arguments of its command line; see `run_as_asset`."""
    return run_as_asset(REGISTRY["load_promos"], kwargs)

"""The demo of aim: from feeds and runlist to the published lists and reports of one run date."""

import json
import sys
from collections.abc import Sequence
from typing import Any, Final

import polars as pl
from rich.table import Table

from assets.aim.slots import EMPTY, HOTBOXES, LIST_SLOTS
from assets.aim.tables import LISTS, SCORES
from resources.home import quintet_home
from resources.warehouse import DuckDBWarehouse
from scripts.demos.steps import Guide, Result, console

TITLE: Final = "feeds to ranked tyre recommendations"

RUN_DATE: Final = "2025-06-10"
_SHOWN_LISTS: Final = 3


def demonstrate(guide: Guide) -> Result:
    """Sample inputs, all stages of one run date through Dagster, and what was published."""
    python = [sys.executable, "-m"]
    guide.run(
        "feeds, runlist, reference, events", [*python, "scripts.sample_data", "aim", "--date", RUN_DATE]
    )
    materialise = [*python, "dagster", "asset", "materialize", "-f", "definitions.py"]
    guide.run(f"all stages, {RUN_DATE}", [*materialise, "--select", "group:aim", "--partition", RUN_DATE])
    root = quintet_home() / "storage" / "aim"
    warehouse = DuckDBWarehouse(path=str(root / "warehouse.duckdb")).reading()
    _show_tiers(warehouse.rows(SCORES))
    _show_manifest(json.loads((root / "output" / "run_manifest.json").read_bytes()))
    return Result(
        _lists(warehouse.rows(LISTS, order_by=["Vehicle"])),
        [
            _success_and_cost(json.loads((root / "output" / "cost_report.json").read_bytes())),
            f"Files and tables: {root}",
        ],
    )


def _lists(lists: pl.DataFrame) -> Table:
    """One list of each of the first vehicles."""
    table = Table(
        *("vehicle", "size", *HOTBOXES, "then"),
        title=f"aim: the recommendations of {_SHOWN_LISTS} vehicles, best first",
        title_justify="left",
    )
    for row in (
        lists.unique("Vehicle", keep="first", maintain_order=True).head(_SHOWN_LISTS).iter_rows(named=True)
    ):
        listed = [row[slot] for slot in LIST_SLOTS if row[slot] != EMPTY]
        shown = " ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
        table.add_row(row["Vehicle"], row["Size"], *(row[slot] for slot in HOTBOXES), shown)
    return table


def _success_and_cost(report: dict[str, Any]) -> str:
    attempted, succeeded = (report["units"][name] for name in ("cams_attempted", "cams_succeeded"))
    return (
        f"Recommended for {succeeded} of {attempted} CAMs, for £{report['estimated_cost_gbp']:.5f} (the "
        "embedded ranker is free)."
    )


def _show_tiers(scores: pl.DataFrame) -> None:
    products = scores.unique("ProductId").with_columns(pl.col("GRADE").fill_null("none").str.to_uppercase())
    counts = products.pivot(
        "GRADE", index="TyreScore", values="ProductId", aggregate_function="len", sort_columns=True
    ).fill_null(0)
    table = Table(*counts.columns, title="Products by tier and grade")
    for row in counts.sort("TyreScore").iter_rows():
        table.add_row(*map(str, row))
    console.print(table)


def _show_manifest(manifest: dict[str, Any]) -> None:
    table = Table("stage", "outcome", "rows", title=f"run_manifest.json of {manifest['run_id']}")
    for stage in manifest["stages"]:
        table.add_row(stage["name"], stage["outcome"], f"{stage['rows']:,}")
    console.print(table)
    console.print(_sql_line(manifest["sql_files"]))


def _sql_line(files: Sequence[dict[str, Any]]) -> str:
    last = files[-1]
    proof = f"{last['size']:,} bytes, SHA-256 {last['sha256'][:16]}…"
    return f"{len(files)} SQL files ran, the last one {last['file']}, {proof}"

"""The demo of market: vendor files of three months to training tables, and what the sensor says."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import dagster as dg
from rich.table import Table

from assets.market.brackets import BRACKETS
from assets.market.checks import ASSET_KEYS
from assets.market.months import BUCKET, statistics_key, training_table_key
from definitions import build_defs
from resources.home import quintet_home
from scripts.demos.steps import Guide, Result, console

MONTHS = {"2025-08": "small", "2025-09": "small", "2025-10": "full"}
FULL_MONTH = "2025-10"
SELECTION = " or ".join(f'key:"{key.to_user_string()}"' for key in ASSET_KEYS.values())

_SIZES = dict.fromkeys(bracket.size for bracket in BRACKETS)


TITLE: Final = "1-second futures bars to monthly training tables"


def demonstrate(guide: Guide) -> Result:
    """Vendor files of three months to training tables: one month, a range, and what the sensor says."""
    python = [sys.executable, "-m"]
    for size in ("small", "full"):
        command = [*python, "scripts.sample_data", "market", "--size", size, *_month_flags(size)]
        guide.run(f"vendor files, {size}", command)
    materialise = [*python, "dagster", "asset", "materialize", "-f", "definitions.py", "--select", SELECTION]
    guide.run(f"one month, {FULL_MONTH}", [*materialise, "--partition", FULL_MONTH])
    first, last = min(MONTHS), max(MONTHS)
    guide.run(f"a range, {first} to {last}", [*materialise, "--partition-range", f"{first}...{last}"])
    with guide.step("the sensor, two looks"):
        _show_sensor()
    return _months()


def _month_flags(size: str) -> list[str]:
    return [flag for month, its_size in MONTHS.items() if its_size == size for flag in ("--month", month)]


def _show_sensor() -> None:
    """Let the sensor look twice, as the daemon would, and say what it would start."""
    defs = build_defs()
    sensor, cursor = defs.resolve_sensor_def("market_month_sensor"), None
    for look in (1, 2):
        with dg.build_sensor_context(
            dg.DagsterInstance.get(), cursor, resources=defs.resources, definitions=defs
        ) as context:
            tick = sensor.evaluate_tick(context)
        cursor = tick.cursor
        requests = ", ".join(request.run_key or "" for request in tick.run_requests or [])
        console.print(
            f"  look {look}: {f'requests {requests}' if requests else tick.skip_message}", highlight=False
        )


def _months() -> Result:
    bucket = quintet_home() / "storage" / BUCKET
    table = Table(
        *("month", "sessions", "rows", "filled", *_SIZES, "seconds", "peak MiB"),
        title="market: win rates of the labels, long / short, as shares of rows",
        title_justify="left",
    )
    for month in MONTHS:
        statistics = json.loads((bucket / statistics_key(month)).read_bytes())
        filling, made = statistics["pipeline_statistics"]["gap_filling"], _recorded(month)
        modes = statistics["pipeline_statistics"]["labeling"]["modes"]
        table.add_row(
            month,
            str(filling["trading_days"]),
            f"{filling['filled_rows']:,}",
            f"{filling['added_rows'] / filling['filled_rows']:.1%}",
            *(_win_rates(modes, size) for size in _SIZES),
            str(made.get("seconds", "")),
            str(made.get("peak_mebibytes", "")),
        )
    return Result(table, [f"Tables: {bucket / Path(training_table_key(FULL_MONTH)).parents[2]}"])


def _win_rates(modes: Mapping[str, Any], size: str) -> str:
    return " / ".join(f"{modes[f'{size}_{side}']['win_rate']:.1%}" for side in ("long", "short"))


def _recorded(month: str) -> Mapping[str, Any]:
    """What Dagster has recorded of the newest training table of a month."""
    records = (
        dg.DagsterInstance.get()
        .fetch_materializations(
            dg.AssetRecordsFilter(asset_key=ASSET_KEYS["training_table"], asset_partitions=[month]), limit=1
        )
        .records
    )
    materialisation = records[0].asset_materialization
    return {
        name: entry.value for name, entry in (materialisation.metadata if materialisation else {}).items()
    }

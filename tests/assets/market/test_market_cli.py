"""The documented command: `dagster asset materialize` for a month and for a range, in its own process."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest

from assets.market.checks import ASSET_KEYS
from assets.market.months import raw_key
from tests.market_samples import cut, opened_market, tiny_file

pytestmark = pytest.mark.materialise

ROOT = Path(__file__).parents[3]
SELECTION = 'key:"market/session_bars" or key:"market/training_table" or key:"market/month_statistics"'
FIRST, MIDDLE, LAST = "2025-08", "2025-09", "2025-10"


def materialise(*arguments: str) -> tuple[int, str]:
    """Run the command from the root of the repository; return its exit code and all that it printed."""
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-f", "definitions.py"]
    end = subprocess.run(
        [*command, "--select", SELECTION, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return end.returncode, end.stdout


def recorded() -> Sequence[list[str]]:
    with dg.DagsterInstance.get() as instance:
        return [sorted(instance.get_materialized_partitions(key)) for key in ASSET_KEYS.values()]


def test_one_month_is_made_and_exits_with_0_and_one_without_a_file_with_1_and_its_full_key():
    with opened_market() as market:
        market.put_tiny(LAST)
        code, output = materialise("--partition", LAST)
        assert code == 0, output
        assert len(market.objects(LAST)) == 3
    assert recorded() == [[LAST]] * 3
    code, output = materialise("--partition", "2024-02")
    assert code == 1
    assert "raw-data/databento/glbx-mdp3-20240201-20240229.ohlcv-1s.dbn.zst" in output
    assert "there is no vendor file of 2024-02" in output
    assert recorded() == [[LAST]] * 3


def test_a_range_exits_with_1_until_its_refused_file_is_replaced_and_resumes():
    with opened_market() as market:
        market.put_tiny(FIRST, LAST)
        market.put(MIDDLE, cut(tiny_file(MIDDLE)))
        code, output = materialise("--partition-range", f"{FIRST}...{LAST}")
        assert code == 1
        assert "1 of 3 months failed, the others are finished and recorded:" in output
        assert f"{MIDDLE}: {raw_key(MIDDLE)}: the zstd frame that starts at byte 0 does not end" in output
        assert recorded() == [[FIRST, LAST]] * 3
        finished = market.objects(FIRST, LAST)
        market.put_tiny(MIDDLE)
        config = {"ops": {"market_month": {"config": {"skip_unchanged": True}}}}
        arguments = ["--partition-range", f"{FIRST}...{LAST}", "--config-json", json.dumps(config)]
        code, output = materialise(*arguments)
        assert code == 0, output
        assert f"{FIRST}: unchanged, skipped" in output
        assert f"{MIDDLE}: 1,500 rows" in output
        assert recorded() == [[FIRST, MIDDLE, LAST]] * 3
        assert market.objects(FIRST, LAST) == finished

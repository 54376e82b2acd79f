"""How a label came about, told from a published table in the documented lines."""

import math
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from assets.market.session_calendar import CHICAGO
from resources.object_store import LocalObjectStore
from scripts.explain_label import main
from tests.market_samples import encoded, opened_market

pytestmark = pytest.mark.materialise

P = 26_800  # 6700.00 in ticks
DAY = "2025-10-15"


def second(clock: str, day: str = DAY) -> int:
    return int(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=CHICAGO).timestamp())


BARS = {
    # Worked example L01: an excursion of two ticks, and the target a second after the entry.
    "09:00:00": (0, 0, 0, 0),
    "09:00:01": (0, 1, -2, 0),
    "09:00:02": (0, 12, 0, 12),
    # One second holds both the target and the stop of a long trade.
    "12:00:01": (12, 24, 6, 12),
}


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A home with the training table of October 2025, whose weights decay from the October after it."""
    home = tmp_path_factory.mktemp("home")
    with opened_market(LocalObjectStore(root=str(home / "storage"))) as market:
        seconds = [second(clock) for clock in BARS]
        bars = [tuple(P + ticks for ticks in bar) for bar in BARS.values()]
        market.put("2025-10", encoded("2025-10", seconds, bars))
        assert market.run("2025-10").success
    return home


@pytest.fixture(autouse=True)
def _reads_the_published_table(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_HOME", str(published))


EXPLANATIONS = {
    "the documented winner": (
        ["--at", "2025-10-15T09:00:00-05:00", "--mode", "low_vol_long"],
        """\
signal   2025-10-15 09:00:00 CDT, ES-2025-12
entry    6700.00 at 09:00:01 (traded)
target   6703.00 (+12 ticks)
stop     6698.50 (-6 ticks)
touch    target at 09:00:02, 1 s after entry
mae      2 ticks
weight   3.000000 = quality 1.500000 * velocity 2.000000 * decay 1.000000
label    1 (target)
""",
    ),
    "the same second in UTC": (
        ["--at", "2025-10-15T14:00:00Z", "--mode", "normal_vol_long"],
        """\
signal   2025-10-15 09:00:00 CDT, ES-2025-12
entry    6700.00 at 09:00:01 (traded)
target   6704.00 (+16 ticks)
stop     6698.00 (-8 ticks)
touch    none (timeout)
mae      -
weight   1.000000 = decay 1.000000
label    0 (timeout)
""",
    ),
    "a short loser": (
        ["--at", "2025-10-15T09:00:00-05:00", "--mode", "high_vol_short"],
        """\
signal   2025-10-15 09:00:00 CDT, ES-2025-12
entry    6700.00 at 09:00:01 (traded)
target   6695.00 (-20 ticks)
stop     6702.50 (+10 ticks)
touch    stop at 09:00:02, 1 s after entry
mae      12 ticks
weight   1.000000 = decay 1.000000
label    0 (stop)
""",
    ),
    "a filled entry": (
        ["--at", "2025-10-15T10:00:00-05:00", "--mode", "low_vol_long"],
        """\
signal   2025-10-15 10:00:00 CDT, ES-2025-12
entry    6703.00 at 10:00:01 (filled, no trade)
target   6706.00 (+12 ticks)
stop     6701.50 (-6 ticks)
touch    none (timeout)
mae      -
weight   1.000000 = decay 1.000000
label    0 (timeout)
""",
    ),
    "both sides in one second": (
        ["--at", "2025-10-15T12:00:00-05:00", "--mode", "low_vol_long"],
        """\
signal   2025-10-15 12:00:00 CDT, ES-2025-12
entry    6703.00 at 12:00:01 (traded)
target   6706.00 (+12 ticks)
stop     6701.50 (-6 ticks)
touch    target and stop at 12:00:01, 0 s after entry
mae      6 ticks
weight   1.000000 = decay 1.000000
label    0 (both)
""",
    ),
    "the end of the session": (
        ["--at", "2025-10-15T14:50:00-05:00", "--mode", "low_vol_short"],
        """\
signal   2025-10-15 14:50:00 CDT, ES-2025-12
entry    6703.00 at 14:50:01 (filled, no trade)
target   6700.00 (-12 ticks)
stop     6704.50 (+6 ticks)
touch    none (session_end)
mae      -
weight   1.000000 = decay 1.000000
label    0 (session_end)
""",
    ),
    "the last second": (
        ["--at", "2025-10-15T14:59:59-05:00", "--mode", "low_vol_short"],
        """\
signal   2025-10-15 14:59:59 CDT, ES-2025-12
entry    -
target   -
stop     -
touch    -
mae      -
weight   1.000000 = decay 1.000000
label    0 (no_entry)
""",
    ),
}


@pytest.mark.parametrize(("arguments", "lines"), EXPLANATIONS.values(), ids=EXPLANATIONS.keys())
def test_a_label_is_told_in_the_documented_lines(capsys, arguments, lines):
    assert main(arguments) == 0
    assert capsys.readouterr().out == lines


def test_the_decay_of_the_published_weights_is_told(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("QUINTET_HOME", str(tmp_path))
    with opened_market() as market:
        start = second("14:55:00")
        bars = [(P, P, P, P), (P, P + 1, P - 2, P), (P, P + 12, P, P + 12)]
        market.put("2025-10", encoded("2025-10", [start, start + 1, start + 2], bars))
        assert market.run("2025-10", decay_reference_month="2026-10").success
    assert main(["--at", "2025-10-15T14:55:00-05:00", "--mode", "low_vol_long"]) == 0
    decay = math.exp(-0.05 * 12)
    line = f"weight   {3 * decay:.6f} = quality 1.500000 * velocity 2.000000 * decay {decay:.6f}"
    assert capsys.readouterr().out.splitlines()[6] == line


@pytest.mark.parametrize(
    ("at", "mode", "said"),
    [
        ("2025-10-15T09:00:00", "low_vol_long", "has no UTC offset"),
        ("nine o'clock", "low_vol_long", "nine o'clock"),
        ("2025-10-15T09:00:00-05:00", "low_vol", "low_vol_long"),
        ("2025-10-15T08:59:59-05:00", "low_vol_long", "has no row in the training table of 2025-10"),
        ("2025-10-15T15:00:00-05:00", "low_vol_long", "has no row in the training table of 2025-10"),
        ("2025-10-15T09:00:00.5-05:00", "low_vol_long", "has no row"),
        ("2025-10-18T10:00:00-05:00", "low_vol_long", "has no row"),
        ("2025-09-15T09:00:00-05:00", "low_vol_long", "no training table of 2025-09 has been published"),
    ],
    ids=[
        "a naive time",
        "no time",
        "an unknown mode",
        "before the first trade",
        "at the close",
        "between two seconds",
        "a Saturday",
        "another month",
    ],
)
def test_a_time_or_mode_without_a_label_ends_with_2(capsys, at, mode, said):
    assert main(["--at", at, "--mode", mode]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert line.startswith("explain_label: ")
    assert said in line


@pytest.mark.parametrize("arguments", [[], ["--at", "2025-10-15T09:00:00-05:00"], ["--when", "now"]])
def test_wrong_flags_end_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2


def test_a_second_belongs_to_the_month_of_chicagos_date(capsys):
    midnight = datetime(2025, 11, 1, tzinfo=CHICAGO) - timedelta(seconds=1)
    assert main(["--at", midnight.isoformat(), "--mode", "low_vol_long"]) == 2
    assert "training table of 2025-10" in capsys.readouterr().err

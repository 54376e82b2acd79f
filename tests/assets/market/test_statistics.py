"""month_statistics: every documented key, counts that agree with the table, and a JSON that is only facts."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from assets.market.brackets import MODES
from assets.market.features import FEATURES
from assets.market.recipe import CODE_VERSION, Fingerprint
from assets.market.statistics import labelling, month_statistics, published_fingerprint, table_counts, to_json
from tests.assets.market.bars import flat, month_bars, stretch, wave
from tests.assets.market.months_of_bars import judged_wave, provenance_of, table_of

OUTCOMES = ["target", "stop", "both", "timeout", "session_end", "no_entry"]


@pytest.fixture(scope="module")
def statistics():
    return json.loads(to_json(judged_wave().month_statistics))


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return judged_wave().training_table


def test_the_file_has_the_documented_keys(statistics):
    assert set(statistics) == {
        "month", "rules", "decay_reference_month", "statistics_available", "input", "fingerprint",
        "pipeline_statistics", "sessions", "features",
    }  # fmt: skip
    assert set(statistics["input"]) == {"key", "etag", "size_bytes", "records"}
    assert set(statistics["fingerprint"]) == {"config_digest", "code_version"}
    parts = statistics["pipeline_statistics"]
    assert set(parts["contract_filtering"]) >= {
        "original_rows", "original_dates", "filtered_rows", "filtered_dates", "removed_rows",
        "days_with_multiple_contracts", "removal_percentage",
    }  # fmt: skip
    assert set(parts["rth_filtering"]) == {"original_rows", "rth_rows", "eth_rows", "removal_percentage"}
    assert set(parts["gap_filling"]) == {
        "original_rows", "filled_rows", "added_rows", "trading_days", "expected_rows_per_day",
        "expected_rows", "avg_rows_per_day",
    }  # fmt: skip
    assert set(parts["labeling"]) == {"total_rows", "total_columns", "modes"}
    assert set(parts["labeling"]["modes"]) == set(MODES)
    for mode in parts["labeling"]["modes"].values():
        assert set(mode) == {
            "win_rate", "winners", "losers", "avg_weight", "avg_winner_weight", "avg_loser_weight",
            "outcomes",
        }  # fmt: skip
        assert set(mode["outcomes"]) == set(OUTCOMES)
    assert set(statistics["sessions"][0]) == {
        "session_date", "contract", "close_ct", "rows", "added_rows", "volume", "contract_volume",
        "runner_up", "runner_up_volume", "contract_by_previous_session_volume", "duplicates_dropped",
        "bars_after_close",
    }  # fmt: skip
    assert set(statistics["features"]) == set(FEATURES)
    assert all(set(feature) == {"nulls", "min", "max", "mean"} for feature in statistics["features"].values())


def test_numbers_are_numbers_and_never_text(statistics):
    """The predecessor wrote counts as text, such as "0"."""

    def check(value: object, path: str) -> None:
        if isinstance(value, dict):
            for name, part in value.items():
                check(part, f"{path}.{name}")
        elif isinstance(value, list):
            for part in value:
                check(part, path)
        elif isinstance(value, str):
            assert not value.replace(".", "").lstrip("-").isdecimal() or path.endswith("code_version"), path

    check(statistics, "")


def test_counts_are_those_of_the_table(statistics, table):
    gap = statistics["pipeline_statistics"]["gap_filling"]
    filled = int(table["is_filled"].sum())
    assert gap == {
        "original_rows": 56_700 - filled, "filled_rows": 56_700, "added_rows": filled, "trading_days": 3,
        "expected_rows_per_day": 27_000, "expected_rows": 56_700, "avg_rows_per_day": 18_900.0,
    }  # fmt: skip
    labelled = statistics["pipeline_statistics"]["labeling"]
    assert (labelled["total_rows"], labelled["total_columns"]) == (56_700, 82)
    for name, mode in labelled["modes"].items():
        won = table.filter(pl.col(f"label_{name}") == 1)
        assert (mode["winners"], mode["losers"]) == (won.height, 56_700 - won.height)
        assert mode["win_rate"] == won.height / 56_700
        assert sum(mode["outcomes"].values()) == 56_700
        assert mode["outcomes"]["target"] == won.height
        assert mode["outcomes"]["no_entry"] == 3
        assert mode["avg_winner_weight"] == pytest.approx(won[f"weight_{name}"].cast(pl.Float64).mean())
        assert mode["avg_loser_weight"] == pytest.approx(float(np.exp(-0.3)), rel=1e-6)


def test_shares_are_fractions_and_percentages_go_to_a_hundred():
    bars = judged_wave().bars
    removed = 10_000
    records = bars.summary.filtered_rows + removed
    summary = replace(bars.summary, original_rows=records)
    statistics = month_statistics(
        "2025-04", judged_wave().training_table, summary, provenance_of(bars), "2025-10"
    )
    filtering = statistics["pipeline_statistics"]["contract_filtering"]
    assert filtering["removed_rows"] == removed
    assert filtering["removal_percentage"] == pytest.approx(100 * removed / records)
    assert 0 < statistics["pipeline_statistics"]["labeling"]["modes"]["low_vol_long"]["win_rate"] < 1


def test_feature_ranges_are_those_of_the_table(statistics, table):
    for name in FEATURES:
        found, values = statistics["features"][name], table[name].drop_nulls()
        assert found["nulls"] == table.height - len(values)
        assert (found["min"], found["max"]) == (values.min(), values.max())
        assert found["mean"] == pytest.approx(values.mean(), rel=1e-9, abs=1e-12)


def test_what_has_no_value_is_null_and_not_nan():
    bars = month_bars(stretch(flat(0, 20)))
    statistics = month_statistics("2025-10", table_of(bars), bars.summary, provenance_of(bars), "2025-10")
    content = json.loads(to_json(statistics))
    assert content["features"]["vwap_slope"] == {"nulls": 20, "min": None, "max": None, "mean": None}
    mode = content["pipeline_statistics"]["labeling"]["modes"]["low_vol_long"]
    assert (mode["winners"], mode["win_rate"], mode["avg_winner_weight"]) == (0, 0, None)


def test_a_nan_in_the_statistics_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"mean": float("nan")})


def test_the_text_is_sorted_indented_and_the_same_each_time(statistics):
    text = to_json(judged_wave().month_statistics)
    assert text == (json.dumps(statistics, sort_keys=True, indent=2) + "\n").encode()
    assert b"processing_date" not in text


def test_the_fingerprint_comes_back_from_the_file(statistics):
    provenance = provenance_of(judged_wave().bars)
    assert published_fingerprint(statistics) == provenance.fingerprint
    assert published_fingerprint(statistics) == Fingerprint(
        "an-etag", 1234, provenance.config_digest, CODE_VERSION
    )


def test_averages_do_not_depend_on_how_the_table_is_chunked(table):
    in_chunks = pl.concat([table[:1], table[1:30_001], table[30_001:]], rechunk=False)
    assert labelling(in_chunks) == labelling(table)
    assert table_counts(in_chunks) == table_counts(table)


def test_a_fresh_count_of_the_table_is_part_of_the_statistics(statistics, table):
    counts = table_counts(table)
    assert counts["pipeline_statistics"]["labeling"] == statistics["pipeline_statistics"]["labeling"]
    assert [session["rows"] for session in counts["sessions"]] == [27_000, 27_000, 2_700]
    volumes = [int(wave(rows).bars[:, 4].sum()) for rows in (27_000, 27_000, 2_700)]
    assert [session["volume"] for session in counts["sessions"]] == volumes

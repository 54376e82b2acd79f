"""The claims as asset checks: what blocks a month, what only warns, and checks launched on their own."""

import json
from collections.abc import Callable, Set
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets.market import blocking_claims, informing_claims
from assets.market import month as month_module
from assets.market.checks import ASSET_KEYS, CHECK_SPECS
from assets.market.months import BUCKET, training_table_key
from assets.market.training_table import to_parquet
from tests.market_samples import TABLES, Market, evaluations, failure_of, materialisations, opened_market

pytestmark = pytest.mark.materialise

FIRST, MIDDLE, LAST = "2025-08", "2025-09", "2025-10"


@pytest.fixture
def market():
    with opened_market() as market:
        yield market


def corrupted(name: str, change: Callable[[pl.Series], pl.Series], month: str | None = None) -> Any:
    """`training_table.assemble`, but one column of one month (of all months) is changed."""
    assemble = month_module.training_table.assemble

    def changed(bars: Any, *parts: Any) -> pl.DataFrame:
        frame = assemble(bars, *parts)
        if month and not str(frame["session_date"][0]).startswith(month):
            return frame
        return frame.with_columns(change(frame[name]).alias(name))

    return changed


def launch_checks(market: Market, keys: Set[dg.AssetCheckKey]) -> dg.ExecuteInProcessResult:
    job = market.defs.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection=keys)
    return job.execute_in_process(instance=market.instance, raise_on_error=False)


def times_recorded(market: Market) -> int:
    return len(market.instance.fetch_materializations(ASSET_KEYS["training_table"], limit=100).records)


def rows_of(evaluation: dg.AssetCheckEvaluation) -> list[Any]:
    value = evaluation.metadata["rows"]
    assert isinstance(value, dg.JsonMetadataValue)
    assert isinstance(value.data, list)
    return value.data


def damage(market: Market, month: str) -> None:
    """Change the weights of a published table without anybody's knowledge."""
    key = training_table_key(month)
    path = market.store.uri(BUCKET, key)
    frame = pl.read_parquet(path).with_columns(pl.col("weight_low_vol_long") * 5)
    metadata = {name: text for name, text in pl.read_parquet_metadata(path).items() if name != "ARROW:schema"}
    market.store.put_bytes(BUCKET, key, to_parquet(frame, metadata))


EVERY_CHECK = {spec.key for spec in CHECK_SPECS}

CORRUPTIONS: dict[str, tuple[str, Callable[[pl.Series], pl.Series]]] = {
    "nulls_are_exactly_the_warm_up": ("vwap", lambda column: column.set(column > column.min(), None)),
    "weights_lie_in_their_bounds": ("weight_low_vol_long", lambda column: column * 5),
    "labels_agree_with_outcomes": ("label_high_vol_short", lambda column: 1 - column),
    "columns_and_types_are_as_documented": ("volume", lambda column: column.cast(pl.Int32)),
}


@pytest.mark.parametrize(("claim", "corruption"), CORRUPTIONS.items(), ids=CORRUPTIONS.keys())
def test_a_broken_blocking_claim_publishes_nothing_records_nothing_and_is_named(
    market, monkeypatch, claim, corruption
):
    market.put_tiny(LAST)
    assert market.run(LAST).success
    before, recorded = market.objects(LAST), times_recorded(market)
    market.put_tiny(LAST, seed=1)
    monkeypatch.setattr(month_module.training_table, "assemble", corrupted(*corruption))
    result = market.run(LAST)
    sentence = failure_of(result)
    assert sentence.startswith(f"The checks refuse {LAST}, and nothing was replaced: ")
    assert claim in sentence
    assert "\n" not in sentence
    assert market.objects(LAST) == before
    assert materialisations(result) == {}
    assert times_recorded(market) == recorded
    judged = evaluations(result)[claim]
    assert (judged.passed, judged.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert judged.metadata["months"].value == LAST
    assert judged.metadata["rows"].value


def test_in_a_range_only_the_month_that_breaks_a_blocking_claim_fails(market, monkeypatch):
    market.put_tiny(FIRST, MIDDLE, LAST)
    name, change = CORRUPTIONS["weights_lie_in_their_bounds"]
    monkeypatch.setattr(month_module.training_table, "assemble", corrupted(name, change, MIDDLE))
    result = market.run(FIRST, LAST, workers=1)
    heading, line = failure_of(result).splitlines()
    assert heading.startswith("1 of 3 months failed")
    assert line.startswith(f"{MIDDLE}: The checks refuse {MIDDLE}")
    assert "weights_lie_in_their_bounds" in line
    assert market.recorded() == [FIRST, LAST]
    assert market.objects(MIDDLE) == {}
    judged = evaluations(result)["weights_lie_in_their_bounds"]
    assert not judged.passed
    assert judged.metadata["months_judged"].value == 3
    assert judged.metadata["months"].value == MIDDLE
    assert evaluations(result)["labels_agree_with_outcomes"].passed


def test_a_broken_informing_claim_warns_with_its_rows_and_fails_nothing(market):
    market.put_tiny(LAST)  # One session of the month's 23, so a claim about the calendar is broken.
    result = market.run(LAST)
    assert result.success
    judged = evaluations(result)["every_calendar_session_is_present"]
    assert (judged.passed, judged.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert judged.metadata["breaches"].value == 22
    (first, *_) = rows_of(judged)
    assert first == {"month": LAST, "session": "2025-10-01", "found": "no bar of an outright in the file"}


def test_the_rows_of_a_check_over_many_months_stay_few(market):
    months = ("2025-05", "2025-06", "2025-07", FIRST)
    market.put_tiny(*months)
    result = market.run(months[0], months[-1], workers=1)
    judged = evaluations(result)["every_calendar_session_is_present"]
    assert judged.metadata["breaches"].value == 21 + 20 + 22 + 20
    assert len(rows_of(judged)) == 50


def test_every_documented_claim_is_a_check_of_its_asset_and_blocks_as_documented():
    specs = {spec.name: spec for spec in CHECK_SPECS}
    assert len(specs) == 19
    for claims, is_blocking in (
        (blocking_claims.BLOCKING_CLAIMS, True),
        (informing_claims.INFORMING_CLAIMS, False),
    ):
        for claim in claims:
            assert specs[claim.name].blocking is is_blocking
            assert specs[claim.name].asset_key == ASSET_KEYS[claim.on]
            assert specs[claim.name].description


def test_checks_launched_alone_judge_the_newest_month(market):
    market.put_tiny(FIRST, LAST)
    assert market.run(LAST).success
    assert market.run(FIRST).success
    damage(market, FIRST)
    assert launch_checks(market, EVERY_CHECK).success
    damage(market, LAST)
    result = launch_checks(market, EVERY_CHECK)
    judged = evaluations(result)
    assert set(judged) == {spec.name for spec in CHECK_SPECS}
    assert not judged["weights_lie_in_their_bounds"].passed
    assert judged["weights_lie_in_their_bounds"].metadata["months"].value == LAST
    assert not judged["statistics_match_the_table"].passed
    assert judged["volume_is_the_contracts_own"].passed


def test_a_single_check_can_be_launched_alone(market):
    market.put_tiny(LAST)
    assert market.run(LAST).success
    key = dg.AssetCheckKey(ASSET_KEYS["month_statistics"], "statistics_match_the_table")
    result = launch_checks(market, {key})
    assert result.success
    assert set(evaluations(result)) == {"statistics_match_the_table"}


def test_checks_without_a_month_to_judge_say_what_to_do_first(market):
    sentence = failure_of(launch_checks(market, EVERY_CHECK))
    assert "materialise the assets of a month first" in sentence


def test_checks_of_a_month_whose_object_was_removed_say_what_to_do_first(market):
    market.put_tiny(LAST)
    assert market.run(LAST).success
    market.store.delete(BUCKET, training_table_key(LAST))
    sentence = failure_of(launch_checks(market, EVERY_CHECK))
    assert "materialise market/training_table of 2025-10 first" in sentence


def test_win_rates_are_compared_with_the_published_neighbours(market):
    market.put_tiny(FIRST, MIDDLE)
    assert market.run(FIRST).success
    statistics_key = next(key for key in market.objects(FIRST) if key.endswith(".json"))
    statistics = json.loads(market.store.read_bytes(BUCKET, statistics_key))
    for mode in statistics["pipeline_statistics"]["labeling"]["modes"].values():
        mode["win_rate"] = 0.999
    market.store.put_bytes(BUCKET, statistics_key, json.dumps(statistics).encode())
    judged = evaluations(market.run(MIDDLE))["win_rates_follow_the_neighbouring_months"]
    assert not judged.passed
    assert all(f"{FIRST} has 99.9%" in row["found"] for row in rows_of(judged))


def test_a_run_of_one_table_judges_the_claims_about_that_table_only(market):
    market.put_tiny(LAST)
    judged = evaluations(market.run(LAST, None, TABLES[0]))
    assert {evaluation.asset_key for evaluation in judged.values()} == {ASSET_KEYS[TABLES[0]]}
    assert len(judged) == 10

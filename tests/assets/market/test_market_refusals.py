"""What is refused, how it is said, and what is left standing: bad config, bad files, months that fail."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from assets import retries
from assets.market import month as month_module
from assets.market.checks import ASSET_KEYS
from assets.market.months import raw_key
from assets.market.published import OBJECT_KEYS, month_state
from assets.market.recipe import Recipe
from assets.retries import RUN_RETRY_TAG, Patience
from resources.object_store import AccessRefused, LocalObjectStore, PreconditionFailed, StoreUnavailable
from tests.market_samples import (
    SPREAD,
    TABLES,
    cut,
    evaluations,
    failure_of,
    materialisations,
    opened_market,
    tiny_file,
)

pytestmark = pytest.mark.materialise

MONTHS = ("2025-08", "2025-09", "2025-10")
FIRST, MIDDLE, LAST = MONTHS

REFUSED: dict[str, tuple[Callable[[str], bytes], str]] = {
    "cut": (lambda month: cut(tiny_file(month)), "does not end"),
    "empty": (lambda month: b"", "the file is empty"),
    "foreign schema": (lambda month: tiny_file(month, schema=6), "schema ohlcv-1m found"),
    "spreads only": (lambda month: tiny_file(month, symbol=SPREAD), "belongs to an ES outright"),
    "another month": (lambda month: tiny_file("2024-12"), f"lies in a session of {MIDDLE}"),
}


@pytest.fixture
def market():
    with opened_market() as market:
        yield market


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without waits."""
    monkeypatch.setattr(retries, "DEFAULT_PATIENCE", Patience(retries=2, first_wait=0))


FAULTS = {"refused": AccessRefused, "replaced": PreconditionFailed, "unreachable": StoreUnavailable}


class FaultyStore(LocalObjectStore):
    """A store that at first fails to read a vendor file, some `times`; a file counts them for all copies."""

    kind: str
    times: int

    def read_bytes(self, bucket: str, key: str) -> bytes:
        faults = Path(self.root) / ".faults"
        so_far = faults.stat().st_size if faults.exists() else 0
        if key.startswith("raw-data/") and so_far < self.times:
            faults.write_bytes(b"." * (so_far + 1))
            raise FAULTS[self.kind](f"{key}: the store says no")
        return super().read_bytes(bucket, key)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"rules": "loose"}, "not in enum type Literal['strict', 'compat'] got loose"),
        ({"duplicates": "first"}, "not in enum type Literal['error', 'last'] got first"),
        ({"workers": "many"}, 'Value "many"'),
        ({"skip_unchanged": "maybe"}, 'Value "maybe"'),
        ({"speed": 3}, "rules?: Literal['strict', 'compat']"),
    ],
)
def test_an_unknown_config_value_fails_before_any_work_and_lists_the_choices(market, config, said):
    market.put_tiny(LAST)
    with pytest.raises(dg.DagsterInvalidConfigError) as refusal:
        market.run(LAST, **config)
    assert said in str(refusal.value)
    assert market.instance.get_runs_count() == 0


@pytest.mark.parametrize("month", ["2025-13", "October 2025", "2025-1", ""])
def test_a_decay_reference_that_is_no_month_fails_before_any_work(market, month):
    market.put_tiny(LAST)
    sentence = failure_of(market.run(LAST, decay_reference_month=month))
    assert sentence == (
        f"Launch config of market_month: decay_reference_month: '{month}' is not a month; write it as "
        "YYYY-MM, for example 2025-10"
    )
    assert market.objects(LAST) == {}


def test_no_worker_at_all_is_refused_before_any_work(market):
    market.put_tiny(LAST)
    result = market.run(LAST, workers=0)
    assert failure_of(result).startswith("Launch config of market_month: workers: 0 is too few")
    assert market.objects(LAST) == {}


def test_a_month_without_a_vendor_file_is_refused_with_the_full_key(market):
    result = market.run("2024-02")
    assert "raw-data/databento/glbx-mdp3-20240201-20240229.ohlcv-1s.dbn.zst" in failure_of(result)
    assert "there is no vendor file of 2024-02" in failure_of(result)
    assert market.recorded() == []


@pytest.mark.parametrize(("damage", "rule"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_file_says_one_sentence_and_leaves_everything_as_it_was(market, damage, rule):
    market.put_tiny(MIDDLE)
    assert market.run(MIDDLE).success
    before = market.objects(MIDDLE)
    market.put(MIDDLE, damage(MIDDLE))
    result = market.run(MIDDLE)
    sentence = failure_of(result)
    assert sentence.startswith(raw_key(MIDDLE))
    assert rule in sentence
    assert "\n" not in sentence
    assert market.objects(MIDDLE) == before
    assert materialisations(result) == {}


def test_a_refused_file_is_not_tried_again_by_the_step_nor_by_a_new_run(market):
    market.put(LAST, b"")
    result = market.run(LAST)
    assert not result.success
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
    run = market.instance.get_run_by_id(result.run_id)
    assert run
    assert run.tags[RUN_RETRY_TAG] == "false"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_month_of_a_range_stops_no_other_and_is_named_with_its_sentence(market, workers):
    market.put_tiny(*MONTHS)
    assert market.run(MIDDLE).success
    before = market.objects(MIDDLE)
    market.put(MIDDLE, cut(tiny_file(MIDDLE)))
    result = market.run(FIRST, LAST, workers=workers)
    heading, *lines = failure_of(result).splitlines()
    assert heading == "1 of 3 months failed, the others are finished and recorded:"
    assert len(lines) == 1
    assert lines[0].startswith(f"{MIDDLE}: {raw_key(MIDDLE)}: the zstd frame that starts at byte 0")
    assert market.objects(MIDDLE) == before
    assert len(market.objects(FIRST, LAST)) == 6
    assert set(materialisations(result)) == {(table, month) for table in TABLES for month in (FIRST, LAST)}
    assert evaluations(result)["no_row_wins_both_long_and_short"].metadata["months_judged"].value == 2


def test_every_failing_month_of_a_range_is_listed_in_order(market):
    market.put_tiny(MIDDLE)
    market.put(LAST, b"")
    heading, *lines = failure_of(market.run(FIRST, LAST, workers=1)).splitlines()
    assert heading.startswith("2 of 3 months failed")
    assert [line[:9] for line in lines] == [f"{FIRST}: ", f"{LAST}: "]
    assert raw_key(FIRST) in lines[0]
    assert raw_key(LAST) in lines[1]


def test_a_range_resumes_after_its_failing_month_is_replaced(market):
    market.put_tiny(FIRST, LAST)
    market.put(MIDDLE, b"")
    assert not market.run(FIRST, LAST, workers=1).success
    market.put_tiny(MIDDLE)
    result = market.run(FIRST, LAST, workers=1, skip_unchanged=True)
    assert result.success
    assert set(materialisations(result)) == {(table, MIDDLE) for table in TABLES}
    assert market.recorded() == list(MONTHS)


def test_a_training_table_of_other_rules_than_its_bars_says_which_asset_to_materialise(market):
    market.put_tiny(LAST)
    assert market.run(LAST).success
    before = market.objects(LAST)
    sentence = failure_of(market.run(LAST, None, "training_table", rules="compat"))
    assert "made with rules 'strict'" in sentence
    assert f"materialise market/session_bars of {LAST} again" in sentence
    assert market.objects(LAST) == before


def test_statistics_of_a_table_that_was_made_from_other_bars_say_which_asset_to_materialise(market):
    market.put_tiny(LAST)
    assert market.run(LAST).success
    market.put_tiny(LAST, seed=1)
    assert market.run(LAST, None, "session_bars").success
    sentence = failure_of(market.run(LAST, None, "month_statistics"))
    assert f"materialise market/training_table of {LAST} again" in sentence


@pytest.mark.parametrize("last", [None, MIDDLE], ids=["one month", "a range"])
@pytest.mark.parametrize("kind", ["replaced", "unreachable"])
def test_what_passes_is_tried_again(tmp_path, impatient, kind, last):
    with opened_market(FaultyStore(root=str(tmp_path / "store"), kind=kind, times=1)) as market:
        market.put_tiny(FIRST, MIDDLE)
        result = market.run(FIRST, last, workers=1)
        assert result.success
        assert len([event for event in result.all_events if event.is_step_up_for_retry]) == 1
        assert market.recorded() == ([FIRST, MIDDLE] if last else [FIRST])


def test_a_retry_leaves_alone_what_the_attempt_before_has_finished(tmp_path, impatient):
    store = FaultyStore(root=str(tmp_path / "store"), kind="unreachable", times=1)
    with opened_market(store) as market:
        market.put_tiny(FIRST, MIDDLE)
        result = market.run(FIRST, MIDDLE, workers=1)
    assert result.success
    events = [event.partition for event in result.all_events if event.is_step_materialization]
    assert sorted(month or "" for month in events) == [FIRST] * 3 + [MIDDLE] * 3


@pytest.mark.parametrize("last", [None, MIDDLE], ids=["one month", "a range"])
def test_a_refused_access_is_not_tried_again(tmp_path, impatient, last):
    with opened_market(FaultyStore(root=str(tmp_path / "store"), kind="refused", times=9)) as market:
        market.put_tiny(FIRST, MIDDLE)
        result = market.run(FIRST, last, workers=1)
    assert "the store says no" in failure_of(result)
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_a_failed_upload_fails_the_month_and_records_nothing(market, monkeypatch):
    market.put_tiny(LAST)

    def no_space(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LocalObjectStore, "_publish", no_space)
    result = market.run(LAST)
    assert not result.success
    assert market.objects(LAST) == {}
    assert market.recorded() == []


@pytest.mark.parametrize("table", TABLES)
def test_when_a_later_step_fails_its_object_and_those_behind_it_stay_and_the_month_is_not_done(
    market, monkeypatch, table
):
    market.put_tiny(LAST)
    assert market.run(LAST).success
    before = market.objects(LAST)
    market.put_tiny(LAST, seed=1)
    publish = LocalObjectStore._publish
    keys = [OBJECT_KEYS[name](LAST) for name in TABLES]
    broken = OBJECT_KEYS[table](LAST)

    def publish_until(store, bucket, key, spool, condition):
        if key == broken:
            raise ConnectionError(f"{key}: the connection broke")
        return publish(store, bucket, key, spool, condition)

    monkeypatch.setattr(retries, "DEFAULT_PATIENCE", Patience(retries=0))
    monkeypatch.setattr(LocalObjectStore, "_publish", publish_until)
    assert "the connection broke" in failure_of(market.run(LAST))
    after = market.objects(LAST)
    behind = keys[keys.index(broken) :]
    assert {key: after[key] for key in behind} == {key: before[key] for key in behind}
    assert all(after[key] != before[key] for key in keys[: keys.index(broken)])
    assert month_state(market.store, LAST, Recipe()) == "changed input"


def test_a_defect_in_a_feature_fails_the_month_with_its_traceback_and_never_becomes_a_column(
    market, monkeypatch
):
    market.put_tiny(LAST)

    def broken_features(_bars: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(month_module, "compute_features", broken_features)
    result = market.run(LAST)
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.error
    assert "ZeroDivisionError" in str(failure.error)
    assert market.objects(LAST) == {}
    assert not market.instance.get_materialized_partitions(ASSET_KEYS["training_table"])

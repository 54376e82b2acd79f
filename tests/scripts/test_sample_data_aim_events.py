"""Sample GA4 events of aim: in their window, without a bad line, something for every rule of the report."""

import io
import re
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from assets.aim import events as event_file
from assets.aim.tables import EVENTS, SCHEMAS
from resources.warehouse import JsonLines
from scripts.sample_data import aim_events
from scripts.sample_data.aim import write_inputs
from scripts.sample_data.aim_shop import SCALES, Shop, shop_of

DAY = date(2025, 6, 10)
LONDON = ZoneInfo("Europe/London")


@pytest.fixture(scope="module")
def shop() -> Shop:
    return shop_of(SCALES["small"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the small events of the default date."""
    root = tmp_path_factory.mktemp("aim")
    write_inputs(root, SCALES["small"], only=["events"])
    return root


@pytest.fixture(scope="module")
def items(root: Path) -> pl.DataFrame:
    """The items of the small events, one row each, with their event's columns."""
    return (
        events_of(root)
        .with_columns(
            country=pl.col("geo").struct.field("country"),
            transaction=pl.col("ecommerce").struct.field("transaction_id"),
            page=pl.col("event_params")
            .list.eval(pl.element().struct.field("value").struct.field("string_value"))
            .list.drop_nulls()
            .list.first()
            .str.to_lowercase(),
        )
        .explode("items")
        .unnest("items")
    )


def events_of(root: Path) -> pl.DataFrame:
    """All events; none of the lines may be bad."""
    with (root / event_file.PATH).open("rb") as stream:
        lines = JsonLines(stream, SCHEMAS[EVENTS])
        events = pl.concat(lines.frames())
    assert lines.left_out == 0
    return events


def test_events_lie_in_the_111_days_before_the_date_in_london(root: Path):
    events = events_of(root)
    days = events["event_timestamp"].map_elements(
        lambda stamp: datetime.fromtimestamp(stamp / 1_000_000, LONDON).strftime("%Y%m%d"),
        return_dtype=pl.String,
    )
    assert (days == events["event_date"]).all()
    assert (days.min(), days.max()) == ("20250219", "20250609")
    assert days.n_unique() == aim_events.DAYS


def test_no_event_is_after_the_last_day_even_if_the_clocks_went_forward_on_it(
    monkeypatch: pytest.MonkeyPatch, shop: Shop
):
    monkeypatch.setattr(aim_events, "DAYS", 1)
    (lines,) = aim_events.event_lines(shop, 20_000, date(2025, 3, 31), seed=0)
    assert set(lines.str.extract(r'"event_date":"(\d+)"')) == {"20250330"}
    stamps = lines.str.extract(r'"event_timestamp":(\d+)').cast(pl.Int64)
    end = datetime(2025, 3, 31, tzinfo=LONDON).timestamp() * 1_000_000
    assert ((stamps > end - 1_000_000) & (stamps < end)).any()
    assert (stamps < end).all()


def test_every_journey_of_the_report_occurs(items: pl.DataFrame):
    journeys = set(items["item_category8"].drop_nulls().str.strip_chars().str.to_uppercase())
    for start in (
        "PSUCMM-AIM", "PXSUCMM-AIM", "SUCMM-AIM", "XSUCMM-AIM", "PCMM-AIM", "CMM-AIM", "PSCMM-AIM", "SUCMM-2",
        "XSUCMM-1", "PSUCMM-5", "PXSUCMM-1", "UCMM", "XUCMM", "PUCMM", "PXUCMM", "SCMM-1", "PSCMM-2", "CMM-4",
        "PCMM-6", "NONCAM",
    ):  # fmt: skip
        assert any(journey.startswith(start) for journey in journeys), start
    assert items["item_category8"].is_null().any()
    assert items["item_category8"].str.contains("^[a-z]").any()
    assert (items["item_category5"] == "No VRM search").any()


def test_positions_are_those_of_the_shop_and_some_are_none(items: pl.DataFrame):
    positions = set(items["item_list_index"])
    assert {str(place) for place in range(1, 25)} | {"200", "99", "(not set)", "", None} == positions


def test_some_events_are_not_for_the_report(items: pl.DataFrame):
    assert {"United Kingdom", "Ireland", "France", None} <= set(items["country"])
    users = set(items["user_pseudo_id"])
    assert {"", "  ", None} <= users
    views = items.filter(pl.col("event_name") == "view_item_list")
    filtered = views["page"].str.contains("fitfast|truck|staging|runflat|manufacturer")
    assert 0.02 < filtered.sum() / views.height < 0.2
    assert views["page"].is_null().any()
    assert items.filter(pl.col("event_name") == "purchase")["transaction"].is_null().any()
    assert items["item_id"].fill_null("").str.contains(r"^\d+$").not_().any()


def test_most_purchases_come_after_a_view_by_the_same_user_and_some_after_none(items: pl.DataFrame):
    keys = ["user_pseudo_id", "item_id"]
    named = items.filter(pl.col("user_pseudo_id").str.strip_chars() != "", pl.col("item_id").is_not_null())
    first = (
        named.filter(pl.col("event_name") == "view_item_list")
        .group_by(keys)
        .agg(pl.min("event_timestamp").alias("seen"))
    )
    bought = named.filter(pl.col("event_name") == "purchase").join(first, on=keys, how="left")
    after = bought.select(pl.col("event_timestamp") >= pl.col("seen")).to_series().fill_null(value=False)
    assert bought.height > 150
    assert 0.85 < after.sum() / bought.height < 1
    days = (bought["event_timestamp"] - bought["seen"]) // 86_400_000_000
    assert (days >= 1).any()
    assert {1, 2, 4, None} == set(bought["quantity"])


def test_some_events_lack_keys_and_some_have_others(root: Path):
    lines = (root / event_file.PATH).read_text(encoding="utf-8").splitlines()
    for key in ('"geo"', '"items"', '"ecommerce"', '"event_params"', '"user_pseudo_id"', '"item_list_index"'):
        assert 0 < sum(key not in line for line in lines) < len(lines), key
    assert any('"device"' in line and '"region"' in line for line in lines)


def test_events_come_in_blocks_that_do_not_depend_on_each_other(monkeypatch: pytest.MonkeyPatch, shop: Shop):
    monkeypatch.setattr(aim_events, "BLOCK_EVENTS", 100)
    blocks = list(aim_events.event_lines(shop, 250, DAY, seed=3))
    assert [len(block) for block in blocks] == [100, 100, 50]
    again = aim_events.event_lines(shop, 200, DAY, seed=3)
    assert [block.to_list() for block in blocks[:2]] == [block.to_list() for block in again]
    users = [set(re.findall(r'"user_pseudo_id":"(u[\d.]+)"', "".join(block))) for block in blocks]
    assert not users[0] & users[1]
    first, second = (block.str.extract(r'"event_timestamp":(\d+)') for block in blocks[:2])
    assert not set(first) & set(second)
    decoded = blocks[0].str.json_decode(pl.Struct(event_file.EVENT_SCHEMA)).struct.unnest()
    lines = JsonLines(io.BytesIO("\n".join(blocks[0]).encode()), SCHEMAS[EVENTS])
    assert decoded.equals(pl.concat(lines.frames()))

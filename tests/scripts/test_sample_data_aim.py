"""Sample inputs of aim: reproducible to the byte, accepted by the readers, and something for every rule."""

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.aim import events as event_file
from assets.aim import feeds, reference
from assets.aim.cams import cam_key
from assets.aim.feed_files import FeedKind, choose_feed
from assets.aim.runlist import Runlist, read_runlist
from assets.aim.sizes import size_keys
from assets.aim.vehicles import fold, vehicle_keys
from resources.waves import Cam, EmbeddedWaves, Journal, Pace, Parameters
from scripts.sample_data import aim_events, aim_vehicles
from scripts.sample_data.__main__ import main
from scripts.sample_data.aim import write_inputs
from scripts.sample_data.aim_products import prices, products
from scripts.sample_data.aim_sales import sales
from scripts.sample_data.aim_shop import SCALES, Scale, Shop, shop_of

DAY = date(2025, 6, 10)
SMALL = SCALES["small"]
FEED_FOLDER = "tyrescore-AWS3-daily-files"
RUNLIST = "runlist/priority_runlist_current.csv"
FILES = {
    f"{FEED_FOLDER}/20250610_CarMakeModelSales.csv",
    f"{FEED_FOLDER}/20250610_TyreScore.csv",
    RUNLIST,
    "reference/vehicle_mapping.csv",
    "reference/product_catalogue.csv",
    "reference/tyrescore_influence.csv",
    "reference/manual_cams.csv",
    "reference/ga4_events.jsonl",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the small inputs of the default date."""
    root = tmp_path_factory.mktemp("aim")
    write_inputs(root, SMALL)
    return root


@pytest.fixture(scope="module")
def shop() -> Shop:
    return shop_of(SMALL)


def files_of(root: Path) -> dict[str, str]:
    """The digest of every file under a root."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def feed_of(root: Path, kind: FeedKind, day: date = DAY) -> feeds.Feed:
    path = choose_feed([str(p.relative_to(root)) for p in root.rglob("*.csv")], kind, day, FEED_FOLDER)
    read = feeds.read_car_sales if kind == "CarMakeModelSales" else feeds.read_tyre_feed
    with (root / path).open("rb") as stream:
        return read(stream, path)


def runlist_of(root: Path) -> Runlist:
    with (root / RUNLIST).open("rb") as stream:
        return read_runlist(stream, RUNLIST, limit=1_000_000)


def table_of(root: Path, file: reference.ReferenceFile) -> reference.ReferenceTable:
    with (root / file.path).open("rb") as stream:
        return reference.read_reference(file, stream)


def score_rows(shop: Shop, sold: pl.DataFrame) -> pl.DataFrame:
    """What the scores come to, and stricter: no budget tyre and no runflat may be in a hotbox."""
    units = sold.select(
        pl.col("ProductId").cast(pl.Int64),
        Vehicle=(pl.col("CarMake") + pl.col("CarModel")).str.to_uppercase(),
        Units=pl.col("Units").fill_null(0),
    )
    by_vehicle = units.group_by("ProductId", "Vehicle").agg(pl.sum("Units"))
    rows = (
        shop.products.filter(pl.col("WetGrip").is_not_null())
        .join(by_vehicle, on="ProductId", how="left")
        .with_columns(
            TyreScore=pl.format("{}.TYRE SCORE", pl.col("ProductId") % 5 + 1),
            GRADE="Grade",
            BRAND="Manufacturer",
            SEASONAL_PERFORMANCE="Season",
            RunflatStatus=pl.when("is_runflat").then(pl.lit("Runflat")).otherwise(pl.lit("Non-Runflat")),
            SIZE="Size",
            PRICE="base_price",
            PRICEFLUCTUATION=pl.lit(1.0),
            GoldilocksZone=pl.mean("base_price").over("size"),
            BudgetShare=pl.lit(0.0),
            RunflatShare=pl.lit(0.0),
        )
    )
    return rows.with_columns(
        vehicle_keys(rows["Vehicle"]).alias("vehicle_key"), size_keys(rows["SIZE"])["size_key"]
    )


def test_the_files_are_those_of_a_local_root(root: Path):
    assert set(files_of(root)) == FILES


def test_equal_arguments_give_equal_bytes_in_any_process_and_time_zone(root: Path, tmp_path: Path):
    command = [sys.executable, "-m", "scripts.sample_data", "aim", "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert files_of(tmp_path) == files_of(root)
    assert re.search(r"manual_cams\.csv: \d+ rows, [\d,]+ bytes, \d+\.\d s\n", done.stdout)


def test_another_seed_gives_another_shop_in_every_file(root: Path, tmp_path: Path):
    write_inputs(tmp_path, SMALL, seed=1)
    assert not set(files_of(tmp_path).items()) & set(files_of(root).items())
    assert set(files_of(tmp_path)) == FILES


def test_another_seed_gives_other_tyres_and_cams(shop: Shop):
    other = shop_of(SMALL, seed=1)
    assert not set(other.products["ProductId"]) <= set(shop.products["ProductId"])
    assert other.products["Model"].to_list() != shop.products["Model"].to_list()
    assert other.cams["Size"].to_list() != shop.cams["Size"].to_list()


def test_a_file_is_the_same_whichever_others_are_written(root: Path, tmp_path: Path):
    written = write_inputs(tmp_path, SMALL, only=["events", "runlist"])
    assert files_of(tmp_path).items() <= files_of(root).items()
    assert [file.path.relative_to(tmp_path).as_posix() for file in written] == [RUNLIST, event_file.PATH]
    assert [file.bytes for file in written] == [file.path.stat().st_size for file in written]


@pytest.mark.parametrize("size", [{}, {"products": 35, "vehicles": 7, "sales": 90, "events": 0, "cams": 5}])
def test_there_is_as_much_as_was_asked_for(tmp_path: Path, size: dict[str, int]):
    flags = [text for name, number in size.items() for text in (f"--{name}", str(number))]
    assert main(["aim", "--out", str(tmp_path), *flags]) == 0
    scale = replace(SMALL, **size)
    assert feed_of(tmp_path, "CarMakeModelSales").frame.height == scale.sales
    assert feed_of(tmp_path, "TyreScore").frame["ProductId"].n_unique() == scale.products
    assert runlist_of(tmp_path).cams.height == scale.cams
    assert len((tmp_path / event_file.PATH).read_bytes().splitlines()) == scale.events


def test_full_is_as_large_as_the_performance_targets_say():
    full = SCALES["full"]
    assert (full.products, full.sales, full.events) == (50_000, 200_000, 5_000_000)
    assert full.cams >= 10_000


def test_each_feed_has_one_row_that_its_reader_rejects(root: Path):
    sold, tyres = feed_of(root, "CarMakeModelSales"), feed_of(root, "TyreScore")
    assert (sold.rejected, tyres.rejected) == (1, 1)
    assert "ProductId '1234'" in sold.rejections[0].reason
    assert "Price 'on request'" in tyres.rejections[0].reason


def test_column_names_of_the_tyre_feed_need_cleaning(root: Path):
    others = [c for c in feed_of(root, "TyreScore").frame.columns if c not in feeds.TYRE_FEED_SCHEMA]
    assert others == ["EAN_Code", "Load_Index", "Speed_Rating", "Load_Index_2", "row_number"]


def test_the_tyre_feed_has_something_for_every_rule_of_the_scores(root: Path):
    frame = feed_of(root, "TyreScore").frame
    assert set(frame["Grade"].str.strip_chars().str.to_uppercase()) == {"PREMIUM", "MIDRANGE", "BUDGET"}
    assert frame["Grade"].n_unique() > 3
    assert set(frame["Season"]) == {"AllSeason", "Winter", "Summer"}
    assert {"Award", "None", ""} <= set(frame["AwardScore"])
    assert {"A", "B", "C", "D", "E", ""} <= set(frame["Fuel"])
    assert (frame["WetGrip"] == "").any()
    assert frame["Noise"].str.contains(r"^\d\d [A-C]$").any()
    assert frame["ProductId"].is_duplicated().any()
    assert {7, 8} == set(frame["ProductId"].cast(pl.String).str.len_chars())
    for column in ("PrevPrice7", "PrevPrice28"):
        assert frame[column].is_null().any()
        assert (frame[column] == 0).any()
    steady = (frame["Price"] / frame["PrevPrice28"]).is_between(0.9, 1.1)
    assert 0.5 < steady.sum() / frame.height < 0.99
    sizes = size_keys(frame["Size"])
    assert sizes["size_key"].null_count() == 0
    assert sizes["Rim"].str.ends_with("C").any()
    assert (sizes["Profile"] == "").any()
    assert frame["Size"].str.contains("ZR").any()
    assert frame["Size"].str.contains("x").any()
    assert frame["Offer"].str.contains('[,"]').any()


def test_every_size_has_tyres_for_four_hotboxes(shop: Shop):
    fit = shop.products.filter(
        pl.col("Grade") != "Budget", ~pl.col("is_runflat"), pl.col("WetGrip").is_not_null()
    )
    counts = shop.sizes.with_row_index("size").join(fit.group_by("size").len(), on="size", how="left")
    assert (counts["len"].fill_null(0) >= 4).all()


@pytest.mark.parametrize("count", [1, 9, 400, 5_000])
def test_products_are_as_many_and_have_numbers_of_their_own(count: int, shop: Shop):
    frame = products(count, shop.sizes, seed=0)
    assert frame.height == frame["ProductId"].n_unique() == count
    assert frame["ProductId"].is_between(1_000_000, 99_999_999).all()


def test_sales_are_of_tyres_that_fit_and_some_tyres_never_sell(root: Path):
    sold, tyres = feed_of(root, "CarMakeModelSales").frame, feed_of(root, "TyreScore").frame
    sizes = tyres.select(pl.col("ProductId").cast(pl.String)).hstack(size_keys(tyres["Size"])).unique()
    joined = sold.join(sizes, on=["ProductId", "Width", "Profile", "Rim"], how="inner")
    assert joined.height == sold.height
    assert len(set(sizes["ProductId"]) - set(sold["ProductId"])) > 0.05 * sizes.height
    assert (sold["Units"] == 0).any()
    assert sold.select(pl.col("Orders", "Units", "AvgPrice").is_null().any()).row(0) == (True, True, True)
    assert sold.select(fold_of=pl.col("CarMake")).to_series().n_unique() > len(
        {fold(m) for m in sold["CarMake"]}
    )


def test_some_products_never_sell_however_many_sales_there_are():
    shop = shop_of(Scale(products=2_000, vehicles=100, sales=1, events=0, cams=800))
    sold = sales(shop, 100_000, DAY, seed=0)["ProductId"].cast(pl.Int64).unique()
    most_offered = shop.products.filter(pl.col("size") == 0)
    unsold = most_offered.filter(~pl.col("ProductId").is_in(sold.implode()))
    assert 0.03 < unsold.height / most_offered.height < 0.1


def test_the_runlist_reads_as_the_cams_of_the_shop(root: Path, shop: Shop):
    read = runlist_of(root)
    names = aim_vehicles.names(shop.vehicles).gather(shop.cams["vehicle"])
    expected = {(fold(vehicle), size) for vehicle, size in zip(names, shop.cams["Size"], strict=True)}
    assert {(fold(vehicle), size) for vehicle, size in read.cams.iter_rows()} == expected
    assert (read.dropped, read.duplicate, read.rejections) == (4, 9, ())


def test_the_runlist_is_messy(root: Path):
    rows = (root / RUNLIST).read_text(encoding="utf-8-sig").splitlines()[1:]
    cells = [re.sub('"', "", row).split(",") for row in rows]
    ranks = [rank for _, _, rank, note in cells if note == "" and rank.isdecimal()]
    assert any("_" in vehicle for vehicle, *_ in cells)
    assert any(re.match(r"[A-Z].*\d{3}/\d\dR", size) for _, size, *_ in cells)
    assert any(size == "unknown" for _, size, *_ in cells)
    assert any(re.fullmatch(r"\d{5}R\d\dC?", size) for _, size, *_ in cells)
    assert len(set(ranks)) <= len(ranks) - 2
    assert {"", "n/a"} & {rank for _, _, rank, _ in cells}
    assert ranks != sorted(ranks, key=int)
    assert any("Ë" in vehicle for vehicle, *_ in cells)


def test_reference_files_are_read_with_one_warning(root: Path):
    warnings = [warning for file in reference.REFERENCE_FILES for warning in table_of(root, file).warnings]
    assert len(warnings) == 1
    assert "vehicle ''" in warnings[0]


def test_some_vehicles_are_not_mapped_and_some_products_not_in_the_catalogue(root: Path, shop: Shop):
    mapped = set(vehicle_keys(table_of(root, reference.VEHICLE_MAPPING).frame["vehicle"]))
    all_vehicles = set(vehicle_keys(aim_vehicles.names(shop.vehicles)))
    assert mapped < all_vehicles
    assert len(all_vehicles - mapped) == round(0.03 * len(all_vehicles))
    listed = table_of(root, reference.PRODUCT_CATALOGUE).frame
    assert set(listed["SKU"]) < set(shop.products["ProductId"])
    assert listed["run_flat"].str.to_uppercase().str.strip_chars().value_counts().height == 2
    known = set(vehicle_keys(table_of(root, reference.INFLUENCE).frame["Vehicle"]))
    assert known < all_vehicles


@pytest.mark.parametrize(
    "file", [reference.VEHICLE_MAPPING, reference.PRODUCT_CATALOGUE, reference.INFLUENCE]
)
def test_a_reference_file_has_a_key_twice(root: Path, file: reference.ReferenceFile):
    rows = pl.read_csv(root / file.path, infer_schema=False)[file.key].drop_nulls()
    assert len({fold(key) for key in rows}) < len(rows)


def test_manual_cams_match_some_of_the_runlist_and_some_none(root: Path, shop: Shop):
    listed = shop.cams.drop_nulls("size")
    vehicles, sizes = shop.vehicles[listed["vehicle"]], shop.sizes[listed["size"]]
    cams = vehicles.select("make", "model").hstack(sizes.select("Width", "Profile", "Rim"))
    keys = {cam_key(*cam) for cam in cams.iter_rows()}
    manual = {fold(cam) for cam in table_of(root, reference.MANUAL_CAMS).frame["CAM"]}
    assert len(manual & keys) == round(0.05 * listed.height)
    assert len(manual - keys) == 3


def test_vehicles_of_any_number_are_different_vehicles():
    frame = aim_vehicles.vehicles(2_500)
    names = aim_vehicles.names(frame)
    assert vehicle_keys(names).n_unique() == 2_500
    assert {"CITROËN C3", "ALFA ROMEO GIULIA", "LAND ROVER DEFENDER 90"} <= set(names[:40])
    assert size_keys(names)["size_key"].null_count() == 2_500


@pytest.mark.parametrize(
    "scale",
    [SMALL, Scale(products=3_000, vehicles=150, sales=8_000, events=0, cams=900)],
    ids=["small", "larger"],
)
def test_more_than_nine_cams_in_ten_get_a_list_and_a_few_do_not(tmp_path: Path, scale: Scale):
    write_inputs(tmp_path, scale, only=["runlist"])
    shop = shop_of(scale)
    scores = score_rows(shop, sales(shop, scale.sales, DAY, seed=0))
    listed = runlist_of(tmp_path).cams
    cams = [
        Cam(vehicle, size, fold(vehicle), key)
        for (vehicle, size), key in zip(
            listed.iter_rows(), size_keys(listed["Size"])["size_key"], strict=True
        )
    ]
    answers = EmbeddedWaves().recommend(
        cams,
        scores=lambda: scores,
        parameters=Parameters(),
        pace=Pace(),
        started=datetime(2025, 6, 10, 5, tzinfo=UTC),
        journal=Journal(),
    )
    succeeded = sum(answer["success"] for answer in answers)
    assert 0.9 * len(cams) < succeeded < len(cams)
    assert {answer["error_code"] for answer in answers} == {None, "NO_RESULTS"}


def test_feeds_of_another_date_are_the_same_tyres_at_other_prices(root: Path, tmp_path: Path):
    assert main(["aim", "--only", "feeds", "--date", "2025-06-17", "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        "20250617_CarMakeModelSales.csv",
        "20250617_TyreScore.csv",
    }
    later, earlier = (
        feed_of(folder, "TyreScore", day).frame.unique("ProductId", keep="first", maintain_order=True)
        for folder, day in ((tmp_path, date(2025, 6, 17)), (root, DAY))
    )
    both = later.join(earlier, on="ProductId", suffix="_before")
    assert both.height == SMALL.products
    for label in ("Size", "Manufacturer", "Model", "Season"):
        assert both[label].equals(both[f"{label}_before"], check_names=False)
    assert (both["Price"] != both["Price_before"]).sum() > 0.8 * both.height
    # What the feed says of seven days ago is what the feed of that day says.
    remembered = both.filter(pl.col("PrevPrice7") > 0, pl.col("Price_before").is_not_null())
    assert (remembered["PrevPrice7"] == remembered["Price_before"]).all()


def test_a_price_moves_little_from_day_to_day_but_for_sales(shop: Shop):
    today, tomorrow = (prices(shop.products, DAY + timedelta(days=days), seed=0) for days in (0, 1))
    change = abs(tomorrow / today - 1)
    assert (change < 0.005).mean() > 0.8


def test_the_configuration_of_a_root_is_left_alone(tmp_path: Path):
    config = tmp_path / "config/aim-config.json"
    config.parent.mkdir()
    config.write_text("{}")
    write_inputs(tmp_path, SMALL)
    assert config.read_text() == "{}"


def test_without_out_the_files_lie_where_the_local_deployment_looks():
    assert main(["aim", "--only", "runlist"]) == 0
    assert (Path(os.environ["QUINTET_HOME"]) / "storage/aim" / RUNLIST).is_file()


def test_a_failing_write_leaves_the_file_that_was_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_inputs(tmp_path, SMALL, only=["events"])
    before = files_of(tmp_path)

    def cut_off(*_arguments: object):
        yield pl.Series(["{}"])
        raise OSError("no space left")

    monkeypatch.setattr(aim_events, "event_lines", cut_off)
    assert main(["aim", "--only", "events", "--out", str(tmp_path)]) == 1
    assert "no space left" in capsys.readouterr().err
    assert files_of(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--date", "10.06.2025"], "give it as YYYY-MM-DD"),
        (["--date", "2024-12-31"], "lies before 2025-01-01"),
        (["--products", "many"], "is not a number"),
        (["--seed", "-1"], "is not a number"),
        (["--products", "0"], "products is 0"),
        (["--vehicles", "2", "--cams", "81"], "make no 81 CAMs"),
        (["--only", "config"], "invalid choice"),
    ],
)
def test_wrong_usage_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
):
    with pytest.raises(SystemExit) as exit_:
        main(["aim", "--out", str(tmp_path), *arguments])
    assert exit_.value.code == 2
    assert complaint in capsys.readouterr().err
    assert files_of(tmp_path) == {}

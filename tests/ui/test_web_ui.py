"""What a person does in the web UI, against the processes of `make dev` on sample inputs.

The tests share one server and go on from what those before them made; each makes what it needs itself, so
that any of them can be run alone.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from scripts import ui_samples
from scripts.ui_session import WebUI, ask, wait_until

pytestmark = [pytest.mark.ui, pytest.mark.services]

MONTH = "2025-10"
RANGE, CUT_MONTH = ("2025-05", "2025-06", "2025-07"), "2025-06"
RUN_DATE, NEXT_RUN_DATE = "2025-06-10", "2025-06-17"
DAY, BAD_DAY = "2025-03-09", "2025-03-12"
# The sensor of raw images looks at the last days only.
RECENT_DAY = str(datetime.now(ZoneInfo("America/Los_Angeles")).date() - timedelta(days=2))
CASE, NEXT_CASE = "QA0001", "QA0002"
FIELD = f"{CASE}|1"
JOB = "papers"
OTHER_JOBS = ("dumb_money_live", "filings", "inbox", "package_releases", "site_pages")
# Looks on request only; its sensor drains what was found.
BACKFILL_JOB = "calendar_backfill"
ITEM = "oai-arxiv-org-9999-00001-d4be2a6ef38557fd"

SENSORS = """{ sensorsOrError(repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "quintet"}) { ... on Sensors { results {
    name sensorState { status ticks(limit: 20) { status error { message } } } } } } }"""

GROUPS: Final = {
    "market": ("raw_bars", "session_bars", "training_table", "month_statistics"),
    "aim": ("tyre_feed", "tyre_scores", "recommendations", "validation_report"),
    "dwh": ("raw_images", "transformed_images", "filtered_images", "promotions"),
    "discovery": ("discovered", "items"),
    "beams": ("case_manifest", "dose", "delivery_check", "case_report"),
}


# ---- pages ----


def test_the_asset_graph_shows_the_five_groups(ui):
    ui.open("/asset-groups")
    for group in GROUPS:
        expect(ui.page.get_by_text(group, exact=True).first).to_be_visible()
    expect(ui.page.get_by_role("button", name=re.compile(r"Materialize all \(\d+\)"))).to_be_enabled()
    assert ui.problems == []


@pytest.mark.parametrize("group", GROUPS)
def test_the_graph_of_a_group_shows_its_assets(ui, group):
    ui.open(f"/locations/quintet/asset-groups/{group}")
    for asset in GROUPS[group]:
        expect(ui.page.get_by_text(asset, exact=True).first).to_be_visible()
    assert ui.problems == []


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("/automation", ["aim_feed_sensor", "beam_case_sensor", "aim_schedule"]),
        ("/jobs", ["build_market_month", "check_beam_field", "discovery_papers_drain"]),
        ("/assets/market/training_table?view=checks", ["labels_agree_with_outcomes"]),
        ("/assets/market/training_table?view=partitions", [MONTH]),
        ("/deployment/locations", ["quintet", "Loaded"]),
        ("/deployment/daemons", ["Sensors", "Backfill"]),
    ],
)
def test_a_page_loads_without_an_error(ui, path, texts):
    ui.open(path)
    for text in texts:
        expect(ui.page.get_by_text(text, exact=True).first).to_be_visible()
    assert ui.problems == []


# ---- one partition of each pipeline ----


def launch_market(ui: WebUI, home: Path) -> str:
    ui_samples.market_month(home, MONTH)
    ui.materialise("/locations/quintet/asset-groups/market")
    ui.type_partitions(MONTH)
    return ui.launch_run()


def launch_aim(ui: WebUI, home: Path) -> str:
    ui_samples.aim_day(home, RUN_DATE)
    ui.materialise("/locations/quintet/asset-groups/aim")
    ui.type_partitions(RUN_DATE, are_old=True)
    return ui.launch_run()


def launch_dwh(ui: WebUI, home: Path) -> str:
    ui_samples.dwh_day(home, DAY)
    ui.materialise("/locations/quintet/asset-groups/dwh")
    ui.type_partitions(DAY, are_old=True)
    return ui.launch_run()


def launch_discovery(ui: WebUI, _home: Path) -> str:
    assert ui.run_end(ui.launch_asset(f"/assets/discovery/{JOB}/discovered")) == "SUCCESS"
    ui.materialise(f"/assets/discovery/{JOB}/items")
    ui.tick_partition(ITEM)
    return ui.launch_run()


def launch_beams(ui: WebUI, home: Path) -> str:
    ui_samples.beam_case(home, 1)
    ui.materialise("/assets/beams/case_manifest")
    ui.add_partition(CASE)
    assert ui.run_end(ui.launch_run()) == "SUCCESS"
    ui.materialise("/locations/quintet/jobs/check_beam_field")
    ui.tick_partition(FIELD)
    return ui.launch_run()


LAUNCHES: Final = {
    "market": (launch_market, "market/training_table", MONTH),
    "aim": (launch_aim, "aim/recommendations", RUN_DATE),
    "dwh": (launch_dwh, "dwh/filtered_images", DAY),
    "discovery": (launch_discovery, f"discovery/{JOB}/items", ITEM),
    "beams": (launch_beams, "beams/delivery_check", FIELD),
}


@pytest.fixture(scope="module")
def make(home: Path) -> Callable[[WebUI, str], str]:
    """Launches one partition of a pipeline and waits, the first time; how the run ended."""
    ends: dict[str, str] = {}

    def once(ui: WebUI, pipeline: str) -> str:
        if pipeline not in ends:
            launch, _, _ = LAUNCHES[pipeline]
            ends[pipeline] = ui.run_end(launch(ui, home))
        return ends[pipeline]

    return once


@pytest.mark.parametrize("pipeline", LAUNCHES)
def test_a_partition_that_is_launched_is_made(ui, make, pipeline):
    assert make(ui, pipeline) == "SUCCESS"
    _, asset, partition = LAUNCHES[pipeline]
    ui.open_partition(asset, partition)
    expect(ui.page.get_by_text("Materialized", exact=True)).to_be_visible()


PICTURES: Final = {
    "market": (f"market/training_table?view=partitions&partition={MONTH}", ("picture",)),
    "aim": (f"aim/recommendations?view=partitions&partition={RUN_DATE}", ("picture", "success_and_cost")),
    "dwh": (f"dwh/filtered_images?view=partitions&partition={DAY}", ("duplicates",)),
    "discovery": (f"discovery/{JOB}/discovered?view=events", ("history",)),
    "beams": (
        f"beams/delivery_check?view=partitions&partition={FIELD}",
        ("positions", "gamma", "layers"),
    ),
}


@pytest.mark.parametrize("pipeline", PICTURES)
def test_the_metadata_shows_the_pictures(ui, make, pipeline):
    assert make(ui, pipeline) == "SUCCESS"
    path, labels = PICTURES[pipeline]
    ui.open(f"/assets/{path}")
    for label in labels:
        picture = ui.open_picture(label)
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.complete && image.naturalWidth") > 100
        ui.close_dialog()


# ---- what fails ----


def test_a_failed_blocking_check_is_shown_with_its_reason(ui, home):
    ui_samples.dwh_day(home, BAD_DAY, unreadable_lines=200)
    ui.materialise("/assets/dwh/transformed_images")
    ui.type_partitions(BAD_DAY, are_old=True)
    assert ui.run_end(ui.launch_run()) == "FAILURE"
    ui.open("/assets/dwh/transformed_images?view=checks")
    ui.page.get_by_text("drop_rate_is_acceptable", exact=True).first.click()
    expect(ui.page.get_by_text("This is a blocking asset check.")).to_be_visible()
    expect(
        ui.page.get_by_text(re.compile(r"20\d of 400 records were dropped, .*approve_quality"))
    ).to_be_visible()
    expect(ui.page.get_by_role("cell", name="extract_corrupt_json", exact=True)).to_be_visible()


def test_a_backfill_shows_the_month_that_failed_and_makes_the_others(ui, home):
    for month in RANGE:
        ui_samples.market_month(home, month, is_cut=month == CUT_MONTH)
    ui.materialise("/locations/quintet/asset-groups/market")
    ui.type_partitions(f"[{RANGE[0]}...{RANGE[-1]}]")
    assert ui.backfill_end(ui.launch_backfill()) == "COMPLETED_FAILED"

    ui.open("/assets/market/training_table?view=partitions")
    failed = ui.show_partitions("Failed")
    expect(failed).to_have_count(1)
    expect(failed).to_have_attribute("title", CUT_MONTH)
    failed.click()
    ui.page.get_by_role("button", name="View logs").click()
    expect(ui.page.get_by_text(re.compile(f"{CUT_MONTH}: .*does not end")).last).to_be_visible()
    for month in {*RANGE} - {CUT_MONTH}:
        ui.open_partition("market/training_table", month)
        expect(ui.page.get_by_text("Materialized", exact=True)).to_be_visible()


# ---- sensors ----

ASKED_FOR: Final[dict[str, set[tuple[str, str | None]]]] = {
    "market_month_sensor": {("build_market_month", CUT_MONTH)},
    "aim_feed_sensor": {("run_aim", NEXT_RUN_DATE)},
    "dwh_raw_sensor": {("transform_images", RECENT_DAY)},
    "dwh_transform_sensor": {("filter_images", RECENT_DAY)},
    "dwh_promotions_sensor": {("load_promos", RECENT_DAY)},
    "beam_case_sensor": {
        ("prepare_beam_case", NEXT_CASE),
        ("check_beam_field", f"{NEXT_CASE}|1"),
        ("report_beam_case", NEXT_CASE),
    },
    **{
        f"discovery_{job}_sensor": {(f"discovery_{job}_discover", None), (f"discovery_{job}_drain", None)}
        for job in OTHER_JOBS
    },
    # A test may have looked for this one's items by hand: it is due tomorrow then.
    f"discovery_{JOB}_sensor": {(f"discovery_{JOB}_drain", None)},
    f"discovery_{BACKFILL_JOB}_sensor": {(f"discovery_{BACKFILL_JOB}_drain", None)},
}
"""Job and partition of the runs that each sensor has to ask for, once its input is there."""

NO_RUNS: Final = {
    "beam_orphan_sensor",
    "dwh_event_sensor",
    "late_asset_alert",
    "run_failure_alert",
    "run_recovery_notice",
}
"""Sensors that ask for no run."""


@pytest.fixture(scope="module")
def turn_on(home: Path) -> Callable[[WebUI], None]:
    """Brings new input of every pipeline and then turns every sensor on, the first time."""
    steps: list[str] = []

    def once(ui: WebUI) -> None:
        if not steps:
            steps.append("begun")
            bring_input(ui, home)
            look_once(ui)
            start_sensors(ui)
            steps.append("done")
        if "done" not in steps:
            pytest.fail("An earlier test could not turn the sensors on.")

    return once


def bring_input(ui: WebUI, home: Path) -> None:
    ui_samples.market_month(home, CUT_MONTH)
    ui_samples.aim_day(home, NEXT_RUN_DATE)
    ui_samples.dwh_day(home, RECENT_DAY)
    ui_samples.beam_case(home, 2)
    ui.launch_asset(f"/assets/discovery/{BACKFILL_JOB}/discovered")


def look_once(ui: WebUI) -> None:
    """The first of two looks, between which the daemon would wait 1 to 5 minutes."""
    for sensor in ("market_month_sensor", "aim_feed_sensor", "dwh_promotions_sensor"):
        ui.commit_look(sensor)
    # This one wants to have seen the same for 5 minutes: what it saw is made that much older.
    cursor = ui.commit_look("dwh_raw_sensor")
    ui.set_cursor("dwh_raw_sensor", re.sub(r",(\d{10})\]", lambda seen: f",{int(seen[1]) - 300}]", cursor))


def start_sensors(ui: WebUI) -> None:
    """One by its switch, the others at once."""
    ui.open("/automation")
    expect(ui.switch_automation("aim_feed_sensor")).to_be_checked()
    ui.page.get_by_text("Select all").click()
    for schedule in ui.schedules():
        ui.choose_automation(schedule)
    ui.start_chosen()


def test_every_sensor_is_on_and_looks(ui, turn_on):
    turn_on(ui)
    states = wait_until(lambda: all_looked(ui), "A look of every sensor")
    assert states.keys() == ASKED_FOR.keys() | NO_RUNS
    failures = [tick for ticks in states.values() for tick in ticks if tick["status"] == "FAILURE"]
    assert failures == []


def all_looked(ui: WebUI) -> dict[str, list[dict[str, Any]]] | None:
    """The ticks that have ended by sensor, once every sensor is on and has some."""
    found: dict[str, list[dict[str, Any]]] = {}
    for sensor in ask(ui.address, SENSORS)["sensorsOrError"]["results"]:
        state = sensor["sensorState"]
        ended = [tick for tick in state["ticks"] if tick["status"] != "STARTED"]
        if state["status"] != "RUNNING" or not ended:
            return None
        found[sensor["name"]] = ended
    return found


@pytest.mark.parametrize("sensor", ASKED_FOR)
def test_a_sensor_has_its_pipeline_run(ui, turn_on, sensor):
    turn_on(ui)

    def is_done() -> bool:
        done = {
            (job, partition) for job, partition, status in ui.runs_of_sensor(sensor) if status == "SUCCESS"
        }
        return ASKED_FOR[sensor] <= done

    wait_until(is_done, f"{ASKED_FOR[sensor]} of {sensor}")
    ui.open(f"/locations/quintet/sensors/{sensor}")
    for job in {job for job, _ in ASKED_FOR[sensor]}:
        expect(ui.page.get_by_text(job, exact=True).first).to_be_visible()

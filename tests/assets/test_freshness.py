"""How often each asset should be made, as Dagster's own daemon judges it while time passes."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import yaml

from assets.discovery import assets as discovery_assets
from assets.discovery.due import longest_interval
from assets.discovery.roster import Roster
from definitions import build_defs
from tests.freshness_daemon import FreshnessWorld

pytestmark = pytest.mark.materialise

AIM = {
    f"aim/{name}"
    for name in (
        *("car_sales", "tyre_feed", "tyre_scores", "recommendations", "cam_sku", "validation_report"),
        *("analysis", "token_fact", "override_file", "size_file", "merchandising_report"),
    )
}
MARKET = {"market/session_bars", "market/training_table", "market/month_statistics"}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_defs()


@pytest.fixture
def world(definitions: dg.Definitions) -> Iterator[FreshnessWorld]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield FreshnessWorld(definitions, instance)


def at(text: str) -> datetime:
    """A time like `2026-11-20 06:30 Europe/London`."""
    moment, zone = text.rsplit(maxsplit=1)
    return datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone))


def test_what_is_made_regularly_has_a_policy_and_what_waits_for_events_has_none(world):
    discovered = {
        "/".join(("discovery", job.name, "discovered"))
        for job in Roster.load().jobs
        if job.enabled and (job.discovery.every_s or job.discovery.cron)
    }
    assert discovered
    judged = world.judge(at("2026-11-20 12:00 UTC"))
    assert judged.keys() == AIM | MARKET | discovered | {"dwh/filtered_images"}
    # What was never made is not late: a pipeline that nobody uses here alerts nobody.
    assert set(judged.values()) == {"UNKNOWN"}


@pytest.mark.parametrize(
    ("asset", "made", "verdicts"),
    [
        # A Friday's lists are due by nine on Friday; on Tuesday by nine the next ones are.
        (
            "aim/override_file",
            "2026-11-20 06:20 Europe/London",
            {
                "2026-11-20 06:21 Europe/London": "PASS",
                "2026-11-24 08:59 Europe/London": "PASS",
                "2026-11-24 09:01 Europe/London": "FAIL",
            },
        ),
        # A run of the evening before is not that of the day.
        (
            "aim/recommendations",
            "2026-11-19 23:50 Europe/London",
            {"2026-11-20 08:59 Europe/London": "PASS", "2026-11-20 09:01 Europe/London": "FAIL"},
        ),
        # The clock of London counts, in summer too.
        (
            "aim/cam_sku",
            "2026-06-30 00:10 Europe/London",
            {"2026-06-30 08:30 UTC": "PASS", "2026-07-03 07:59 UTC": "PASS", "2026-07-03 08:01 UTC": "FAIL"},
        ),
        (
            "dwh/filtered_images",
            "2026-11-20 00:30 America/Los_Angeles",
            {
                "2026-11-20 06:01 America/Los_Angeles": "PASS",
                "2026-11-21 05:59 America/Los_Angeles": "PASS",
                "2026-11-21 06:01 America/Los_Angeles": "FAIL",
            },
        ),
        # Made with the whole October, due again when November is whole.
        (
            "market/training_table",
            "2026-11-02 10:00 America/Chicago",
            {
                "2026-11-09 00:00 America/Chicago": "PASS",
                "2026-12-07 23:59 America/Chicago": "PASS",
                "2026-12-08 00:01 America/Chicago": "FAIL",
            },
        ),
        # On the last of the month a month was still incomplete.
        (
            "market/session_bars",
            "2026-10-31 10:00 America/Chicago",
            {"2026-11-07 23:00 America/Chicago": "PASS", "2026-11-08 00:01 America/Chicago": "FAIL"},
        ),
        # Every hour: two missed hours are close to late, three are late, as its check says.
        (
            "discovery/dumb_money_live/discovered",
            "2026-11-20 10:00 UTC",
            {
                "2026-11-20 11:59 UTC": "PASS",
                "2026-11-20 12:01 UTC": "WARN",
                "2026-11-20 12:59 UTC": "WARN",
                "2026-11-20 13:01 UTC": "FAIL",
            },
        ),
        # Daily by cron.
        (
            "discovery/papers/discovered",
            "2026-11-20 06:30 UTC",
            {"2026-11-22 06:29 UTC": "PASS", "2026-11-22 06:31 UTC": "WARN", "2026-11-23 06:31 UTC": "FAIL"},
        ),
    ],
)
def test_an_asset_becomes_late_when_what_its_users_wait_for_does(world, asset, made, verdicts):
    world.make(asset, at(made))
    assert {moment: world.judge(at(moment))[asset] for moment in verdicts} == verdicts


def test_what_was_late_is_on_time_as_soon_as_it_is_made(world):
    asset = "aim/override_file"
    world.make(asset, at("2026-11-20 06:20 Europe/London"), "2026-11-20")
    assert world.judge(at("2026-11-24 09:30 Europe/London"))[asset] == "FAIL"
    world.make(asset, at("2026-11-24 11:00 Europe/London"), "2026-11-24")
    assert world.judge(at("2026-11-24 11:01 Europe/London"))[asset] == "PASS"


JOBS_FILE = """
version: 1
jobs:
  - name: {name}
    {settings}
    discovery: {{strategy: static_list, params: {{values: [a]}}, {clock}}}
    stages: [{{name: extract, handler: extract}}]
"""


def roster(tmp_path: Path, clock: str, settings: str = "enabled: true") -> Roster:
    path = tmp_path / "jobs.yaml"
    path.write_text(JOBS_FILE.format(name="some", clock=clock, settings=settings))
    loaded = Roster.load(path)
    assert loaded.problem is None, loaded.problem
    return loaded


@pytest.mark.parametrize(
    ("clock", "longest"),
    [
        ("every_s: 90", timedelta(seconds=90)),
        ('cron: "30 6 * * *"', timedelta(days=1, hours=1)),  # The day on which the clocks go back.
        ('cron: "0 6 * * 2,5"', timedelta(days=4, hours=1)),
        ('cron: "0 9-17 * * 1-5"', timedelta(days=2, hours=16)),
        ('cron: "0 0 1 * *"', timedelta(days=31, hours=1)),
        ("limit: 5", None),
    ],
)
def test_the_longest_interval_of_a_clock(tmp_path, clock, longest):
    (job,) = roster(tmp_path, clock, "timezone: Europe/London").jobs
    assert longest_interval(job) == longest


@pytest.mark.parametrize("settings", ["enabled: false", "kind: backfill"])
def test_of_a_job_that_need_not_look_nothing_is_late(tmp_path, settings):
    specs = specs_of(roster(tmp_path, "every_s: 3600", settings))
    assert [spec.freshness_policy for spec in specs] == [None, None]


@pytest.mark.parametrize(
    ("every_s", "warn", "fail"),
    [(1, 120, 180), (60, 120, 180), (61, 122, 183), (86_400, 2 * 86_400, 3 * 86_400)],
)
def test_the_windows_of_a_job_are_two_and_three_of_its_intervals_but_not_below_minutes(
    tmp_path, every_s, warn, fail
):
    (policy,) = (
        spec.freshness_policy
        for spec in specs_of(roster(tmp_path, f"every_s: {every_s}"))
        if spec.key.path[-1] == "discovered"
    )
    assert policy == dg.FreshnessPolicy.time_window(timedelta(seconds=fail), timedelta(seconds=warn))


def specs_of(roster: Roster) -> list[dg.AssetSpec]:
    return [spec for asset in discovery_assets.assets_of(roster) for spec in asset.specs]


@pytest.mark.parametrize("name", ["dagster.yaml", "dagster.postgres.yaml"])
def test_the_instance_files_let_the_daemon_judge(name):
    settings = yaml.safe_load((Path(__file__).parents[2] / "deploy" / name).read_text())
    assert settings["freshness"] == {"enabled": True}

"""The sensor of aim: ticked as the daemon ticks it, and its pure part against a model of the world."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from assets.aim.feed_files import FEED_KINDS
from resources.object_store import ObjectInfo
from sensors.aim import aim_feed_sensor, feed_pairs, feeds_by_date
from sensors.planning import SourceFile, plan, run_key
from tests.assets.aim.aim_roots import DATE, SALES, TYRES
from tests.assets.aim.dagster_runs import Aim, environment, opened_aim

pytestmark = pytest.mark.materialise

FOLDER = "tyrescore-AWS3-daily-files"
GLOBAL_RUN = {"ops": {"batch_recommender": {"config": {"run_mode": "GLOBAL"}}}}


@dataclass
class Watched:
    """A root whose sensor is ticked; like the daemon it keeps the cursor and starts each run key once."""

    aim: Aim
    cursor: str | None = None
    run_keys: set[str] = field(default_factory=set)

    def tick(self) -> SensorExecutionData:
        defs = self.aim.defs
        with dg.build_sensor_context(
            self.aim.instance, self.cursor, resources=defs.resources, definitions=defs
        ) as context:
            tick = defs.resolve_sensor_def("aim_feed_sensor").evaluate_tick(context)
        self.cursor = tick.cursor
        return tick

    def requests(self) -> dict[str, dg.RunRequest]:
        """What one tick asks for, less what was asked for before."""
        asked = {request.run_key or "": request for request in self.tick().run_requests or []}
        new = {name: request for name, request in asked.items() if name not in self.run_keys}
        self.run_keys |= new.keys()
        return new

    def reason(self) -> str:
        """Why a tick asks for nothing."""
        tick = self.tick()
        assert not tick.run_requests
        return tick.skip_message or ""

    def give(self, *days: str, content: str = "whole") -> None:
        """Put both feeds of these dates."""
        for day in days:
            for kind in FEED_KINDS:
                self.give_one(f"{day.replace('-', '')}_{kind}.csv", content)

    def give_one(self, name: str, content: str = "whole") -> None:
        self.aim.root.give(f"{FOLDER}/{name}", content)


@pytest.fixture
def watched(tmp_path) -> Iterator[Watched]:
    with opened_aim(tmp_path) as aim:
        for feed in (SALES, TYRES):
            aim.root.file(feed).unlink()
        yield Watched(aim)


@pytest.fixture
def watched_inputs(tmp_path) -> Iterator[Watched]:
    """A root with whole inputs of one date."""
    with opened_aim(tmp_path) as aim:
        yield Watched(aim)


def test_the_sensor_is_stopped_until_someone_starts_it_and_looks_every_five_minutes():
    assert aim_feed_sensor.name == "aim_feed_sensor"
    assert aim_feed_sensor.default_status == dg.DefaultSensorStatus.STOPPED
    assert aim_feed_sensor.minimum_interval_seconds == 300
    assert aim_feed_sensor.job_name == "run_aim"


def test_a_folder_without_feeds_says_so(watched):
    assert watched.reason() == f"No feed of a run date lies in '{FOLDER}'."


def test_a_root_without_a_feed_folder_says_so(watched):
    watched.aim.root.file(FOLDER).rmdir()
    assert watched.reason() == f"No feed of a run date lies in '{FOLDER}'."


def test_a_pair_of_feeds_waits_for_a_second_look_and_is_then_asked_for_once(watched):
    watched.give(DATE)
    assert f"Waiting until two looks find the same version and size of {DATE}" in watched.reason()
    (request,) = watched.requests().values()
    day, digest = (request.run_key or "").split(":")
    assert day == request.partition_key == DATE
    assert len(digest) == 16
    assert request.run_config == GLOBAL_RUN
    assert watched.requests() == {}
    assert "was asked for before" in watched.reason()


def test_the_run_that_is_asked_for_makes_the_date(watched_inputs):
    watched = watched_inputs
    watched.tick()
    (request,) = watched.requests().values()
    result = watched.aim.job.execute_in_process(
        run_config=dict(request.run_config),
        tags=dict(request.tags),
        partition_key=request.partition_key,
        instance=watched.aim.instance,
    )
    assert result.success
    assert watched.aim.recorded()["merchandising_report"] == {DATE}


@pytest.mark.parametrize(("there", "missing"), [FEED_KINDS, FEED_KINDS[::-1]])
def test_one_feed_alone_waits_and_the_reason_names_the_other(watched, there, missing):
    watched.give_one(f"20250610_{there}.csv")
    for _ in range(3):
        assert watched.reason() == f"Waiting for the {missing} feed of 2025-06-10."
    watched.give_one(f"20250610_{missing}.csv")
    watched.tick()
    assert len(watched.requests()) == 1


def test_the_newest_dates_that_wait_are_named_and_the_others_counted(watched):
    watched.give("2025-06-01")
    for day in range(2, 9):
        watched.give_one(f"202506{day:02}_TyreScore.csv")
    reason = watched.reason()
    assert reason.startswith("Waiting for the CarMakeModelSales feed of 2025-06-08, the CarMakeModelSales")
    assert "feed of 2025-06-04 and 2 more. Waiting until two looks find the same" in reason
    (request,) = (watched.requests()).values()
    assert request.partition_key == "2025-06-01"
    assert "of 2025-06-04 and 2 more. Each of the 1 listed files was asked for before" in watched.reason()


@pytest.mark.parametrize("kind", FEED_KINDS)
def test_a_date_of_which_one_feed_is_replaced_is_asked_for_again_after_two_looks(watched, kind):
    watched.give(DATE)
    watched.tick()
    (first,) = watched.requests()
    watched.give_one(f"20250610_{kind}.csv", "other")
    assert watched.requests() == {}
    (second,) = watched.requests()
    assert second.split(":")[0] == first.split(":")[0]
    assert second != first


def test_feeds_that_are_exchanged_are_a_changed_pair(watched):
    watched.give_one("20250610_CarMakeModelSales.csv", "one")
    watched.give_one("20250610_TyreScore.csv", "two")
    watched.tick()
    (first,) = watched.requests()
    watched.give_one("20250610_CarMakeModelSales.csv", "two")
    watched.give_one("20250610_TyreScore.csv", "one")
    watched.tick()
    (second,) = watched.requests()
    assert second != first


def test_a_half_written_feed_waits_until_it_is_whole(watched):
    watched.give(DATE)
    for length in range(1, 4):
        watched.give_one("20250610_TyreScore.csv", "x" * length)
        assert watched.requests() == {}
    assert len(watched.requests()) == 1


def test_a_tick_that_is_repeated_because_its_cursor_was_lost_starts_nothing_twice(watched):
    watched.give(DATE, "2025-06-11")
    watched.tick()
    cursor = watched.cursor
    assert len(watched.requests()) == 2
    watched.cursor = cursor
    assert watched.requests() == {}


def test_a_tick_asks_for_five_runs_at_most_and_the_next_for_the_rest(watched):
    days = [f"2025-06-{day:02}" for day in range(1, 8)]
    watched.give(*days)
    watched.tick()
    first, second = watched.requests(), watched.requests()
    assert [request.partition_key for request in first.values()] == days[:5]
    assert [request.partition_key for request in second.values()] == days[5:]


@pytest.mark.parametrize(
    "prefix",
    [
        "",  # undated
        "20241231_",  # before the first partition
        "21990101_",  # not yet a partition
        "20250610",  # no separator
        "20251301_",  # no date
        "old/20250610_",  # not directly in the folder
        "Old",
    ],
)
def test_files_that_are_no_feeds_of_a_run_date_are_ignored(watched, prefix):
    for kind in FEED_KINDS:
        watched.give_one(f"{prefix}{kind}.csv")
    for _ in range(2):
        assert watched.reason() == f"No feed of a run date lies in '{FOLDER}'."


def test_other_files_of_the_root_and_of_other_types_are_ignored(watched):
    watched.give_one("20250610_TyreScore.csv.part")
    watched.give_one("20250610_CarMakeModelSales.CSV")
    watched.aim.root.give("elsewhere/20250610_TyreScore.csv", "")
    assert watched.reason() == f"No feed of a run date lies in '{FOLDER}'."


def test_folder_extension_and_root_are_those_of_the_settings(watched, tmp_path):
    with opened_aim(tmp_path / "there") as there:
        there.root.give("drop/2025-06-12.CarMakeModelSales.txt", "")
        there.root.give("drop/2025-06-12.TyreScore.txt", "")
        with environment(
            AIM_LOCAL_ROOT=str(there.root.path), TYRESCORE_PREFIX="drop/", TYRESCORE_FILE_EXTENSION=".txt"
        ):
            watched.tick()
            (request,) = watched.requests().values()
    assert request.partition_key == "2025-06-12"


@pytest.mark.parametrize("kind", FEED_KINDS)
def test_of_two_feeds_of_one_date_the_one_counts_that_a_run_reads(watched, kind):
    watched.give(DATE)
    watched.give_one(f"2025-06-10_{kind}.csv", "earlier in the alphabet")
    watched.tick()
    (first,) = watched.requests()
    watched.give_one(f"2025-06-10_{kind}.csv", "changed, but read by nobody")
    assert watched.requests() == watched.requests() == {}
    watched.give_one(f"20250610_{kind}.csv", "changed")
    watched.tick()
    (second,) = watched.requests()
    assert second != first


DAYS = st.sampled_from([date(2025, 6, 10), date(2025, 6, 11), date(2025, 6, 12)])
KINDS = st.sampled_from(FEED_KINDS)


class Feeds(RuleBasedStateMachine):
    """A folder of feeds, the sensor that looks at it, and a Dagster that starts one run for each run key."""

    @initialize()
    def start(self) -> None:
        self.now, self.writes = 1000.0, 0
        self.store: dict[str, ObjectInfo] = {}
        self.cursor: str | None = None
        self.seen_by_cursor: list[SourceFile] = []
        self.runs: list[str] = []

    @rule(day=DAYS, kind=KINDS, size=st.integers(0, 3))
    def write(self, day: date, kind: str, size: int) -> None:
        """As an etag does, every write gives a version that never was."""
        self.writes += 1
        path = f"{FOLDER}/{day:%Y%m%d}_{kind}.csv"
        self.store[path] = ObjectInfo("aim", path, size, str(self.writes), datetime.now(UTC))

    @rule(day=DAYS, kind=KINDS)
    def delete(self, day: date, kind: str) -> None:
        self.store.pop(f"{FOLDER}/{day:%Y%m%d}_{kind}.csv", None)

    @rule()
    def tick(self) -> None:
        self.seen_by_cursor, self.cursor = self.look(launched=None)

    @rule(launched=st.integers(0, 2))
    def tick_that_dies_before_its_cursor_is_saved(self, launched: int) -> None:
        self.look(launched)

    def look(self, launched: int | None) -> tuple[list[SourceFile], str]:
        self.now += 300
        pairs = feed_pairs(feeds_by_date(self.store, FOLDER, ".csv"), self.store)
        planned = plan(pairs, self.cursor, self.now, limit=2)
        for pair in planned.requests:
            day = date.fromisoformat(pair.name)
            assert {f"{FOLDER}/{day:%Y%m%d}_{kind}.csv" for kind in FEED_KINDS} <= self.store.keys()
            assert pair in self.seen_by_cursor, "the look before saw the same pair"
        self.runs += [run_key(pair) for pair in planned.requests[:launched] if run_key(pair) not in self.runs]
        return pairs, planned.new_cursor

    @invariant()
    def no_pair_of_versions_runs_twice(self) -> None:
        runs = getattr(self, "runs", [])
        assert len(runs) == len(set(runs))

    def teardown(self) -> None:
        """Once writing has stopped, every date with both feeds runs in the versions that are there."""
        if not hasattr(self, "store"):
            return
        for _ in range(4):
            self.tick()
        dates = feeds_by_date(self.store, FOLDER, ".csv")
        complete = {day.isoformat() for day, paths in dates.items() if len(paths) == 2}
        assert {pair.name for pair in self.seen_by_cursor} == complete
        assert {run_key(pair) for pair in self.seen_by_cursor} <= set(self.runs)
        assert self.look(launched=None)[0] == self.seen_by_cursor


TestFeeds = Feeds.TestCase
TestFeeds.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

"""The market's sensor, ticked as the daemon ticks it, on a store whose files come, grow and are replaced."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from assets.market import assets as assets_module
from assets.market.assets import raw_bars
from assets.market.months import BUCKET, RAW_PREFIX, raw_key
from sensors import market as sensor_module
from sensors.market import market_month_sensor
from tests.market_samples import Market, cut, failure_of, opened_market, tiny_file

pytestmark = pytest.mark.materialise

FIRST, MIDDLE, LAST = "2025-08", "2025-09", "2025-10"
RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@dataclass
class Watched:
    """A market whose sensor is ticked; like the daemon it keeps the cursor and starts each run key once."""

    market: Market
    cursor: str | None = None
    run_keys: set[str] = field(default_factory=set)

    def tick(self) -> SensorExecutionData:
        defs = self.market.defs
        with dg.build_sensor_context(
            self.market.instance, self.cursor, resources=defs.resources, definitions=defs
        ) as context:
            tick = defs.resolve_sensor_def("market_month_sensor").evaluate_tick(context)
        self.cursor = tick.cursor
        return tick

    def requests(self) -> dict[str, dg.RunRequest]:
        """What one tick asks for, less what was asked for before."""
        asked = {request.run_key or "": request for request in self.tick().run_requests or []}
        new = {key: request for key, request in asked.items() if key not in self.run_keys}
        self.run_keys |= new.keys()
        return new

    def execute(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        return self.market.job.execute_in_process(
            run_config=dict(request.run_config),
            tags=dict(request.tags),
            partition_key=request.partition_key,
            instance=self.market.instance,
            raise_on_error=False,
        )

    def path(self, month: str) -> Path:
        return Path(self.market.store.uri(BUCKET, raw_key(month)))

    def etag(self, month: str) -> str:
        info = self.market.store.head(BUCKET, raw_key(month))
        assert info
        return info.etag


@pytest.fixture
def watched() -> Iterator[Watched]:
    with opened_market() as market:
        yield Watched(market)


def range_of(request: dg.RunRequest) -> Mapping[str, str]:
    return {tag: request.tags[tag] for tag in RANGE_TAGS if tag in request.tags}


def test_an_empty_bucket_says_why_nothing_is_requested(watched):
    tick = watched.tick()
    assert not tick.run_requests
    assert tick.skip_message == "No file is listed."


def test_a_new_file_waits_for_a_second_look_and_is_then_requested_once(watched):
    watched.market.put_tiny(LAST)
    first = watched.tick()
    assert not first.run_requests
    assert f"Waiting until two looks find the same version and size of {LAST}" in (first.skip_message or "")
    (request,) = watched.requests().values()
    assert request.run_key == f"{LAST}:{watched.etag(LAST)}"
    assert request.partition_key == LAST
    assert request.run_config == {"ops": {"market_month": {"config": {"skip_unchanged": True}}}}
    after = watched.tick()
    assert not after.run_requests
    assert after.skip_message == "Each of the 1 listed files was asked for before, in its present version."


def test_a_requested_month_is_made_by_its_run(watched):
    watched.market.put_tiny(LAST)
    watched.tick()
    (request,) = watched.requests().values()
    assert watched.execute(request).success
    assert watched.market.recorded() == [LAST]


def test_a_half_written_file_waits_until_it_is_whole(watched):
    data = tiny_file(LAST)
    path = watched.path(LAST)
    path.parent.mkdir(parents=True)
    for share in (3, 2, 1):
        path.write_bytes(data[: len(data) // share])
        assert watched.requests() == {}
    (request,) = watched.requests().values()
    assert watched.execute(request).success


def test_a_replaced_file_is_requested_again_after_two_looks(watched):
    watched.market.put_tiny(LAST)
    watched.tick()
    (first,) = watched.requests()
    watched.market.put_tiny(LAST, seed=1)
    assert watched.requests() == {}
    (second,) = watched.requests()
    assert second == f"{LAST}:{watched.etag(LAST)}"
    assert second != first


def test_a_touched_or_copied_file_is_no_changed_file(watched, tmp_path):
    watched.market.put_tiny(LAST)
    watched.tick()
    assert len(watched.requests()) == 1
    path = watched.path(LAST)
    os.utime(path, (0, 0))
    for _ in range(3):
        assert watched.requests() == {}
    shutil.copyfile(path, tmp_path / "copy")
    path.unlink()
    shutil.copyfile(tmp_path / "copy", path)
    for _ in range(3):
        assert watched.requests() == {}


def test_neighbours_found_in_one_tick_become_one_run_over_their_range(watched):
    watched.market.put_tiny("2025-05", FIRST, MIDDLE, LAST)
    watched.tick()
    single, stretch = watched.requests().values()
    assert single.partition_key == "2025-05"
    assert stretch.partition_key is None
    assert list(range_of(stretch).values()) == [FIRST, LAST]
    result = watched.execute(stretch)
    assert result.success
    assert watched.market.recorded() == [FIRST, MIDDLE, LAST]


def test_a_range_is_known_by_the_version_of_each_of_its_files(watched):
    watched.market.put_tiny(FIRST, MIDDLE)
    watched.tick()
    (before,) = watched.requests()
    watched.market.put_tiny(FIRST, MIDDLE, seed=1)
    watched.tick()
    (after,) = watched.requests()
    assert before.split(":")[0] == after.split(":")[0] == f"{FIRST}...{MIDDLE}"
    assert before != after


def test_a_tick_that_is_repeated_because_its_cursor_was_lost_starts_nothing_twice(watched):
    watched.market.put_tiny(FIRST, MIDDLE, "2025-05")
    watched.tick()
    cursor = watched.cursor
    assert len(watched.requests()) == 2
    watched.cursor = cursor
    assert watched.requests() == {}


def test_a_refused_file_is_not_requested_again_until_it_is_replaced(watched):
    watched.market.put(LAST, cut(tiny_file(LAST)))
    watched.tick()
    (request,) = watched.requests().values()
    assert "does not end" in failure_of(watched.execute(request))
    for _ in range(3):
        tick = watched.tick()
        assert not tick.run_requests
        assert "was asked for before" in (tick.skip_message or "")
    watched.market.put_tiny(LAST)
    watched.tick()
    (request,) = watched.requests().values()
    assert watched.execute(request).success


def test_a_refused_file_among_neighbours_does_not_keep_them_back(watched, monkeypatch):
    monkeypatch.setattr(assets_module, "available_cores", lambda: 1)
    watched.market.put_tiny(FIRST, LAST)
    watched.market.put(MIDDLE, b"")
    watched.tick()
    (request,) = watched.requests().values()
    assert not watched.execute(request).success
    assert watched.market.recorded() == [FIRST, LAST]
    watched.market.put_tiny(MIDDLE)
    watched.tick()
    (request,) = watched.requests().values()
    assert request.partition_key == MIDDLE
    assert watched.execute(request).success
    assert watched.market.recorded() == [FIRST, MIDDLE, LAST]


def test_months_that_are_done_are_skipped_with_the_reason(watched):
    watched.market.put_tiny(LAST)
    assert watched.market.run(LAST).success
    watched.tick()
    tick = watched.tick()
    assert not tick.run_requests
    assert tick.skip_message == f"{LAST}: done already, made from the same input, config and code"


def test_a_done_month_among_new_ones_is_left_out_and_the_log_says_why(watched, capfd):
    watched.market.put_tiny(FIRST, MIDDLE, LAST)
    assert watched.market.run(MIDDLE).success
    watched.tick()
    capfd.readouterr()
    first, last = watched.requests().values()
    assert (first.partition_key, last.partition_key) == (FIRST, LAST)
    assert f"{MIDDLE}: done already" in capfd.readouterr().err


@pytest.mark.parametrize(
    "name",
    [
        "glbx-mdp3-20251001-20251030.ohlcv-1s.dbn.zst",
        "glbx-mdp3-20251001-20251031.ohlcv-1m.dbn.zst",
        "glbx-mdp3-20251001-20251031.ohlcv-1s.dbn.zst.part",
        "glbx-mdp3-20251301-20251331.ohlcv-1s.dbn.zst",
        "glbx-mdp3-20100601-20100630.ohlcv-1s.dbn.zst",
        "glbx-mdp3-21990101-21990131.ohlcv-1s.dbn.zst",
        "copy/glbx-mdp3-20251001-20251031.ohlcv-1s.dbn.zst",
        "condition.json",
    ],
)
def test_names_that_are_no_vendor_months_are_ignored(watched, name):
    watched.market.store.put_bytes(BUCKET, RAW_PREFIX + name, tiny_file(LAST))
    watched.tick()
    tick = watched.tick()
    assert not tick.run_requests
    assert not tick.asset_events
    assert tick.skip_message == "No file is listed."


def test_a_settled_file_is_observed_with_its_size_and_etag_as_data_version(watched):
    watched.market.put_tiny(FIRST, LAST)
    assert not watched.tick().asset_events
    observed = {event.partition: event for event in watched.tick().asset_events}
    assert set(observed) == {FIRST, LAST}
    event = observed[LAST]
    assert isinstance(event, dg.AssetObservation)
    assert event.asset_key == raw_bars.key
    size = watched.path(LAST).stat().st_size
    assert (event.tags or {})["dagster/data_version"] == f"{size}-{watched.etag(LAST)}"
    assert event.metadata["size_bytes"].value == size
    assert event.metadata["etag"].value == watched.etag(LAST)
    assert not watched.tick().asset_events


def test_a_done_month_is_observed_all_the_same(watched):
    watched.market.put_tiny(LAST)
    assert watched.market.run(LAST).success
    watched.tick()
    assert [event.partition for event in watched.tick().asset_events] == [LAST]


def test_a_tick_has_a_limit_and_the_rest_comes_with_the_next(watched, monkeypatch):
    monkeypatch.setattr(sensor_module, "_FILES_PER_TICK", 2)
    watched.market.put_tiny(FIRST, MIDDLE, LAST)
    watched.tick()
    (request,) = watched.requests().values()
    assert list(range_of(request).values()) == [FIRST, MIDDLE]
    (request,) = watched.requests().values()
    assert request.partition_key == LAST


def test_a_file_that_was_removed_is_forgotten_and_requested_when_it_comes_back_changed(watched):
    watched.market.put_tiny(LAST)
    watched.tick()
    assert len(watched.requests()) == 1
    watched.market.store.delete(BUCKET, raw_key(LAST))
    assert watched.tick().skip_message == "No file is listed."
    watched.market.put_tiny(LAST, seed=1)
    watched.tick()
    assert len(watched.requests()) == 1


def test_the_sensor_is_stopped_until_someone_starts_it_and_looks_every_minute():
    assert market_month_sensor.default_status == dg.DefaultSensorStatus.STOPPED
    assert market_month_sensor.minimum_interval_seconds == 60
    assert market_month_sensor.job_name == "build_market_month"

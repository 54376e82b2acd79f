"""The alert on late assets: judged by Dagster's daemon, told by ticks of the sensor."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState
from hypothesis import given
from hypothesis import strategies as st

from resources.notifier import Message, RecordingNotifier
from sensors.freshness import changes_of, late_asset_alert
from tests.freshness_daemon import FreshnessWorld

pytestmark = pytest.mark.materialise

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dg.asset(freshness_policy=dg.FreshnessPolicy.time_window(2 * HOUR, HOUR))
def prices() -> None: ...


@dg.asset(freshness_policy=dg.FreshnessPolicy.cron("0 9 * * 2,5", 9 * HOUR, "Europe/London"))
def lists() -> None: ...


@dg.asset
def notes() -> None: ...


class Unreachable(RecordingNotifier):
    def notify(self, subject: str, text: str, link: str | None = None) -> None:
        raise ConnectionError("the webhook does not answer")


class Desk:
    """The sensor on an instance, ticked as the daemon ticks it."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.defs = dg.Definitions(assets=[prices, lists, notes], sensors=[late_asset_alert])
        self.world = FreshnessWorld(self.defs, instance)
        self.cursor: str | None = None
        self.said = ""

    def tick(self, notifier: RecordingNotifier | None = None) -> list[Message]:
        notifier = notifier or RecordingNotifier()
        with dg.build_sensor_context(
            self.world.instance, self.cursor, resources={"notifier": notifier}, definitions=self.defs
        ) as context:
            tick = late_asset_alert.evaluate_tick(context)
        self.cursor, self.said = tick.cursor, tick.skip_message or ""
        return notifier.messages


@pytest.fixture
def desk() -> Iterator[Desk]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Desk(instance)


def test_an_asset_that_becomes_late_is_told_once_and_once_more_when_it_is_made(
    desk: Desk, monkeypatch
) -> None:
    monkeypatch.setenv("QUINTET_UI_URL", "http://127.0.0.1:3000/")
    desk.world.make("prices", NOW - 1.5 * HOUR)
    assert desk.world.judge(NOW) == {"prices": "WARN", "lists": "UNKNOWN"}
    assert desk.tick() == []
    desk.world.judge(NOW + HOUR)
    (message,) = desk.tick()
    assert message.subject == "prices is late"
    assert message.text == (
        "prices is late: it is to be no older than 2:00:00; it was last made at 2026-11-24 10:30 UTC."
    )
    assert message.link == "http://127.0.0.1:3000/assets/prices"
    assert desk.tick() == []
    assert desk.said == "1 of 2 judged assets are late, as was told."
    desk.world.make("prices", NOW + 2 * HOUR)
    desk.world.judge(NOW + 2 * HOUR)
    (message,) = desk.tick()
    assert (message.subject, message.text) == ("prices is on time again", "prices is on time again.")
    assert desk.tick() == []


def test_what_changes_together_is_one_message(desk: Desk) -> None:
    for name in ("prices", "lists"):
        desk.world.make(name, NOW - timedelta(days=2))
    desk.world.judge(NOW)
    (message,) = desk.tick()
    assert message.subject == "2 assets are late"
    assert message.text.splitlines()[0] == (
        "lists is late: at 0 9 * * 2,5 (Europe/London) it is to be no older than 9:00:00; "
        "it was last made at 2026-11-22 12:00 UTC."
    )
    assert message.link is None


def test_a_message_that_could_not_be_delivered_is_due_again(desk: Desk) -> None:
    desk.world.make("prices", NOW - timedelta(days=2))
    desk.world.judge(NOW)
    with pytest.raises(ConnectionError):
        desk.tick(Unreachable())
    assert len(desk.tick()) == 1


def test_without_the_daemon_nothing_is_late_and_the_sensor_says_who_judges(desk: Desk) -> None:
    desk.world.make("prices", NOW - timedelta(days=2))
    assert desk.tick() == []
    assert "the daemon does that where freshness is enabled" in desk.said


def test_the_sensor_is_stopped_until_somebody_starts_it() -> None:
    assert late_asset_alert.default_status == dg.DefaultSensorStatus.STOPPED
    assert late_asset_alert.required_resource_keys == {"notifier"}


STATES = st.dictionaries(st.sampled_from("abc"), st.sampled_from(FreshnessState))


@given(st.lists(STATES, max_size=6))
def test_each_asset_is_told_to_be_late_and_on_time_in_turns(
    verdicts: list[dict[str, FreshnessState]],
) -> None:
    told: set[str] = set()
    for states in verdicts:
        changes = changes_of(states, told)
        assert not told.intersection(changes.late)
        assert told.issuperset(changes.on_time)
        told = {name for name, state in states.items() if state == FreshnessState.FAIL}
        assert told >= set(changes.late)
        assert not told.intersection(changes.on_time)
        assert changes_of(states, told).is_empty

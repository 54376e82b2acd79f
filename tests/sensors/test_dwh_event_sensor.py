"""The sensor that tries events again."""

import os

import dagster as dg
import pytest

from assets.dwh.job_settings import EventPublisherConfig
from assets.dwh.stages.events import outbox_for
from resources.object_store import LocalObjectStore
from sensors.dwh_events import dwh_event_sensor
from tests.assets.dwh.published_events import event

ENTRY = "_events/waiting/_promos-1-SUCCESS.json"


@pytest.fixture
def objects(tmp_path) -> LocalObjectStore:
    return LocalObjectStore(root=str(tmp_path / "storage"))


def tick(objects: LocalObjectStore) -> str | None:
    context = dg.build_sensor_context(resources={"object_store": objects})
    return dwh_event_sensor.evaluate_tick(context).skip_message


def test_a_tick_on_a_fresh_site_finds_nothing(objects):
    assert tick(objects) == "No event is due."


def test_a_tick_delivers_what_had_to_wait(objects, tmp_path):
    config = EventPublisherConfig(publisher_type="FILE", path="s3://jobs/events")
    bucket = tmp_path / "storage" / "jobs"
    bucket.parent.mkdir()
    bucket.write_text("a file where the bucket should be")
    assert outbox_for(objects).publish(event(), config) == "waiting"
    assert tick(objects) == "No event is due."
    os.utime(objects.uri("dwh-data", ENTRY), (0, 0))
    assert tick(objects) == "Not delivered, and tried again later: promos-1-SUCCESS."
    bucket.unlink()
    os.utime(objects.uri("dwh-data", ENTRY), (0, 0))
    assert tick(objects) == "Delivered: promos-1-SUCCESS."
    assert objects.list_keys("jobs") == ["events/load_promos-promos-1-SUCCESS.json"]
    assert tick(objects) == "No event is due."


def test_the_sensor_is_stopped_until_somebody_starts_it():
    assert dwh_event_sensor.default_status == dg.DefaultSensorStatus.STOPPED
    assert dwh_event_sensor.required_resource_keys == {"object_store"}

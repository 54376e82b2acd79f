"""Events of jobs through SNS: what a subscriber of the topic receives from moto's server."""

import json

import boto3
import pytest

from assets.dwh.job_settings import EventPublisherConfig
from assets.dwh.paths import Location
from assets.dwh.publishers import Topic
from assets.dwh.stages.events import Receivers, outbox_for, retry_waiting
from resources.notifier import NotificationFailed, Topics
from tests.assets.dwh.published_events import event, outbox_later

pytestmark = pytest.mark.services

BUCKET = "quintet-contract"
REGION = "eu-west-2"  # Not the default region of the environment.


def make_topic() -> str:
    """A topic whose messages come to the queue `events`."""
    sns, sqs = boto3.client("sns", region_name=REGION), boto3.client("sqs", region_name=REGION)
    topic = sns.create_topic(Name="jobs")["TopicArn"]
    queue = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return topic


def received() -> list[dict]:
    sqs = boto3.client("sqs", region_name=REGION)
    queue = sqs.get_queue_url(QueueName="events")["QueueUrl"]
    answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1, MaxNumberOfMessages=10)
    return [json.loads(message.get("Body", "")) for message in answer.get("Messages", [])]


@pytest.mark.parametrize("region", [None, REGION])
def test_a_subscriber_receives_the_event_with_its_subject_and_attributes(s3_store, region):
    config = EventPublisherConfig(publisher_type="SNS", topic_arn=make_topic(), region=region)
    outbox = outbox_for(s3_store, Location(BUCKET, "_events"))
    assert outbox.publish(event(), config) == "delivered"
    assert outbox.publish(event(), config) == "known"
    (message,) = received()
    assert message["Subject"] == "Job Event: load_promos - SUCCESS"
    assert message["MessageAttributes"] == {
        "status": {"Type": "String", "Value": "SUCCESS"},
        "job_name": {"Type": "String", "Value": "load_promos"},
    }
    assert json.loads(message["Message"]) == json.loads(event().line())


def test_an_event_waits_until_its_topic_is_there(s3_store):
    arn = f"arn:aws:sns:{REGION}:123456789012:jobs"
    config = EventPublisherConfig(publisher_type="SNS", topic_arn=arn)
    outbox = outbox_for(s3_store, Location(BUCKET, "_events"))
    assert outbox.publish(event(), config) == "waiting"
    assert make_topic() == arn
    later = outbox_later(s3_store, BUCKET, Receivers(s3_store, Topics()))
    assert retry_waiting(later).delivered == ("promos-1-SUCCESS",)
    assert len(received()) == 1


def test_a_topic_that_is_none_is_named(s3_store):
    with pytest.raises(NotificationFailed, match="'jobs' is not the ARN of a topic"):
        Receivers(s3_store, Topics()).send(Topic("jobs", None), "subject", "{}", {})

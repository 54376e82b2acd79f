"""The SNS notifier against moto's server, which speaks for SNS and SQS as well as for S3."""

import json

import boto3
import pytest

from resources.notifier import NotificationFailed, SnsNotifier
from resources.notifier.sns import MAX_BYTES

pytestmark = pytest.mark.services


@pytest.fixture
def topic(s3_server: str) -> str:
    """A topic that delivers to the queue `alerts`, where a test can look."""
    topic = boto3.client("sns").create_topic(Name="quintet-alerts")["TopicArn"]
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return topic


def received() -> dict[str, str]:
    sqs = boto3.client("sqs")
    queue = sqs.get_queue_url(QueueName="alerts")["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", [])
    return json.loads(message.get("Body", ""))


def test_the_message_arrives_with_subject_text_and_link(topic: str) -> None:
    SnsNotifier(topic_arn=topic).notify("market failed", "raw/2025-10 is cut", "http://127.0.0.1:3000/runs/1")
    message = received()
    assert message["Subject"] == "market failed"
    assert message["Message"] == "raw/2025-10 is cut\nhttp://127.0.0.1:3000/runs/1"


@pytest.mark.parametrize(
    ("subject", "sent"),
    [
        ("market failed\nfor 2025-10\t", "market failed for 2025-10"),
        ("Reifenprüfung fehlgeschlagen", "Reifenpr?fung fehlgeschlagen"),
        ("x" * 200, "x" * 99),
        ("", "Quintet"),
    ],
)
def test_a_subject_that_sns_would_refuse_is_made_one_plain_line(topic: str, subject: str, sent: str) -> None:
    SnsNotifier(topic_arn=topic).notify(subject, "text")
    assert received()["Subject"] == sent


def test_a_text_beyond_what_sns_takes_is_cut(topic: str) -> None:
    SnsNotifier(topic_arn=topic).notify("subject", "é" * MAX_BYTES)
    assert len(received()["Message"].encode()) == MAX_BYTES


def test_a_topic_that_does_not_exist_is_named_with_the_variable_that_names_it(s3_server: str) -> None:
    arn = "arn:aws:sns:us-east-1:123456789012:absent"
    with pytest.raises(NotificationFailed, match=rf"{arn}.*QUINTET_SNS_TOPIC_ARN"):
        SnsNotifier(topic_arn=arn).notify("subject", "text")


def test_a_setting_that_is_no_arn_is_named_with_its_variable(s3_server: str) -> None:
    with pytest.raises(NotificationFailed, match=r"alerts.*QUINTET_SNS_TOPIC_ARN"):
        SnsNotifier(topic_arn="alerts").notify("subject", "text")

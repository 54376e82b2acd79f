"""The SNS notifier, against moto's server."""

import json
from typing import Any

import boto3
import httpx
import pytest

from resources.notifier import NotificationFailed, SnsNotifier

pytestmark = pytest.mark.services


@pytest.fixture
def topic(s3_server: str) -> str:
    # moto's server speaks for all of AWS.
    return boto3.client("sns").create_topic(Name="quintet-alerts")["TopicArn"]


def published(endpoint: str) -> list[dict[str, Any]]:
    """What moto recorded: (message, subject) of every notification of the topic."""
    state = httpx.get(f"{endpoint}/moto-api/data.json", timeout=30).json()
    return state["sns"]["Topic"]


def receive(topic: str) -> list[dict[str, str]]:
    sqs = boto3.client("sqs")
    queue = sqs.get_queue_url(QueueName="alerts")["QueueUrl"]
    return [json.loads(message["Body"]) for message in sqs.receive_message(QueueUrl=queue).get("Messages", [])]


@pytest.fixture
def subscribed(topic: str) -> str:
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return topic

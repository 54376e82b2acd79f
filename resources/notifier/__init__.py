"""The `notifier` resource: a few sentences to the people who look after the pipelines.

    base        Notifier: one method, `notify`
    log         LogNotifier: into the log (the `local` deployment)
    recording   RecordingNotifier: into memory, for tests
    webhook     WebhookNotifier: to Slack, Teams or anything else that takes JSON with a text
    sns         SnsNotifier: to an Amazon SNS topic
    topics      Topics: any message to any SNS topic, with attributes; boto3 is imported when it is first used

What belongs here: delivery. What does not: when to alert, and what the message says (sensors.alerts).
"""

from resources.notifier.base import Message, NotificationFailed, Notifier
from resources.notifier.log import LogNotifier
from resources.notifier.recording import RecordingNotifier
from resources.notifier.sns import SnsNotifier
from resources.notifier.topics import Topics
from resources.notifier.webhook import WebhookNotifier

__all__ = [
    "LogNotifier",
    "Message",
    "NotificationFailed",
    "Notifier",
    "RecordingNotifier",
    "SnsNotifier",
    "Topics",
    "WebhookNotifier",
]

"""Messages to people through one topic of Amazon SNS."""

from functools import cached_property

from pydantic import Field

from resources.notifier.base import Message, NotificationFailed, Notifier
from resources.notifier.topics import Topics

MAX_BYTES = 256 * 1024


class SnsNotifier(Notifier):
    """Publishes each message to one topic, in the region of its ARN. Credentials come from boto's chain."""

    topic_arn: str = Field(description="The topic, e.g. arn:aws:sns:eu-west-2:…:quintet-alerts.")

    @cached_property
    def _topics(self) -> Topics:
        return Topics()

    def _deliver(self, message: Message) -> None:
        body = "\n".join(part for part in (message.text, message.link) if part) or message.subject
        try:
            self._topics.publish(
                self.topic_arn, message.subject, body.encode()[:MAX_BYTES].decode(errors="ignore")
            )
        except NotificationFailed as error:
            raise NotificationFailed(f"{error} The topic is the one in QUINTET_SNS_TOPIC_ARN.") from error

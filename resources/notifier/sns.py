"""Messages through Amazon SNS, which passes them on by e-mail, SMS or to a queue."""

import re
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import Field

from resources.notifier.base import Message, NotificationFailed, Notifier

if TYPE_CHECKING:
    from mypy_boto3_sns.client import SNSClient

MAX_SUBJECT = 99  # SNS: fewer than 100 characters of ASCII, on one line.
MAX_BYTES = 256 * 1024
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 10, 20, 4


class SnsNotifier(Notifier):
    """Publishes each message to one topic. Credentials come from boto's own chain, the region from the ARN.

    A request is tried 4 times in all, after time-outs, throttling and 5xx answers, with random growing
    pauses.
    """

    topic_arn: str = Field(description="The topic, e.g. arn:aws:sns:eu-west-2:…:quintet-alerts.")

    @cached_property
    def _client(self) -> "SNSClient":
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        )
        match self.topic_arn.split(":"):
            case ["arn", _, "sns", region, _, _]:
                return boto3.client("sns", region_name=region, config=config)
            case _:
                raise NotificationFailed(
                    f"{self.topic_arn!r} is not the ARN of a topic; correct QUINTET_SNS_TOPIC_ARN."
                )

    def _deliver(self, message: Message) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        body = "\n".join(part for part in (message.text, message.link) if part) or message.subject
        try:
            self._client.publish(
                TopicArn=self.topic_arn,
                Subject=_one_ascii_line(message.subject),
                Message=body.encode()[:MAX_BYTES].decode(errors="ignore"),
            )
        except (BotoCoreError, ClientError) as error:
            raise NotificationFailed(
                f"SNS did not take a message for {self.topic_arn} ({error}); check QUINTET_SNS_TOPIC_ARN, "
                "and that the account may publish to the topic."
            ) from error


def _one_ascii_line(subject: str) -> str:
    plain = subject.encode("ascii", "replace").decode()
    return re.sub(r"[^ -~]+", " ", plain).strip()[:MAX_SUBJECT] or "Quintet"

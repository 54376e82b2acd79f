"""Messages to topics of Amazon SNS, which passes them on by e-mail, SMS or to a queue.

boto3 is imported when the first message is sent; it finds credentials and endpoints of emulators itself.
Not here: which topic gets which message.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from resources.notifier.base import NotificationFailed

if TYPE_CHECKING:
    from mypy_boto3_sns.client import SNSClient

MAX_SUBJECT = 99  # SNS: fewer than 100 characters of ASCII, on one line.


class Topics:
    """Publishes messages. A request is tried again after time-outs, throttling and 5xx answers.

    By default that is 4 times in all, with random growing pauses: about 3 minutes at worst.
    """

    def __init__(self, *, connect_seconds: float = 10, read_seconds: float = 20, attempts: int = 4) -> None:
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._attempts = attempts
        self._clients: dict[str, SNSClient] = {}

    def publish(
        self,
        topic_arn: str,
        subject: str,
        message: str,
        *,
        region: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Publish one message, with attributes that subscribers can filter by.

        Args:
            topic_arn: the topic, e.g. `arn:aws:sns:eu-west-2:…:jobs`.
            subject: becomes one line of at most 99 ASCII characters.
            message: at most 256 KiB in UTF-8, the attributes included.
            region: where the request goes; the region in the ARN if it is not given.

        Raises:
            NotificationFailed: the topic's ARN is none, or SNS did not take the message.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        region = region or _region_of(topic_arn)
        try:
            self._client(region).publish(
                TopicArn=topic_arn,
                Subject=_one_ascii_line(subject),
                Message=message,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in (attributes or {}).items()
                },
            )
        except (BotoCoreError, ClientError) as error:
            raise NotificationFailed(
                f"SNS did not take a message for {topic_arn} ({error}); check the topic, "
                "and that the account may publish to it."
            ) from error

    def _client(self, region: str) -> "SNSClient":
        import boto3
        from botocore.config import Config

        if region not in self._clients:
            config = Config(
                connect_timeout=self._connect_seconds,
                read_timeout=self._read_seconds,
                retries={"mode": "standard", "total_max_attempts": self._attempts},
            )
            self._clients[region] = boto3.client("sns", region_name=region, config=config)
        return self._clients[region]


def _region_of(topic_arn: str) -> str:
    match topic_arn.split(":"):
        case ["arn", _, "sns", region, _, _] if region:
            return region
        case _:
            raise NotificationFailed(f"{topic_arn!r} is not the ARN of a topic; correct it.")


def _one_ascii_line(subject: str) -> str:
    plain = subject.encode("ascii", "replace").decode()
    return re.sub(r"[^ -~]+", " ", plain).strip()[:MAX_SUBJECT] or "Quintet"

"""The one handle for messages to people."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import dagster as dg


class NotificationFailed(RuntimeError):
    """The message was not delivered, after all retries. The sentence names no secret."""


@dataclass(frozen=True, slots=True)
class Message:
    """A subject of a few words, a text of a few lines, and perhaps a page that tells more."""

    subject: str
    text: str
    link: str | None = None

    def __str__(self) -> str:
        return "\n".join(part for part in (self.subject, self.text, self.link) if part)


class Notifier(dg.ConfigurableResource, ABC):
    """Delivers messages to whoever looks after the pipelines."""

    def notify(self, subject: str, text: str, link: str | None = None) -> None:
        """Deliver one message, or raise `NotificationFailed`."""
        self._deliver(Message(subject, text, link))

    @abstractmethod
    def _deliver(self, message: Message) -> None: ...

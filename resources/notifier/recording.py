"""Messages in memory, for tests."""

from collections import defaultdict
from uuid import uuid4

from pydantic import Field

from resources.notifier.base import Message, Notifier

# Dagster hands each run a copy of the resource that has its fields only, so the messages lie beside them.
_boxes: defaultdict[str, list[Message]] = defaultdict(list)


class RecordingNotifier(Notifier):
    """Keeps what it was given, of all its copies in this process, in `messages`."""

    box: str = Field(default_factory=lambda: uuid4().hex, description="What a resource and its copies share.")

    @property
    def messages(self) -> list[Message]:
        """Everything notified so far, in order."""
        return _boxes[self.box]

    def _deliver(self, message: Message) -> None:
        self.messages.append(message)

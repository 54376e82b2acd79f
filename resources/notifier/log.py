"""Messages in the log, for a machine that nobody has connected to anything."""

import logging

from resources.notifier.base import Message, Notifier

_log = logging.getLogger(__name__)


class LogNotifier(Notifier):
    """Writes each message as one warning."""

    def _deliver(self, message: Message) -> None:
        _log.warning("%s", message)

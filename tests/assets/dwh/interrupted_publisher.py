"""A publisher whose receiver never answers: the process that `test_event_outbox` kills meanwhile.

Arguments: the root of a local object store, and a bucket.
"""

import sys
from collections.abc import Mapping
from threading import Event

from assets.dwh.publishers import Topic
from resources.object_store import LocalObjectStore
from tests.assets.dwh.published_events import SNS, Recipient, event, outbox_now


class SilentRecipient(Recipient):
    def send(self, topic: Topic, subject: str, message: str, attributes: Mapping[str, str]) -> None:
        sys.stdout.write("sending\n")
        sys.stdout.flush()
        Event().wait(60)


if __name__ == "__main__":
    root, bucket = sys.argv[1:]
    outbox_now(LocalObjectStore(root=root), bucket, SilentRecipient()).publish(event(), SNS)

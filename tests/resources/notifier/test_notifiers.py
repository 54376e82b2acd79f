"""Messages that stay on this machine: the log and the recording."""

import logging
import pickle

import dagster as dg
import pytest

from resources.notifier import LogNotifier, Message, Notifier, RecordingNotifier


def test_the_log_notifier_writes_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    LogNotifier().notify("market failed", "raw/2025-10 is cut", "http://127.0.0.1:3000/runs/1")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message == "market failed\nraw/2025-10 is cut\nhttp://127.0.0.1:3000/runs/1"


def test_a_message_without_a_link_ends_with_its_text() -> None:
    assert str(Message("market failed", "raw/2025-10 is cut")) == "market failed\nraw/2025-10 is cut"


def test_the_recording_notifier_keeps_what_a_run_told_its_copy() -> None:
    notifier = RecordingNotifier()

    @dg.op
    def tell(notifier: Notifier) -> None:
        notifier.notify("from the run", "text")

    @dg.job(resource_defs={"notifier": notifier})
    def telling_job() -> None:
        tell()

    notifier.notify("before", "text")
    assert telling_job.execute_in_process(instance=dg.DagsterInstance.ephemeral()).success
    assert [message.subject for message in notifier.messages] == ["before", "from the run"]


def test_two_recording_notifiers_are_two() -> None:
    first, second = RecordingNotifier(), RecordingNotifier()
    first.notify("first", "text")
    assert second.messages == []


def test_a_message_can_be_sent_to_another_process() -> None:
    message = Message("subject", "text")
    assert pickle.loads(pickle.dumps(message)) == message

"""Jobs and factories that publish how they ended. Defects 17, 18, 20 and 23."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from assets.dwh.arguments import UsageError
from assets.dwh.job_events import Artifact
from assets.dwh.job_settings import EventPublisherConfig, LoadPromosConfig
from assets.dwh.metrics import JobRun, JobStatus, Metrics, metrics_of
from assets.dwh.publishers import FailureEvents
from assets.dwh.quality import QualityRules
from assets.dwh.registry import REGISTRY
from assets.dwh.routing import AbstractJob
from assets.dwh.stages.events import outbox_for, retry_waiting
from assets.dwh.stages.hooks import EventLost, PublishingFactory, PublishingJob
from resources.object_store import LocalObjectStore
from tests.assets.dwh.published_events import ARN, NOW, SNS, Recipient, outbox_later, outbox_now
from tests.assets.dwh.recorded_jobs import notes_of

BUCKET = "dwh-data"
TO_TOPIC = {"publisher_type": "SNS", "topic_arn": ARN}
WRITTEN = {"nautilus": Artifact(path="s3://dwh-data/transformed_images/nautilus", records=90, bytes=9)}


@dataclass(frozen=True)
class Results:
    metrics: Metrics
    artifacts: Mapping[str, Artifact]


def results(status: JobStatus = "SUCCESS", dropped: int = 0) -> Results:
    quality = QualityRules().judge(records_read=100, records_dropped=dropped, records_written=100 - dropped)
    metrics = metrics_of(JobRun("load_promos", "promos-1", NOW), status, NOW, quality=quality)
    return Results(metrics, WRITTEN)


class Loading(PublishingJob):
    """Returns what it was given, or raises it."""

    def __init__(self, events: FailureEvents, outcome: object, *, strict_hooks: bool = False) -> None:
        super().__init__(events, strict_hooks=strict_hooks)
        self.outcome = outcome

    def execute_job(self) -> Any:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.fixture
def objects(tmp_path) -> LocalObjectStore:
    return LocalObjectStore(root=str(tmp_path / "storage"))


@pytest.fixture
def recipient() -> Recipient:
    return Recipient()


@pytest.fixture
def outbox(objects, recipient):
    return outbox_now(objects, BUCKET, recipient)


@pytest.fixture
def events(outbox) -> FailureEvents:
    return FailureEvents(outbox, SNS, lambda: NOW, "load_promos", "promos-1")


@pytest.fixture
def blocked_events(tmp_path, recipient) -> FailureEvents:
    """Neither the outbox nor the receiver takes anything."""
    (tmp_path / "no_folder").write_text("")
    recipient.is_down = True
    broken = outbox_now(LocalObjectStore(root=str(tmp_path / "no_folder")), BUCKET, recipient)
    return FailureEvents(broken, SNS, lambda: NOW, "load_promos", "promos-1")


@pytest.mark.parametrize("dropped", [0, 7])
def test_a_run_that_is_good_enough_publishes_one_event_with_what_it_wrote(events, recipient, dropped):
    """Defect 23: a healthy run told of every threshold that it met."""
    outcome = results(dropped=dropped)
    assert Loading(events, outcome).run() is outcome
    (told,) = recipient.events
    assert (told["status"], told["failure_type"], told["error"]) == ("SUCCESS", None, None)
    assert told["artifacts"] == {"nautilus": WRITTEN["nautilus"].model_dump()}
    assert told["metrics"]["job_run_id"] == "promos-1"


def test_a_red_run_is_pending_with_its_artifacts_and_no_crash(events, recipient):
    """Defect 17."""
    job = Loading(events, results("PENDING_APPROVAL", dropped=10))
    job.run()
    (told,) = recipient.events
    assert (told["status"], told["failure_type"]) == ("PENDING_APPROVAL", "QUALITY")
    assert told["artifacts_available"]
    assert list(told["artifacts"]) == ["nautilus"]
    assert told["quality"]["status"] == "RED"
    assert job.hook_errors == []


@pytest.mark.parametrize(
    ("raised", "escaping", "message"),
    [
        (ValueError("x"), ValueError, "Loading execution failed: x"),
        (KeyboardInterrupt(), KeyboardInterrupt, "Loading execution failed: interrupted"),
        (SystemExit(0), RuntimeError, "Loading execution failed: sys.exit(0)"),
    ],
)
def test_a_run_that_fails_publishes_its_error(events, recipient, raised, escaping, message):
    with pytest.raises(escaping):
        Loading(events, raised).run()
    (told,) = recipient.events
    assert (told["status"], told["failure_type"]) == ("FAILED", "CATASTROPHIC")
    assert (told["job_run_id"], told["artifacts_available"], told["artifacts"]) == ("promos-1", False, {})
    error = told["error"]
    assert (error["type"], error["message"], error["phase"]) == (type(raised).__name__, message, "execute")
    assert "execute_job" in error["stack_trace"]


@pytest.mark.parametrize("strict_hooks", [False, True])
def test_an_event_that_waits_fails_no_good_run(objects, events, recipient, strict_hooks):
    """Defect 18: a failed notification failed a good run."""
    recipient.is_down = True
    job = Loading(events, outcome := results(), strict_hooks=strict_hooks)
    assert job.run() is outcome
    assert job.hook_errors == []
    recipient.is_down = False
    retry_waiting(outbox_later(objects, BUCKET, recipient))
    assert [told["status"] for told in recipient.events] == ["SUCCESS"]


def test_an_event_that_is_lost_is_kept_as_an_error_of_the_hook(blocked_events, caplog):
    job = Loading(blocked_events, outcome := results())
    assert job.run() is outcome
    (error,) = job.hook_errors
    assert isinstance(error, EventLost)
    assert "promos-1-SUCCESS" in str(error)
    assert '"event_type":"job_completed"' in caplog.text


def test_an_event_that_is_lost_fails_a_run_with_strict_hooks(blocked_events):
    job = Loading(blocked_events, results(), strict_hooks=True)
    with pytest.raises(EventLost) as caught:
        job.run()
    assert "Loading execution failed: Event promos-1-SUCCESS reached neither" in notes_of(caught.value)


def test_what_cannot_be_published_hides_no_error(blocked_events, caplog):
    """Defect 18: a failed notification masked the real error."""
    error = ValueError("x")
    with pytest.raises(ValueError, match="x") as caught:
        Loading(blocked_events, error).run()
    assert caught.value is error
    assert "promos-1-FAILED reached nobody" in caplog.text


def test_results_without_metrics_are_an_error_of_the_hook_and_stay_returned(events, recipient):
    job = Loading(events, {"rows": 1})
    assert job.run() == {"rows": 1}
    assert [type(error) for error in job.hook_errors] == [AttributeError]
    assert recipient.messages == []


class Factory(PublishingFactory):
    """Makes the job as an entry would: it reads the configuration first."""

    outcome: object = None

    def create_job(self, **kwargs: Any) -> AbstractJob:
        config = LoadPromosConfig.read(kwargs)
        if isinstance(self.outcome, ImportError):
            raise self.outcome
        events = FailureEvents(
            self.outbox, config.event_publisher_config, self.now, self.job.name, "promos-1"
        )
        return Loading(events, self.outcome, strict_hooks=config.strict_hooks)


def make_factory(outbox, outcome: object = None, **kwargs: Any) -> Factory:
    factory = Factory(REGISTRY["load_promos"], outbox, now=lambda: NOW, **kwargs)
    factory.outcome = outcome
    return factory


def config(publisher: object = TO_TOPIC, **others: Any) -> dict[str, Any]:
    return {"load_promos_job": {"event_publisher_config": publisher, **others}}


@pytest.mark.parametrize(
    ("arguments", "raised", "message"),
    [
        (config(typo=1), UsageError, "typo"),
        (config(strict_hooks="perhaps"), UsageError, "strict_hooks"),
        (config(), ModuleNotFoundError, "no wiring"),
    ],
)
@pytest.mark.parametrize("comes_with", ["factory", "run"])
def test_a_job_that_cannot_be_made_is_published_without_a_run_id(
    outbox, recipient, arguments, raised, message, comes_with
):
    """Defects 18 and 20: failures in config and wiring told nobody, typos were ignored."""
    outcome = ModuleNotFoundError("no wiring")
    at_factory, at_run = (arguments, {}) if comes_with == "factory" else ({}, arguments)
    with pytest.raises(raised, match=message):
        make_factory(outbox, outcome, **at_factory).run(**at_run)
    (told,) = recipient.events
    assert (told["job_name"], told["job_run_id"], told["status"]) == ("load_promos", "unknown", "FAILED")
    assert told["error"]["phase"] == "create"
    assert told["error"]["message"].startswith("Factory create failed: ")
    assert message in told["error"]["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"load_promos_job": "not valid json"},
        config({"publisher_type": "SNS"}),
        config({"publisher_type": "PIGEON"}),
        config(None, typo=1),
    ],
)
def test_a_job_whose_publisher_cannot_be_read_fails_with_its_error_only(
    objects, outbox, recipient, arguments, caplog
):
    with caplog.at_level(logging.ERROR), pytest.raises(ValueError, match="load_promos_job"):
        make_factory(outbox, **arguments).run()
    assert recipient.messages == []
    assert objects.list_keys(BUCKET) == []
    assert "Factory create failed" in caplog.text


def test_a_job_that_was_made_publishes_its_end_itself_and_once(outbox, recipient):
    make_factory(outbox, results(), **config()).run()
    with pytest.raises(OSError, match="disk"):
        make_factory(outbox, OSError("disk"), **config()).run()
    assert [(told["job_run_id"], told["status"]) for told in recipient.events] == [
        ("promos-1", "SUCCESS"),
        ("promos-1", "FAILED"),
    ]


@pytest.mark.parametrize("second", [config({"publisher_type": "NOOP"}), {"load_promos_job": "no JSON"}])
def test_a_publisher_is_only_that_of_the_arguments_of_its_run(outbox, recipient, second):
    factory = make_factory(outbox, ModuleNotFoundError("no wiring"))
    # Two failures at one moment would be one event.
    factory.now = (NOW + timedelta(seconds=second) for second in count()).__next__
    for arguments in (config(), second):
        with pytest.raises((ModuleNotFoundError, UsageError)):
            factory.run(**arguments)
    assert len(recipient.messages) == 1


def secret_error() -> Exception:
    try:
        raise OSError("GET https://me:hunter2@db.example.com refused: Bearer hunter2.hunter2")
    except OSError as cause:
        error = ConnectionError("jdbc_url=jdbc:postgresql://db?password=hunter2 and AKIAABCDEFGHIJKLMNOP")
        error.__cause__ = cause
        return error


@pytest.mark.parametrize("is_down", [False, True])
def test_no_secret_is_in_anything_that_is_published(objects, outbox, recipient, monkeypatch, is_down, caplog):
    """Defect 20: secrets and the environment were printed."""
    monkeypatch.setenv("QUINTET_TEST_PASSWORD", "swordfish-of-the-environment")
    recipient.is_down = is_down
    file = EventPublisherConfig(publisher_type="FILE", path="s3://jobs/events")
    log = EventPublisherConfig(publisher_type="LOG")
    for number, publisher in enumerate((SNS, file, log)):
        filing = replace(outbox, client=outbox_for(objects).client) if publisher is file else outbox
        events = FailureEvents(filing, publisher, lambda: NOW, "load_promos", f"promos-{number}")
        with (
            caplog.at_level(logging.INFO, logger="quintet.dwh.events"),
            pytest.raises(ConnectionError),
        ):
            Loading(events, secret_error()).run()
    with pytest.raises(ConnectionError):
        make_failing(outbox).run(**config())
    published = [*recipient.messages]
    published += [record.getMessage() for record in caplog.records if record.name == "quintet.dwh.events"]
    for bucket in (BUCKET, "jobs"):
        published += [objects.read_bytes(bucket, key).decode() for key in objects.list_keys(bucket)]
    assert sum("Loading execution failed" in text for text in published) == 3
    assert sum("Factory create failed" in text for text in published) == 1
    for secret in ("hunter2", "AKIAABCDEFGHIJKLMNOP", os.environ["QUINTET_TEST_PASSWORD"]):
        assert not [text for text in published if secret in text]


def make_failing(outbox) -> PublishingFactory:
    class FailingFactory(PublishingFactory):
        def create_job(self, **kwargs: Any) -> AbstractJob:
            raise secret_error()

    return FailingFactory(REGISTRY["load_promos"], outbox, now=lambda: NOW)

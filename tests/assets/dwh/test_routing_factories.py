"""Factories: which arguments a job gets, and who is told when it cannot be made. Defects 18 and 19."""

import logging

import pytest

from assets.dwh.routing import AbstractJobFactory
from tests.assets.dwh.recorded_jobs import J, TakingA, notes_of


class Factory(AbstractJobFactory):
    """A factory of one job, which is made already."""

    def __init__(self, job):
        self.job = job
        self.told = []

    def create_job(self, **kwargs):
        return self.job

    def on_create_failure(self, error_message):
        self.told.append(error_message)


@pytest.mark.parametrize("run", [lambda job: Factory(job).run(b=3), lambda job: job.run(b=3)])
def test_a_missing_argument_fails_inside_the_run_so_that_people_are_told(run):
    job = TakingA()
    with pytest.raises(TypeError):
        run(job)
    assert len(job.calls) == 1
    assert "missing 1 required positional argument: 'a'" in job.calls[0][1]


def test_an_argument_that_a_job_does_not_take_is_named_in_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        assert TakingA().run(a=1, pasword="hunter2") == 1
    assert "pasword" in caplog.text
    assert "hunter2" not in caplog.text


def given_to(execute_job, **kwargs):
    class Taking(J):
        pass

    Taking.execute_job = execute_job
    return Factory(type("Taken", (Taking,), {})()).run(**kwargs)


@pytest.mark.parametrize(
    ("execute_job", "given_kwargs", "received"),
    [
        (lambda self, a, **kwargs: (a, kwargs), {"a": 1, "extra": 2}, (1, {"extra": 2})),
        (
            lambda self, **kwargs: kwargs,
            {"region": "r", "environment": "e"},
            {"region": "r", "environment": "e"},
        ),
        (lambda self, a, b=5: (a, b), {"a": 1, "c": 3}, (1, 5)),
        (lambda self, *, a: a, {"a": 1, "self_": 2}, 1),
        (lambda self, *args: args, {"args": 1}, ()),
        (lambda self: "nothing", {"a": 1}, "nothing"),
        (lambda self, **kwargs: sorted(kwargs), {"kwargs": 1, "factory": 2}, ["factory", "kwargs"]),
        (staticmethod(lambda a: a), {"a": 1, "b": 2}, 1),
    ],
)
def test_a_job_gets_the_arguments_that_its_signature_names(execute_job, given_kwargs, received):
    """Defect 19: `**kwargs` received nothing."""
    assert given_to(execute_job, **given_kwargs) == received


def test_an_argument_called_self_hurts_no_job_and_fails_a_factory_where_it_is_told():
    assert J().run(self=1) == {"rows": 1}
    factory = RecordingFactory()
    with pytest.raises(TypeError):
        factory.run(self=1)
    assert len(factory.told) == 1


class RecordingFactory(AbstractJobFactory):
    """A factory that writes down with what its job is made and what it tells."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.created_with = {}
        self.told = []

    def create_job(self, **kwargs):
        self.created_with = kwargs
        if error := kwargs.get("error"):
            raise error
        return TakingA()

    def on_create_failure(self, error_message):
        self.told.append(error_message)


def test_a_factory_makes_the_job_with_all_arguments():
    factory = RecordingFactory()
    assert factory.run(a=1, other=2) == 1
    assert factory.created_with == {"a": 1, "other": 2}
    assert factory.told == []


def test_arguments_of_a_factory_count_in_every_run_behind_those_of_the_run():
    factory = RecordingFactory(a=1, other=2)
    assert factory.run(other=3) == 1
    assert factory.created_with == {"a": 1, "other": 3}


def test_a_factory_cannot_be_made_without_create_job():
    with pytest.raises(TypeError, match="create_job"):
        type("Incomplete", (AbstractJobFactory,), {})()


@pytest.mark.parametrize(("error", "reason"), [(ValueError("x"), "x"), (KeyboardInterrupt(), "interrupted")])
def test_a_job_that_cannot_be_made_is_told_and_the_same_error_raised(error, reason):
    """Defect 18: failures in wiring told nobody."""
    factory = RecordingFactory()
    with pytest.raises(type(error)) as raised:
        factory.run(error=error)
    assert raised.value is error
    assert factory.told == [f"RecordingFactory create failed: {reason}"]


def test_an_exit_while_a_job_is_made_is_a_failure():
    factory = RecordingFactory()
    with pytest.raises(RuntimeError):
        factory.run(error=SystemExit(0))
    assert factory.told == ["RecordingFactory create failed: sys.exit(0)"]


def test_a_factory_that_makes_no_job_fails_and_tells_so():
    factory = Factory(None)
    with pytest.raises(AttributeError):
        factory.run()
    assert factory.told[0].startswith("Factory create failed: ")


def test_an_error_of_the_job_is_none_of_its_making():
    factory = Factory(J(execute=ValueError("x")))
    with pytest.raises(ValueError, match="x"):
        factory.run()
    assert factory.told == []


class Publisher:
    """Keeps what it is given, or fails."""

    def __init__(self, error=None):
        self.published = []
        self.error = error

    def publish_failure(self, *, phase, message, error):
        self.published.append((phase, message, error))
        if self.error:
            raise self.error


class Failing(AbstractJobFactory):
    error = ValueError("no config")

    def create_job(self, **kwargs):
        raise self.error


def test_by_default_a_job_that_cannot_be_made_is_logged_and_published(caplog):
    factory = Failing()
    factory.publisher = Publisher()
    with pytest.raises(ValueError, match="no config"):
        factory.run()
    assert factory.publisher.published == [("create", "Failing create failed: no config", Failing.error)]
    assert "Failing create failed: no config" in caplog.text


def test_without_a_publisher_a_job_that_cannot_be_made_is_logged(caplog):
    with pytest.raises(ValueError, match="no config"):
        Failing().run()
    assert "Failing create failed: no config" in caplog.text


def test_a_failing_publisher_never_hides_why_there_is_no_job():
    class AlsoFailing(Failing):
        error = ValueError("no wiring")

    factory = AlsoFailing()
    factory.publisher = Publisher(OSError("sns"))
    with pytest.raises(ValueError, match="no wiring") as raised:
        factory.run()
    assert "sns" in notes_of(raised.value)

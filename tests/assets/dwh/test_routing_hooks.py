"""Jobs, factories and their hooks: who is told, and which error a caller sees. Defects 18 and 19."""

import contextlib
import functools
import sys

import pytest

from assets.dwh.routing import AbstractJob
from tests.assets.dwh.recorded_jobs import J, Recording, notes_of


class Strict(J):
    strict_hooks = True


def test_a_job_that_succeeds_tells_so_and_returns_its_results():
    job = J()
    assert job.run() == {"rows": 1}
    assert job.calls == [("execute",), ("on_success", {"rows": 1})]
    assert job.hook_errors == []
    assert job.strict_hooks is False


class Bad(BaseException):
    """An interrupt of another kind, as Dagster has for a run that is terminated."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("x"), "x"),
        (KeyError("n"), "'n'"),
        (AssertionError(), "AssertionError"),
        (KeyboardInterrupt(), "interrupted"),
        (KeyboardInterrupt("signal"), "interrupted"),
        (StopIteration("s"), "s"),
        (Bad("terminated"), "terminated"),
    ],
)
def test_a_job_that_fails_tells_so_and_raises_the_same_error_with_a_note(error, reason):
    job = J(execute=error)
    with pytest.raises(type(error)) as raised:
        job.run()
    message = f"J execution failed: {reason}"
    assert raised.value is error
    assert error.__notes__ == [message]
    assert job.calls == [("execute",), ("on_failure", message)]


@pytest.mark.parametrize("code", [0, None, 1, "text"])
def test_an_exit_inside_a_job_is_a_failure_whatever_its_code(code):
    class Leaving(J):
        def execute_job(self):
            sys.exit(code)

    job = Leaving()
    with pytest.raises(RuntimeError) as raised:
        job.run()
    message = f"Leaving execution failed: sys.exit({code!r})"
    assert str(raised.value) == message
    assert job.calls == [("on_failure", message)]
    assert isinstance(raised.value.__cause__, SystemExit)


@pytest.mark.parametrize("error", [KeyError("n"), SystemExit(0)])
def test_a_failing_notification_of_success_is_kept_and_the_results_returned(error, caplog):
    """Defect 18: a failed notification failed a good run."""
    job = J(on_success=error)
    assert job.run() == {"rows": 1}
    assert job.hook_errors == [error]
    assert [what for what, *_ in job.calls] == ["execute", "on_success"]
    assert "on_success of J failed" in caplog.text


@pytest.mark.parametrize("hook", ["on_success", "on_failure"])
def test_a_secret_in_the_message_of_a_hook_never_reaches_the_log(hook, caplog):
    leak = ValueError("refused password=TopSecret1 at the gate")
    job = J(on_success=leak) if hook == "on_success" else J(execute=ValueError("x"), on_failure=leak)
    with contextlib.suppress(ValueError):
        job.run()
    assert job.hook_errors == [leak]
    assert "TopSecret1" not in caplog.text
    assert "at the gate" in caplog.text
    assert all(record.exc_info is None for record in caplog.records)


def test_with_strict_hooks_a_failing_notification_of_success_fails_the_run():
    error = KeyError("n")
    job = Strict(on_success=error)
    with pytest.raises(KeyError) as raised:
        job.run()
    assert raised.value is error
    assert [what for what, *_ in job.calls] == ["execute", "on_success", "on_failure"]
    assert job.calls[-1] == ("on_failure", "Strict execution failed: 'n'")
    assert notes_of(error) == "Strict execution failed: 'n'"


def test_strict_hooks_can_be_set_on_one_job():
    job = J(on_success=KeyError("n"))
    job.strict_hooks = True
    with pytest.raises(KeyError):
        job.run()
    assert job.calls[-1] == ("on_failure", "J execution failed: 'n'")
    assert J.strict_hooks is False


def test_an_exit_in_a_strict_hook_is_a_failure():
    with pytest.raises(RuntimeError, match=r"Strict execution failed: sys\.exit\(0\)"):
        Strict(on_success=SystemExit(0)).run()


@pytest.mark.parametrize("job_class", [J, Strict])
def test_an_interrupt_during_the_notification_of_success_is_not_swallowed(job_class):
    job = job_class(on_success=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        job.run()
    assert job.calls[-1] == ("on_failure", f"{job_class.__name__} execution failed: interrupted")


@pytest.mark.parametrize("hook_error", [OSError("sns"), SystemExit("sns"), KeyboardInterrupt("sns")])
def test_a_failing_notification_of_failure_never_hides_the_failure(hook_error, caplog):
    """Defect 18: a failed notification masked the real error."""
    error = ValueError("x")
    job = J(execute=error, on_failure=hook_error)
    with pytest.raises(ValueError, match="x") as raised:
        job.run()
    assert raised.value is error
    assert error.__notes__[0] == "J execution failed: x"
    assert type(hook_error).__name__ in error.__notes__[1]
    assert job.hook_errors == [hook_error]
    assert "hook failed" in caplog.text


def test_the_text_of_a_failing_notification_is_a_note_of_the_failure():
    error = ValueError("x")
    with pytest.raises(ValueError, match="x"):
        J(execute=error, on_failure=OSError("sns")).run()
    assert "sns" in error.__notes__[1]


def test_a_failing_notification_of_an_exit_is_a_note_of_what_is_raised():
    with pytest.raises(RuntimeError) as raised:
        J(execute=SystemExit(0), on_failure=OSError("sns")).run()
    assert "sns" in notes_of(raised.value)


def test_an_error_without_a_readable_text_still_comes_out():
    class Unreadable(Exception):
        def __str__(self):
            raise ConnectionError("the JVM is gone")

    job = J(execute=Unreadable())
    with pytest.raises(Unreadable):
        job.run()
    assert job.calls[-1] == ("on_failure", "J execution failed: Unreadable")


def test_each_job_keeps_its_own_hook_errors():
    first, second = J(on_success=KeyError("n")), J()
    first.run()
    assert len(first.hook_errors) == 1
    assert second.hook_errors == []


def test_run_cannot_be_overridden():
    with pytest.raises(TypeError, match="Own overrides run"):

        class Own(J):
            def run(self, **kwargs):  # pyright: ignore[reportIncompatibleMethodOverride]  (it is what is refused)
                return None


def test_run_cannot_come_from_another_base_either():
    class Runner:
        def run(self, **kwargs):
            return None

    with pytest.raises(TypeError, match="Mixed overrides run"):
        type("Mixed", (Runner, J), {})


@pytest.mark.parametrize(
    "execute_job",
    [lambda self, a, /: a, lambda self, a, /, b: a, lambda self, a=1, /: a, staticmethod(lambda a, /: a)],
)
def test_a_positional_only_parameter_is_refused_when_the_class_is_defined(execute_job):
    with pytest.raises(TypeError, match=r"Closed\.execute_job has positional-only parameters.*: a;"):
        type("Closed", (J,), {"execute_job": execute_job})


def test_a_decorated_execute_job_is_judged_by_what_it_wraps():
    def passing_on(function):
        @functools.wraps(function)
        def wrapper(self, *args, **kwargs):
            return function(self, *args, **kwargs)

        return wrapper

    class Decorated(Recording):
        @passing_on
        def execute_job(self, a):
            return a

    assert Decorated().run(a=1, b=2) == 1


def test_self_may_be_positional_only():
    class Open(Recording):
        def execute_job(self, /, a):
            return a

    assert Open().run(a=1) == 1


@pytest.mark.parametrize("missing", ["execute_job", "on_success", "on_failure"])
def test_a_job_without_one_of_its_methods_cannot_be_made(missing):
    methods = {
        name: getattr(J, name) for name in ("execute_job", "on_success", "on_failure") if name != missing
    }
    incomplete = type("Incomplete", (AbstractJob,), methods)
    with pytest.raises(TypeError, match=missing):
        incomplete()

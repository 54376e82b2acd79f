"""What a job and its factory promise: who is told of a success or a failure, and which error a caller sees.

In Dagster the body of an asset stands in for `AbstractJob.run`, and run-status sensors for its hooks; the
predecessor's users subclass these. Not here: the jobs, and publishers of events.
"""

import inspect
import logging
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol, Self, final

from assets.dwh.redaction import without_secrets

_NAMED: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

_log = logging.getLogger("quintet.dwh")


class FailurePublisher(Protocol):
    """Publishes that a job failed. It may raise: that never hides the failure itself."""

    def publish_failure(
        self, *, phase: Literal["create", "execute"], message: str, error: BaseException
    ) -> None:
        """Publish a failure of one phase: what is told to people, and the error itself."""
        ...


class AbstractJob(ABC):
    """A job with hooks. Subclasses declare in `execute_job` which arguments they take, by name."""

    strict_hooks: bool = False
    """Whether an error in `on_success` fails the run. By default it does not: the data is written."""

    hook_errors: list[BaseException]
    """What hooks of this job raised and no caller has seen, oldest first."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Give the job its own list of errors: subclasses override `__init__` without calling ours."""
        job = super().__new__(cls)
        job.hook_errors = []
        return job

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.run is not AbstractJob.run:
            raise TypeError(
                f"{cls.__name__} overrides run, which is final; override execute_job and the hooks"
            )
        refused = [
            parameter.name
            for parameter in _parameters_on_instances(cls)
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY
        ]
        if refused:
            raise TypeError(
                f"{cls.__name__}.execute_job has positional-only parameters, but arguments come by name:"
                f" {', '.join(refused)}; declare them before no slash"
            )

    @abstractmethod
    def execute_job(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work and return its results."""

    @abstractmethod
    def on_success(self, results: Any) -> None:
        """Tell of a success."""

    @abstractmethod
    def on_failure(self, error_message: str) -> None:
        """Tell of a failure."""

    @final
    def run(self, /, **kwargs: Any) -> Any:
        """Execute the job with those arguments that it names, call the hooks, and return its results.

        Raises:
            BaseException: whatever the job raised, the same object, with what `on_failure` was told as a
                note; also what `on_success` raised, with `strict_hooks` or if it was an interrupt.
            RuntimeError: the job called `sys.exit`, which would look like success with code 0.
        """
        accepted = accepted_arguments(self.execute_job, kwargs)
        if ignored := kwargs.keys() - accepted.keys():
            _log.warning("%s does not take, and ignores: %s", type(self).__name__, ", ".join(sorted(ignored)))
        with _failure_told(f"{type(self).__name__} execution", self.on_failure, self.hook_errors):
            results = self.execute_job(**accepted)
            self._tell_of_success(results)
        return results

    def _tell_of_success(self, results: Any) -> None:
        try:
            self.on_success(results)
        except (Exception, SystemExit) as error:
            if self.strict_hooks:
                raise
            _log.error("on_success of %s failed: %s", type(self).__name__, _traceback(error))
            self.hook_errors.append(error)


class AbstractJobFactory(ABC):
    """Makes a job out of the arguments of an entry, and runs it."""

    publisher: FailurePublisher | None = None
    """Who publishes that a job could not be made; nobody by default."""

    arguments: Mapping[str, Any] = MappingProxyType({})
    """What the factory was made with: arguments of every run, behind those of the run itself."""

    def __init__(self, **kwargs: Any) -> None:
        self.arguments = MappingProxyType(kwargs)

    @abstractmethod
    def create_job(self, **kwargs: Any) -> AbstractJob:
        """Make the job out of all arguments."""

    def on_create_failure(self, error_message: str) -> None:
        """Tell that `create_job` failed, inside the `except` of its error: log it and publish it."""
        _log.error("%s", without_secrets(error_message))
        error = sys.exception()
        if self.publisher is not None and error is not None:
            self.publisher.publish_failure(phase="create", message=error_message, error=error)

    def run(self, /, **kwargs: Any) -> Any:
        """Make the job, run it with those arguments that its `execute_job` names, and return its results.

        Raises:
            BaseException: what `create_job` raised, the same object, or what the job did (`AbstractJob.run`).
            RuntimeError: `create_job` called `sys.exit`.
        """
        arguments = {**self.arguments, **kwargs}
        with _failure_told(f"{type(self).__name__} create", self.on_create_failure, []):
            job = self.create_job(**arguments)
            accepted = accepted_arguments(job.execute_job, arguments)
        return job.run(**accepted)


def accepted_arguments(execute_job: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the arguments that a signature names, or all of them if it takes `**kwargs`."""
    parameters = inspect.signature(execute_job).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return dict(arguments)
    names = {parameter.name for parameter in parameters if parameter.kind in _NAMED}
    return {name: value for name, value in arguments.items() if name in names}


def _parameters_on_instances(job: type[AbstractJob]) -> list[inspect.Parameter]:
    """Return the parameters of `execute_job` as an instance has it: without `self`, if there is one."""
    execute_job = inspect.getattr_static(job, "execute_job")
    if hasattr(execute_job, "__get__"):
        execute_job = execute_job.__get__(object(), job)
    return list(inspect.signature(execute_job).parameters.values())


@contextmanager
def _failure_told(what: str, hook: Callable[[str], None], hook_errors: list[BaseException]) -> Iterator[None]:
    """Call a hook with `<what> failed: <reason>` if the body fails, and let the same error out.

    The message is its note. An exit, whatever its code, becomes a RuntimeError. An error of the hook itself
    hides neither: it is logged, kept, and noted.
    """

    def tell(message: str, failure: BaseException) -> None:
        try:
            hook(message)
        except BaseException as error:  # noqa: BLE001 (whatever a hook raises, the caller sees the failure)
            _log.error("A hook failed after: %s: %s", without_secrets(message), _traceback(error))
            hook_errors.append(error)
            failure.add_note(f"A hook failed too: {type(error).__name__}: {_text(error)}")

    try:
        yield
    except SystemExit as stop:
        message = f"{what} failed: {_text(stop)}"
        failure = RuntimeError(message)
        tell(message, failure)
        raise failure from stop
    except BaseException as error:
        message = f"{what} failed: {_text(error)}"
        error.add_note(message)
        tell(message, error)
        raise


def _traceback(error: BaseException) -> str:
    """An error with its place, as the log may have it."""
    return without_secrets("".join(traceback.format_exception(error)))


def _text(error: BaseException) -> str:
    match error:
        case KeyboardInterrupt():
            return "interrupted"
        case SystemExit():
            return f"sys.exit({error.code!r})"
    try:
        return str(error) or type(error).__name__
    except Exception:  # noqa: BLE001 (py4j asks the JVM for the text of its errors, and the JVM may be dead)
        return type(error).__name__

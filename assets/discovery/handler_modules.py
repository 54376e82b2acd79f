"""The handlers of the jobs: modules with `handle` and `HANDLER_VERSION`, imported once.

A handler's version says when its old results are stale. It may list what else they depend on in
`VERSION_DEPS`, values or paths of files; then the version that counts has a digest of those as well.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from assets.discovery.config_problems import ConfigurationError, unknown_word
from assets.discovery.contract import Skip, Snooze, Work
from assets.discovery.job_model import OWN_HANDLERS, JobsFile, module_of
from assets.discovery.jobs_file import handlers_of_broken_file
from assets.discovery.keys import canonical_json

Outcome = Mapping[str, Any] | Skip | Snooze
"""What a handler returns: a JSON object is the payload."""


@dataclass(frozen=True, slots=True)
class Handler:
    """What works on the items of one stage."""

    module: str
    handle: Callable[[Work], Outcome | Awaitable[Outcome]]
    version: str
    """`HANDLER_VERSION`, with a digest of what it depends on: `2` or `2+1f3a5c7e`."""
    logic_hash: str
    """The SHA-256 of the source, 64 hex digits. It only advises: comments change it too."""


class _BadHandler(ValueError):
    """A module that is no handler; says why."""


def import_handlers(jobs_file: JobsFile) -> dict[str, Handler]:
    """Import the handlers of all jobs, disabled ones too, each module once; by the names of their modules.

    Raises:
        ConfigurationError: some cannot be imported or are no handlers; names every such module and its users.
    """
    users: dict[str, list[str]] = {}
    for job in jobs_file.jobs:
        for stage in job.chain:
            users.setdefault(stage.handler, []).append(f"{job.name}.{stage.name}")
    handlers, problems = _imported(users)
    if problems:
        raise ConfigurationError(problems)
    return handlers


def with_bad_handlers(error: ConfigurationError, path: Path) -> ConfigurationError:
    """The mistakes of a jobs file, and those of the handlers that it names: people hear of all at once."""
    users = {module_of(handler): stages for handler, stages in handlers_of_broken_file(path).items()}
    return ConfigurationError([*error.sentences, *_imported(users)[1]])


def _imported(users: Mapping[str, Sequence[str]]) -> tuple[dict[str, Handler], list[str]]:
    handlers: dict[str, Handler] = {}
    problems: list[str] = []
    for module, stages in users.items():
        try:
            handlers[module] = import_handler(module)
        except _BadHandler as error:
            problems.append(f"handler {module} (of {', '.join(stages)}): {error}")
    return handlers, problems


def import_handler(module_name: str) -> Handler:
    """Import one handler.

    Raises:
        ValueError: there is no such module, it fails to import, or it is no handler.
    """
    module = _import(module_name)
    handle: Callable[[Work], Any] | None = getattr(module, "handle", None)
    if not callable(handle):
        raise _BadHandler("the module has no function handle(work)")
    return Handler(module_name, handle, _effective_version(module), _logic_hash(module))


def _import(module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise _BadHandler(_no_such_module(module_name)) from None
        raise _BadHandler(f"the module needs {error.name}, which is not installed") from error
    except Exception as error:  # code of the module runs here: whatever it raises is told with its name
        raise _BadHandler(f"the module fails to import: {type(error).__name__}: {error}") from error


def _no_such_module(module_name: str) -> str:
    package, _, name = module_name.rpartition(".")
    if package != OWN_HANDLERS or find_spec(package) is None:
        return "there is no such module"
    unknown = unknown_word(name, "handler", own_handlers())
    return f"{unknown}; one of your own is named with its package, my_package.{name}"


def own_handlers() -> list[str]:
    """The bare names of the handlers that come with the product."""
    package = importlib.import_module(OWN_HANDLERS)
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def _effective_version(module: ModuleType) -> str:
    version = getattr(module, "HANDLER_VERSION", None)
    if isinstance(version, bool) or not isinstance(version, int | str) or not str(version).strip():
        raise _BadHandler("the module must set HANDLER_VERSION to a whole number or a text")
    dependencies = getattr(module, "VERSION_DEPS", None)
    if dependencies is None:
        return str(version)
    if not isinstance(dependencies, list | tuple):
        raise _BadHandler("VERSION_DEPS must be a list of values and paths")
    parts = b"\0".join(_content(dependency, module) for dependency in dependencies)
    return f"{version}+{sha256(parts).hexdigest()[:8]}"


def _content(dependency: Any, module: ModuleType) -> bytes:
    """The bytes of a file, whose relative path is meant from the module's folder; the JSON of a value."""
    if not isinstance(dependency, Path):
        try:
            return canonical_json(dependency).encode()
        except ValueError as error:
            raise _BadHandler(f"VERSION_DEPS has a value that is neither path nor JSON: {error}") from None
    path = Path(inspect.getfile(module)).parent / dependency
    try:
        return path.read_bytes()
    except OSError as error:
        raise _BadHandler(f"VERSION_DEPS names {path}, which cannot be read: {error.strerror}") from None


def _logic_hash(module: ModuleType) -> str:
    try:
        return sha256(Path(inspect.getfile(module)).read_bytes()).hexdigest()
    except (TypeError, OSError) as error:
        raise _BadHandler(f"the source of the module cannot be read: {error}") from None

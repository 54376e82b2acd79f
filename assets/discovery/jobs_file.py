"""Reading the jobs file: which one it is, and every mistake in it at once.

Touches neither network nor ledger and imports no handler (`handler_modules`) and no strategy: a hundred jobs
load in a fraction of a second.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from assets.discovery import yaml_text
from assets.discovery.config_problems import ConfigurationError, Problem, problems_of
from assets.discovery.job_model import JobsFile
from assets.discovery.job_rules import broken_rules, handlers_named
from assets.discovery.yaml_text import YamlDocument, read_yaml
from assets.failures import PermanentFailure

VARIABLE: Final = "QUINTET_DISCOVERY_JOBS"
SHIPPED: Final = Path(__file__).with_name("jobs.yaml")


def jobs_path(environment: Mapping[str, str] | None = None) -> Path:
    """The jobs file: the one that `QUINTET_DISCOVERY_JOBS` names, else the shipped one."""
    named = (os.environ if environment is None else environment).get(VARIABLE, "").strip()
    return Path(named) if named else SHIPPED


def load_jobs(path: Path | None = None) -> JobsFile:
    """Read a jobs file, by default the one of `jobs_path`. Relative paths in it are meant from its folder.

    Raises:
        ConfigurationError: the file cannot be read, or there are mistakes; it says all of them.
    """
    path = path or jobs_path()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(
            [f"the jobs file {path} cannot be read ({reason.lower()}); {VARIABLE} names another one"]
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError([f"the jobs file {path} is no UTF-8; save it as UTF-8"]) from None
    return parse_jobs(text, path)


def handlers_of_broken_file(path: Path) -> dict[str, list[str]]:
    """The handlers that a jobs file with mistakes names, and by which stages; none if it cannot be read."""
    try:
        return handlers_named(read_yaml(path.read_text(encoding="utf-8-sig")).value)
    except (OSError, UnicodeDecodeError, PermanentFailure):
        return {}


def parse_jobs(text: str, path: Path) -> JobsFile:
    """Read the text of a jobs file that lies, or will lie, at `path`.

    Raises:
        ConfigurationError: there are mistakes; it says all of them.
    """
    try:
        document = read_yaml(text)
    except PermanentFailure as error:
        raise ConfigurationError([f"{path}: {error}"]) from None
    problems = [Problem(place, "the key is given twice; keep one of them") for place in document.doubles]
    problems.extend(broken_rules(document.value))
    jobs_file = None
    try:
        context = {"limiters": _limiters(document.value), "folder": path.absolute().parent}
        jobs_file = JobsFile.model_validate(document.value or {}, context=context)
    except ValidationError as error:
        problems.extend(problems_of(error, JobsFile))
    if problems or jobs_file is None:
        raise ConfigurationError(_sentences(problems, document, path))
    return jobs_file


def _limiters(document: Any) -> Mapping[str, Any]:
    limiters = document.get("limiters") if isinstance(document, Mapping) else None
    return limiters if isinstance(limiters, Mapping) else {}


def _sentences(problems: Iterable[Problem], document: YamlDocument, path: Path) -> Iterator[str]:
    """One for each problem, in the order of the file."""
    placed = sorted((document.line_of(problem.path), problem.text, problem) for problem in set(problems))
    for line, text, problem in placed:
        yield f"{path}, line {line}: {_place(problem.path, document.value)}: {text}"


def _place(path: yaml_text.Path, document: Any) -> str:
    """Where it is, in words: `jobs.filings.discovery.params`; entries of lists by name if they have one."""
    words: list[str] = []
    for part in path:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            document = None
        name = document.get("name") if isinstance(part, int) and isinstance(document, Mapping) else None
        words.append(name if isinstance(name, str) else str(part))
    return ".".join(words) or "the file"

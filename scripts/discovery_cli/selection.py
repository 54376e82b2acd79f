"""What a person means by the words of a command: a job, a stage, an item, a number."""

from collections.abc import Iterable, Sequence
from sqlite3 import Connection
from typing import TypeVar

from assets.discovery.config_problems import ConfigurationError, unknown_word
from assets.discovery.job_model import Job
from assets.discovery.readers.jobs_today import JobToday
from scripts.discovery_cli.workplace import Workplace

ChoiceT = TypeVar("ChoiceT", bound=str)


def chosen_job(place: Workplace, name: str | None) -> Job:
    """The job of the jobs file that is meant.

    Raises:
        ConfigurationError: none is named, or there is none of that name, or it has left the jobs file.
    """
    named = _named(place, name)
    job = place.jobs_file.job(named)
    if job is not None:
        return job
    with place.reading() as connection:
        if any(known.name == named for known in place.all_jobs(connection)):
            text = f"the job {named} is no longer in the jobs file (orphaned)"
            raise ConfigurationError([f"{text}: it can be looked at, not worked on"])
    raise ConfigurationError([_unknown_job(place, named)])


def seen_job(place: Workplace, connection: Connection, name: str | None) -> JobToday:
    """The job that is meant, of the jobs file or one that only the ledger still knows.

    Raises:
        ConfigurationError: none is named, or there is none of that name.
    """
    named = _named(place, name)
    for job in place.all_jobs(connection):
        if job.name == named:
            return job
    raise ConfigurationError([_unknown_job(place, named)])


def seen_jobs(place: Workplace, connection: Connection, name: str | None) -> list[JobToday]:
    """The job that is meant, or all jobs if none is named."""
    return place.all_jobs(connection) if name is None else [seen_job(place, connection, name)]


def known_stage(stages: Iterable[str], name: str | None, job: str) -> str | None:
    """The stage that is meant, if one is named.

    Raises:
        ConfigurationError: the job has none of that name.
    """
    names = list(stages)
    if name is not None and name not in names:
        raise ConfigurationError([f"{unknown_word(name, 'stage', names)} (job {job})"])
    return name


def chosen_key(key: str | None) -> str:
    """The item that is named.

    Raises:
        ConfigurationError: none is.
    """
    if key is None or not key.strip():
        raise ConfigurationError(["give an item: -k KEY, where KEY is its key, id or partition key"])
    return key


def one_of(choices: Sequence[ChoiceT], word: str, kind: str) -> ChoiceT:
    """The choice that is meant.

    Raises:
        ConfigurationError: it is none of them; names the nearest.
    """
    for choice in choices:
        if choice == word:
            return choice
    raise ConfigurationError([unknown_word(word, kind, choices)])


def whole_number(text: str | None, option: str) -> int | None:
    """The number that is given, if one is.

    Raises:
        ConfigurationError: it is no whole number above 0; names the option.
    """
    if text is None:
        return None
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18 or int(digits) < 1:
        raise ConfigurationError([f"{option} {text!r} is no whole number above 0"])
    return int(digits)


def _named(place: Workplace, name: str | None) -> str:
    if name is not None and name.strip():
        return name.strip()
    names = ", ".join(job.name for job in place.jobs_file.jobs)
    raise ConfigurationError([f"give a job: -j NAME; the jobs file has {names or 'none'}"])


def _unknown_job(place: Workplace, name: str) -> str:
    return unknown_word(name, "job", [job.name for job in place.jobs_file.jobs])

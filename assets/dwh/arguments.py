"""The predecessor's command lines: what an entry was asked to run, where, and with which arguments.

Pure functions of texts. Not here: the names that can be run (`registry`), the JSON configuration of a job
(`job_config`), what a job makes of its arguments (`job_settings`), and exit codes.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple, get_args

from assets.failures import PermanentFailure

Platform = Literal["glue", "databricks", "emr", "container"]

_TRUE: Final = frozenset(("true", "1", "yes", "on"))
_FALSE: Final = frozenset(("false", "0", "no", "off"))

# Not part of what the job is given: they say what to run, and under which run of the platform.
_TAGS_OF_ALL: Final = ("module_name", "dagster-pipes-context", "dagster-pipes-messages")
_TAGS_OF_GLUE: Final = ("JOB_ID", "JOB_RUN_ID", "JOB_NAME")

_log = logging.getLogger("quintet.dwh")


class UsageError(PermanentFailure, ValueError):
    """A command line or a configuration that is not allowed. Nothing was done yet; an entry exits with 2."""


class MissingArguments(PermanentFailure, RuntimeError):
    """Arguments without which an entry has nothing to run. Nothing was done yet; it exits with 2."""


class EntryArguments(NamedTuple):
    """What an entry runs: a name of the registry, the arguments of that job, and the tags of its run."""

    module_name: str
    kwargs: dict[str, str | bool | None]
    tags: dict[str, str]


def parse_arguments(argv: Sequence[str]) -> dict[str, str | bool]:
    """Read `--key value`, `--key=value` and `--flag` (True); values stay text, `argv[0]` is skipped.

    The token after `--key` is its value unless it begins with `--`, so `-5` is a value. Of a key that is
    given twice the last value wins, with a warning.

    Raises:
        UsageError: a token that no key is open for, a lone `--`, or a key without a name; it is named.
    """
    parsed: dict[str, str | bool] = {}
    open_key: str | None = None
    for token in argv[1:]:
        if not token.startswith("--"):
            if open_key is None:
                raise UsageError(f"The argument {token!r} follows no --key; write --key value or --key=value")
            parsed[open_key] = token
            open_key = None
            continue
        key, has_value, value = token[2:].partition("=")
        if not key:
            raise UsageError(f"The argument {token!r} has no name; write --key value or --key=value")
        if key in parsed:
            _log.warning("The argument --%s is given more than once; the last one counts", key)
        parsed[key] = value if has_value else True
        open_key = None if has_value else key
    return parsed


def entry_arguments(
    platform: Platform, argv: Sequence[str], environ: Mapping[str, str], *, spark_available: bool
) -> EntryArguments:
    """Read the command line of a platform's entry, and add what the platform itself knows.

    Args:
        platform: the platform that the entry is for.
        argv: the command line; `argv[0]` is skipped.
        environ: the environment. A blank variable counts as unset.
        spark_available: whether PySpark can be imported here.

    Raises:
        MissingArguments: a RuntimeError; `module_name` is not given.
        UsageError: `module_name` is blank, or the command line is not allowed (`parse_arguments`).
        ValueError: the platform is not known.
    """
    if platform not in get_args(Platform):
        raise ValueError(f"The platform {platform!r} is none of {', '.join(get_args(Platform))}")
    kwargs: dict[str, str | bool | None] = dict(parse_arguments(argv))
    module_name = _module_name(kwargs)
    tagged = _TAGS_OF_ALL + (_TAGS_OF_GLUE if platform == "glue" else ())
    tags = {name: _as_tag(kwargs.pop(name)) for name in tagged if name in kwargs}
    kwargs = _known_to_platform(platform, environ) | kwargs | {"service_provider": platform.upper()}
    if _has_spark(platform, environ, spark_available=spark_available):
        kwargs.setdefault("has_spark", True)
    return EntryArguments(module_name, kwargs, tags)


def parse_flag(name: str, value: object) -> bool:
    """Read a flag: a boolean, or one of true, 1, yes, on, false, 0, no, off (trimmed, in any case).

    Raises:
        UsageError: it is anything else; the message names the argument.
    """
    try:
        return flag_value(value)
    except ValueError as error:
        raise UsageError(f"{name} is {value!r}: {error}") from None


def flag_value(value: object) -> bool:
    """Read a flag whose name the caller knows.

    Raises:
        ValueError: it is no flag; the message is a clause without the name and the value.
    """
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("it must be true, 1, yes or on, or else false, 0, no or off")


def require_spark(config_key: str, has_spark: object) -> None:
    """Refuse a Spark job that was not granted Spark; `has_spark` is the argument of that name, or None.

    Raises:
        UsageError: Spark was not granted, or the argument is no flag.
    """
    if has_spark is None or not parse_flag("has_spark", has_spark):
        raise UsageError(f"{config_key} requires a spark_session")


def _module_name(kwargs: Mapping[str, str | bool | None]) -> str:
    name = kwargs.get("module_name")
    if name is None:
        raise MissingArguments("Missing required argument(s): module_name")
    if not isinstance(name, str) or not name.strip():
        raise UsageError("The argument --module_name has no value; write --module_name and the name of a job")
    return name


def _as_tag(value: str | bool | None) -> str:
    return value if isinstance(value, str) else "true"


def _known_to_platform(platform: Platform, environ: Mapping[str, str]) -> dict[str, str | bool | None]:
    """Return the arguments that the environment gives; those of the command line come before them."""
    known: dict[str, str | bool | None] = {}
    if platform == "glue":
        known["environment"] = _first_set(environ, "ENVIRONMENT")
    if platform in ("glue", "emr"):
        known["region"] = _first_set(environ, "AWS_REGION", "AWS_DEFAULT_REGION")
    if platform == "emr" and (cluster := _first_set(environ, "EMR_CLUSTER_ID")):
        known["emr_cluster_id"] = cluster
    return known


def _has_spark(platform: Platform, environ: Mapping[str, str], *, spark_available: bool) -> bool:
    """Whether Spark is there. Glue also runs plain Python, on machines that PySpark may be installed on."""
    if platform in ("databricks", "emr"):
        return True
    if platform == "glue" and (criteria := _first_set(environ, "GLUE_COMMAND_CRITERIA")):
        return criteria == "glueetl"
    return spark_available


def _first_set(environ: Mapping[str, str], *names: str) -> str | None:
    return next((text for name in names if (text := environ.get(name, "").strip())), None)

"""The entries of dwh, `scripts/<platform>/generic_entry.py`: one job of the registry, by name.

    generic_entry.py --module_name filter_images --filter_images_job '{…}' --has_spark true
    generic_entry.py --list

Standard output is one line, the metrics document; the rest goes to standard error. Exit 0 when done (also
YELLOW), 1 when the work failed (also quality RED, and a job that nobody knows), 2 for wrong usage or
configuration. Where a step of Dagster waits for the job, RED exits 0: the step gets the failed check.

Not here: what a command line means (`assets.dwh.arguments`), and the run (`dwh_runs`, `dwh_payload`).
"""

import json
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, Final

from assets.dwh.arguments import (
    EntryArguments,
    MissingArguments,
    Platform,
    UsageError,
    entry_arguments,
    parse_arguments,
)
from assets.dwh.job_config import masked
from assets.dwh.registry import RegisteredJob, find_job, job_list
from resources.compute.base import INTERRUPTS
from resources.compute.payload import Payload, open_payload
from resources.spark.engines import has_platform_session
from scripts.dwh_jobs import filter_images_job_factory, load_promos_job_factory, transform_images_job_factory
from scripts.dwh_output import lines_shown, say, say_failure, standard_output_kept

ROOT: Final = Path(__file__).resolve().parents[1]

_MAINS: Final[Mapping[str, Callable[..., dict[str, Any]]]] = {
    "filter_images": filter_images_job_factory.main,
    "transform_images": transform_images_job_factory.main,
    "load_promos": load_promos_job_factory.main,
}
# A platform is told arguments only, and objects of a cloud are not to be looked for on its disk.
_DEPLOYMENTS: Final[Mapping[Platform, str]] = {"glue": "aws", "emr": "aws", "databricks": "gcp"}
# What Dagster Pipes is told with is nothing that a job is asked for.
_OF_PIPES: Final = ("dagster-pipes-context", "dagster-pipes-messages")


class UnknownJob(ModuleNotFoundError):
    """No job has the name; the sentence names those that there are."""


def run_entry(platform: Platform, argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Carry out one command line of a platform's entry and return its exit code.

    Args:
        platform: the platform that the entry is for.
        argv: the command line, the script's name first.
        environ: the environment of this process.
    """
    with lines_shown(), standard_output_kept() as output, _interruptible():
        try:
            if "list" in parse_arguments(argv):
                output(job_list())
                return 0
            return _reported(platform, argv, environ, output)
        except (UsageError, MissingArguments) as error:
            say_failure(error)
            return 2
        except (Exception, *INTERRUPTS) as error:  # noqa: BLE001 (it is told, with its place if need be)
            say_failure(error)
            return 1


def _reported(
    platform: Platform, argv: Sequence[str], environ: Mapping[str, str], output: Callable[[str], None]
) -> int:
    """Run the job, and print its metrics; the step that waits for them gets them too."""
    payload = _payload(argv, environ)
    with payload or nullcontext():
        arguments = entry_arguments(platform, argv, environ, spark_available=_has_pyspark())
        job = _job(arguments.module_name)
        with _on_platform(platform, environ, is_awaited=payload is not None) as is_temporary:
            if is_temporary and job.name == "load_promos":
                _refuse_lost_table()
            metrics = _run(job, arguments, payload)
    output(json.dumps(metrics))
    return 0 if payload or metrics["job_status"] == "SUCCESS" else 1


def _run(job: RegisteredJob, arguments: EntryArguments, payload: Payload | None) -> dict[str, Any]:
    tags = {name: value for name, value in arguments.tags.items() if name not in ("module_name", *_OF_PIPES)}
    given = {**arguments.kwargs, **tags}
    say(f"{job.name}: {json.dumps(masked(given), default=str)}")
    if payload is None:
        return _MAINS[job.name](**given)
    from scripts.dwh_payload import run_reported

    return run_reported(job, given, payload)


def _payload(argv: Sequence[str], environ: Mapping[str, str]) -> Payload | None:
    try:
        return open_payload(argv, environ)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _job(module_name: str) -> RegisteredJob:
    try:
        return find_job(module_name)
    except ModuleNotFoundError as error:
        raise UnknownJob(str(error), name=module_name) from None


def _refuse_lost_table() -> None:
    """Refuse to merge into a table that ends with this process."""
    from resources.deployments import resources_for
    from resources.warehouse import DuckDBWarehouse

    if isinstance(resources_for()["warehouse"], DuckDBWarehouse):
        raise UsageError(
            "load_promos would write into a file of this machine, which ends with the run; set "
            "QUINTET_WAREHOUSE to bigquery, or run it with the tag compute in_process"
        )


@contextmanager
def _on_platform(platform: Platform, environ: Mapping[str, str], *, is_awaited: bool) -> Iterator[bool]:
    """The environment of a job that the platform itself runs; what is set already stays.

    A process that has been given a Spark session takes it and starts no job elsewhere. Nothing of ours lies
    on such a machine: where the code is a file, as in a package, the home is a folder for this run.
    """
    has_session = _has_pyspark() and has_platform_session()
    with tempfile.TemporaryDirectory(prefix="quintet-") as folder:
        settings = {} if ROOT.is_dir() else {"QUINTET_HOME": folder}
        if is_awaited or has_session:
            if platform in _DEPLOYMENTS:
                settings |= {"QUINTET_DEPLOYMENT": _DEPLOYMENTS[platform]}
            if platform != "container" or has_session:
                settings |= {"QUINTET_SPARK_ENGINE": "jvm"}
        settings = {name: value for name, value in settings.items() if not environ.get(name, "").strip()}
        if has_session:
            settings["QUINTET_COMPUTE"] = "in_process"
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        try:
            yield "QUINTET_HOME" in settings
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


def _has_pyspark() -> bool:
    return find_spec("pyspark") is not None


@contextmanager
def _interruptible() -> Iterator[None]:
    """Whoever stops the process gets an orderly end: the failure is published, and reported."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""Jobs as one-time runs of Databricks, on serverless compute, a cluster of their own or one that is there.

Context and messages go through a folder of a Unity Catalog volume. A process finds it under its own path, and
without a credential, on serverless compute and, from runtime 13.3 on, in standard ("shared") and dedicated
access mode. The DBFS root, which dagster-databricks' PipesDatabricksClient (0.29.27) takes, has no local path
on the first two; S3 would need keys of one cloud inside a job of another. That client also swallows an
interrupt, so that the step goes on and may succeed, waits without an end for a cancelled run, deletes the
folder of a job that still runs, loses its tags, and cannot adopt.
"""

import io
import json
import logging
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

import dagster as dg
from dagster_pipes import (
    DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT,
    PipesBlobStoreMessageWriter,
    PipesContextData,
    PipesDefaultContextLoader,
    PipesParams,
    decode_param,
)

from resources.compute.base import Phase, RemoteBackend, RunningJob, Sighting, Submission
from resources.compute.errors import ComputeMisconfigured, PlatformRefused, PlatformUnavailable
from resources.compute.launch_options import parse_launch_options
from resources.compute.polling import Polling
from resources.compute.settings import Settings

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import JobEnvironment, Run

CODE: Final = "QUINTET_DATABRICKS_CODE"
VOLUME: Final = "QUINTET_DATABRICKS_VOLUME"
PACKAGE: Final = "QUINTET_DATABRICKS_PACKAGE"
TASK: Final = "QUINTET_DATABRICKS_TASK"

_ENDED: Final = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
_RESULTS: Final = {
    "SUCCESS": Phase.SUCCEEDED,
    "CANCELED": Phase.STOPPED,
    "UPSTREAM_CANCELED": Phase.STOPPED,
    "TIMEDOUT": Phase.EXPIRED,
}
_OURS: Final = frozenset({"environment_key", "max_retries", "spark_python_task", "task_key"})
"""Retries too: they are Dagster's, and a second attempt would write its messages over those of the first."""
_TASK_KEY: Final = "quintet"
_SERVERLESS_VERSION: Final = "2"
"""The environment with Python 3.11."""
_PATH: Final = PipesDefaultContextLoader.FILE_PATH_KEY

_log = logging.getLogger(__name__)


class DatabricksBackend(RemoteBackend):
    """Runs `<code>/<entry> <arguments>` as the one Python task of a run that is named by its token.

    `volume` is the folder for contexts and messages. `task` are further fields of a task (`new_cluster`,
    `existing_cluster_id`, `libraries`); one that names no cluster runs on serverless compute. `package` is
    the path of the project's wheel, installed on either.
    """

    name = "databricks"

    def __init__(
        self,
        code: str,
        volume: str,
        workspace: "WorkspaceClient",
        *,
        task: Mapping[str, Any] | None = None,
        package: str | None = None,
        polling: Polling | None = None,
    ) -> None:
        super().__init__(polling)
        self._code = code.rstrip("/")
        self._volume = volume.rstrip("/")
        self._workspace = workspace
        self._task = task or {}
        self._package = package

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Read QUINTET_DATABRICKS_CODE, _VOLUME, _TASK and _PACKAGE.

        The workspace and its credentials come from the SDK's own chain (DATABRICKS_HOST, DATABRICKS_TOKEN,
        DATABRICKS_CLIENT_ID, a profile, the identity of the machine).
        """
        code = settings.required(CODE, "a workspace folder with scripts/, e.g. /Workspace/Shared/quintet")
        volume = settings.required(VOLUME, "a folder of a volume, e.g. /Volumes/main/quintet/pipes")
        task = parse_launch_options(TASK, settings.optional(TASK), _OURS)
        return cls(code, volume, _workspace(), task=task, package=settings.optional(PACKAGE))

    def find(self, token: str) -> RunningJob | None:
        """The run of this name that is queued or active, and was told to report below this token."""
        from databricks.sdk.service.jobs import RunType

        with _sdk_errors():
            for run in self._workspace.jobs.list_runs(active_only=True, run_type=RunType.SUBMIT_RUN):
                if run.run_name == token and run.run_id and _state(run)[0] != "TERMINATING":
                    told = self._told(token, self._workspace.jobs.get_run(run.run_id))
                    if told:
                        return RunningJob(str(run.run_id), told)
        return None

    def start(self, submission: Submission, session: dg.PipesSession) -> str:
        """Submit a run; Databricks itself ends it when we would no longer watch it."""
        from databricks.sdk.service.jobs import QueueSettings, SubmitTask

        pipes = [word for pair in session.get_bootstrap_cli_arguments().items() for word in pair]
        compute, environments = self._compute()
        task = {
            **compute,
            "task_key": _TASK_KEY,
            "spark_python_task": {
                "python_file": f"{self._code}/{submission.entry}",
                "parameters": [*submission.arguments, *pipes],
            },
        }
        folder = str(session.message_reader_params[_PATH])
        with _sdk_errors():
            submitted = self._workspace.jobs.submit(
                run_name=submission.token,
                # A token of its own for each launch: for one that it knows, Databricks returns the old run,
                # also if that has failed. A repeated request of this launch starts nothing twice.
                idempotency_token=f"{submission.token}-{folder.rsplit('/', 1)[1]}",
                tasks=[SubmitTask.from_dict(task)],
                environments=environments,
                queue=QueueSettings(enabled=True),
                timeout_seconds=int(self.polling.longest),
            )
        return str(submitted.response.run_id)

    def look(self, job_id: str) -> Sighting:
        """The state of the run."""
        with _sdk_errors():
            run = self._workspace.jobs.get_run(int(job_id))
        cycle, result, message = _state(run)
        text = ": ".join(part for part in (result or cycle, message) if part)
        return Sighting(_RESULTS.get(result, Phase.FAILED) if cycle in _ENDED else Phase.RUNNING, text)

    def stop(self, job_id: str) -> None:
        """Cancel the run; Databricks does so when it gets to it."""
        with _sdk_errors():
            self._workspace.jobs.cancel_run(int(job_id))

    def context_injector(self, submission: Submission) -> dg.PipesContextInjector:
        """In the volume: all parameters of a task together have 10,000 bytes."""
        return _VolumeContext(self._workspace, self._new_folder(submission.token))

    def message_reader(self, submission: Submission, adopted: RunningJob | None) -> dg.PipesMessageReader:
        """From the volume."""
        folder = adopted.messages[_PATH] if adopted else self._new_folder(submission.token)
        return _VolumeMessages(self._workspace, folder)

    def describe(self, job_id: str) -> Mapping[str, Any]:
        """The run, and its page if Databricks can be asked."""
        try:
            with _sdk_errors():
                page = self._workspace.jobs.get_run(int(job_id)).run_page_url
        except (PlatformRefused, PlatformUnavailable):
            page = None
        link = {"platform_link": dg.MetadataValue.url(page)} if page else {}
        return {"databricks_run_id": job_id, **link}

    def _compute(self) -> tuple[dict[str, Any], "list[JobEnvironment] | None"]:
        """The task's own fields, and the environment that it takes if it is serverless."""
        from databricks.sdk.service.compute import Environment
        from databricks.sdk.service.jobs import JobEnvironment

        task = deepcopy(dict(self._task))
        if {"new_cluster", "existing_cluster_id"} & task.keys():
            wheel = [{"whl": self._package}] if self._package else []
            return {**task, "libraries": [*task.get("libraries", ()), *wheel]}, None
        wheels = [self._package] if self._package else []
        environment = Environment(environment_version=_SERVERLESS_VERSION, dependencies=wheels)
        return {**task, "environment_key": _TASK_KEY}, [JobEnvironment(_TASK_KEY, environment)]

    def _told(self, token: str, run: "Run") -> Mapping[str, Any] | None:
        """What a run was told of its messages; None unless it is a run of this token."""
        tasks = [task.spark_python_task for task in run.tasks or () if task.spark_python_task]
        encoded = _argument(tasks[0].parameters or ()) if tasks else None
        try:
            params = decode_param(encoded) if encoded else {}
        except (ValueError, zlib.error):
            return None  # Not ours: whoever submits a run by hand may pass anything.
        ours = isinstance(params, dict) and str(params.get(_PATH)).startswith(f"{self._volume}/{token}/")
        return params if ours else None

    def _new_folder(self, token: str) -> str:
        # 12 of its 32 characters: with the token they make an idempotency token, which may have 64.
        return f"{self._volume}/{token}/{uuid4().hex[:12]}"


class _VolumeContext(dg.PipesContextInjector):
    """Writes the context into a folder and leaves it there: the job may still be queued when we leave."""

    def __init__(self, workspace: "WorkspaceClient", folder: str) -> None:
        self._workspace, self._folder = workspace, folder

    @contextmanager
    def inject_context(self, context_data: PipesContextData) -> Iterator[PipesParams]:
        path = f"{self._folder}/context.json"
        with _sdk_errors():
            self._workspace.files.create_directory(self._folder)
            self._workspace.files.upload(path, io.BytesIO(json.dumps(context_data).encode()), overwrite=True)
        yield {_PATH: path}

    def no_messages_debug_text(self) -> str:
        return f"The context of the job is in {self._folder}."


class _VolumeMessages(dg.PipesBlobStoreMessageReader):
    """Reads every chunk that is there and whole; Dagster's own readers take one chunk each 10 s."""

    def __init__(self, workspace: "WorkspaceClient", folder: str) -> None:
        super().__init__()
        self._workspace, self._folder = workspace, folder

    @contextmanager
    def get_params(self) -> Iterator[PipesParams]:
        with _sdk_errors():
            self._workspace.files.create_directory(self._folder)  # The job knows a volume by its folder.
        yield {_PATH: self._folder, PipesBlobStoreMessageWriter.INCLUDE_STDIO_IN_MESSAGES_KEY: False}

    def messages_are_readable(self, params: PipesParams) -> bool:
        return True

    def download_messages(self, cursor: Any, params: PipesParams) -> tuple[Any, str] | None:
        chunks = []
        while chunk := self.download_messages_chunk(self.counter, params):
            chunks.append(chunk)
            self.counter += 1
        return (self.counter, "\n".join(chunks)) if chunks else None

    def download_messages_chunk(self, index: int, params: PipesParams) -> str | None:
        path = f"{self._folder}/{index}.json"
        try:
            with _sdk_errors():
                chunk = self._download(path)
        except (PlatformRefused, PlatformUnavailable) as error:
            _log.warning("The messages in %s are read again later: %s", path, error)
            return None
        return chunk if chunk and _is_whole(chunk) else None

    def _download(self, path: str) -> str | None:
        from databricks.sdk.errors import NotFound

        try:
            contents = self._workspace.files.download(path).contents
        except NotFound:
            return None
        return contents.read().decode(errors="replace") if contents else None

    def no_messages_debug_text(self) -> str:
        return f"Looked for the messages of the job in {self._folder}."


def _argument(words: Sequence[str]) -> str | None:
    return dict(pairwise(words)).get(DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT)


def _is_whole(chunk: str) -> bool:
    """Whether the last message ends: the file is written in place, and may be seen before that is done."""
    try:
        json.loads(chunk.rsplit("\n", 1)[-1])
    except ValueError:
        return False
    return True


def _state(run: Any) -> tuple[str, str, str]:
    """Life cycle, result and message; a word that the SDK does not know yet is empty."""
    state = run.state
    if state is None:
        return "", "", ""
    cycle = state.life_cycle_state.value if state.life_cycle_state else ""
    return cycle, state.result_state.value if state.result_state else "", state.state_message or ""


def _workspace() -> "WorkspaceClient":
    try:
        from databricks.sdk import WorkspaceClient
    except ImportError as error:
        raise ComputeMisconfigured(
            "The compute backend databricks needs its SDK: pip install 'quintet[databricks]'."
        ) from error
    try:
        return WorkspaceClient()
    except ValueError as error:
        raise ComputeMisconfigured(
            "The compute backend databricks finds no workspace or no credentials: set DATABRICKS_HOST and "
            f"DATABRICKS_TOKEN, or another way to sign in that the SDK knows ({error})."
        ) from error


@contextmanager
def _sdk_errors() -> Iterator[None]:
    """Raise our errors instead of the SDK's, which has repeated a request for 5 minutes by then."""
    from databricks.sdk.errors import (
        DeadlineExceeded,
        InternalError,
        TemporarilyUnavailable,
        TooManyRequests,
    )
    from databricks.sdk.errors.base import DatabricksError

    try:
        yield
    except (DeadlineExceeded, InternalError, TemporarilyUnavailable, TooManyRequests) as error:
        raise PlatformUnavailable(f"Databricks has no time for a request: {error}") from error
    except DatabricksError as error:
        raise PlatformRefused(f"Databricks refused a request: {error}") from error
    except OSError as error:  # Of requests too, and TimeoutError.
        raise PlatformUnavailable(f"Databricks cannot be reached: {error}") from error

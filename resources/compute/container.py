"""Jobs as Docker containers, on the daemon that docker's own variables name (DOCKER_HOST, DOCKER_CERT_PATH).

A job leaves its messages in a file of its container, which the daemon hands over (`docker cp`), so no folder
is shared, and a daemon on another machine will do. dagster-docker's client reads them from the log stream
instead: Docker cuts its lines at 16 KiB, a picture of ours is larger, and what Spark writes to the same
stream lands between them. Imported when a run takes the backend.
"""

import io
import logging
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

import dagster as dg
from dagster_pipes import PipesDefaultMessageWriter, PipesParams

from resources.compute.base import Phase, RemoteBackend, RunningJob, Sighting, Submission
from resources.compute.child_process import secrets_of
from resources.compute.errors import ComputeMisconfigured, PlatformRefused, PlatformUnavailable
from resources.compute.launch_options import parse_launch_options
from resources.compute.polling import Polling
from resources.compute.settings import Settings

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

IMAGE: Final = "QUINTET_CONTAINER_IMAGE"
OPTIONS: Final = "QUINTET_CONTAINER_OPTIONS"
PASSED_ON: Final = "QUINTET_CONTAINER_ENVIRONMENT"

_LAUNCH_LABEL: Final = "quintet.launch"
_MESSAGES_LABEL: Final = "quintet.messages"
_RUNNING: Final = ("running", "paused", "restarting")
_OVER: Final = ("created", "exited", "dead")
"""`created` alone: the daemon could not start it."""
_OURS: Final = frozenset(
    {"auto_remove", "command", "detach", "environment", "image", "labels", "name", "remove"}
)
_ENDED_BY_SIGNAL: Final = (130, 137, 143)
"""128 + SIGINT, SIGKILL and SIGTERM: what `docker stop` and `docker kill` leave."""
_GRACE_SECONDS: Final = 30
"""From the first signal to SIGKILL: Spark needs a while to stop."""
_LOG_LINES: Final = 5000

_log = logging.getLogger(__name__)

_FOLDER: Final = "/tmp"  # noqa: S108 (inside the container, which is removed with it)


class ContainerBackend(RemoteBackend):
    """Runs `python <entry> <arguments>` in a new container of one image, whose working folder is the project.

    `options` are further arguments of docker's `containers.run` (network, volumes, mem_limit); `environment`
    is what the job finds in its environment beside what Pipes puts there. Whoever may inspect the container
    reads it.
    """

    name = "container"

    def __init__(
        self,
        image: str,
        *,
        options: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        polling: Polling | None = None,
    ) -> None:
        super().__init__(polling)
        self._image = image
        self._options = options or {}
        # Or the job, in an image that names a backend, would start a job.
        self._environment = {**(environment or {}), "QUINTET_COMPUTE": "in_process"}
        self._secrets = secrets_of(self._environment)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Make it from QUINTET_CONTAINER_IMAGE and, if they are set, its two companions.

        QUINTET_CONTAINER_OPTIONS is a JSON object, QUINTET_CONTAINER_ENVIRONMENT the names of variables to
        pass on, separated by commas.
        """
        _docker()
        names = (settings.optional(PASSED_ON) or "").replace(",", " ").split()
        return cls(
            settings.required(IMAGE, "the image of this project, e.g. quintet:1.4"),
            options=parse_launch_options(OPTIONS, settings.optional(OPTIONS), _OURS),
            environment={
                name: settings.required(name, f"what the job is to find there ({PASSED_ON} names it)")
                for name in names
            },
        )

    @cached_property
    def _client(self) -> "DockerClient":
        with _docker_errors():
            return _docker().from_env()

    def find(self, token: str) -> RunningJob | None:
        """The running container with this label."""
        for container in self._containers(token, _RUNNING):
            path = container.labels[_MESSAGES_LABEL]
            return RunningJob(str(container.id), {PipesDefaultMessageWriter.FILE_PATH_KEY: path})
        return None

    def start(self, submission: Submission, session: dg.PipesSession) -> str:
        """Pull the image if the daemon has not got it, and start the container."""
        path = session.message_reader_params[PipesDefaultMessageWriter.FILE_PATH_KEY]
        labels = {_LAUNCH_LABEL: submission.token, _MESSAGES_LABEL: path}
        with _docker_errors():
            container = self._client.containers.run(
                self._image,
                ["python", submission.entry, *submission.arguments],
                detach=True,
                labels={**session.default_remote_invocation_info, **labels},
                environment={**self._environment, **session.get_bootstrap_env_vars()},
                # Python tidies up on SIGINT, not on SIGTERM; as the first process it would get neither.
                **{"init": True, "stop_signal": "SIGINT", **deepcopy(dict(self._options))},
            )
        return str(container.id)

    def look(self, job_id: str) -> Sighting:
        """Read the state of the container."""
        from docker.errors import NotFound

        with _docker_errors():
            try:
                state = self._client.containers.get(job_id).attrs["State"]
            except NotFound:
                return Sighting(Phase.STOPPED, "its container has been removed")
        if state["Status"] not in ("exited", "dead"):
            return Sighting(Phase.RUNNING, state["Status"])
        code = state["ExitCode"]
        if state.get("OOMKilled"):
            return Sighting(Phase.FAILED, "it used more memory than the container may have")
        if code in _ENDED_BY_SIGNAL:
            return Sighting(Phase.STOPPED, f"exit code {code}")
        return Sighting(Phase.FAILED if code else Phase.SUCCEEDED, state.get("Error") or f"exit code {code}")

    def stop(self, job_id: str) -> None:
        """Send SIGINT, and SIGKILL half a minute later."""
        from docker.errors import NotFound

        with _docker_errors():
            try:
                self._client.containers.get(job_id).stop(timeout=_GRACE_SECONDS)
            except NotFound:
                _log.info("The container %s has been removed already.", job_id)

    def context_injector(self, submission: Submission) -> dg.PipesContextInjector:
        """In the environment of the container."""
        return dg.PipesEnvContextInjector()

    def message_reader(self, submission: Submission, adopted: RunningJob | None) -> dg.PipesMessageReader:
        """In a file of the container; the name is new, so that two attempts are told apart."""
        path = adopted.messages[PipesDefaultMessageWriter.FILE_PATH_KEY] if adopted else None
        return ContainerFileReader(self._client, path or f"{_FOLDER}/quintet-{uuid4().hex}.messages")

    def describe(self, job_id: str) -> Mapping[str, Any]:
        """The id of the container and the image."""
        return {"container": job_id, "image": self._image}

    def run(
        self, context: dg.AssetExecutionContext, submission: Submission
    ) -> dg.PipesClientCompletedInvocation:
        """Run the job; its log goes to ours and its container away once it has ended, well or not."""
        try:
            return super().run(context, submission)
        finally:
            self._clear(submission.token)

    def _clear(self, token: str) -> None:
        try:
            for container in self._containers(token, _OVER):
                with _docker_errors():
                    log = container.logs(tail=_LOG_LINES).decode(errors="replace")
                    sys.stderr.write(self._secrets.sub("***", log))
                    container.remove()
        except (PlatformRefused, PlatformUnavailable) as error:
            _log.warning("A container of %s was left behind: %s", token, error)

    def _containers(self, token: str, states: tuple[str, ...]) -> "list[Container]":
        wanted = {"label": f"{_LAUNCH_LABEL}={token}", "status": list(states)}
        with _docker_errors():
            return self._client.containers.list(all=True, filters=wanted, ignore_removed=True)


class ContainerFileReader(dg.PipesBlobStoreMessageReader):
    """Reads the messages of a container from a file in it, as far as its lines are whole."""

    def __init__(self, client: "DockerClient", path: str) -> None:
        super().__init__(interval=5)
        self._client = client
        self._path = path
        self._read = 0

    @contextmanager
    def get_params(self) -> Iterator[PipesParams]:
        """Tell the job the name of the file."""
        yield {PipesDefaultMessageWriter.FILE_PATH_KEY: self._path}

    def messages_are_readable(self, params: PipesParams) -> bool:
        """True; a file that is not there yet reads as no messages."""
        return True

    def download_messages_chunk(self, index: int, params: PipesParams) -> str | None:
        """Return the whole lines that are new."""
        content = self._content()
        begin, self._read = self._read, max(self._read, content.rfind(b"\n") + 1)
        return content[begin : self._read].decode() or None

    def no_messages_debug_text(self) -> str:
        """Say where the messages were looked for."""
        return f"Looked for messages in the file {self._path} of the container."

    def _content(self) -> bytes:
        try:
            with _docker_errors():
                archive = self._archive()
        except (PlatformRefused, PlatformUnavailable) as error:
            _log.warning("The messages of the container are read again later: %s", error)
            return b""
        return _only_file(archive)

    def _archive(self) -> bytes:
        from docker.errors import NotFound

        label = f"{_MESSAGES_LABEL}={self._path}"
        found = self._client.containers.list(all=True, filters={"label": label}, ignore_removed=True)
        try:
            return b"".join(found[0].get_archive(self._path)[0]) if found else b""
        except NotFound:
            return b""


def _only_file(archive: bytes) -> bytes:
    """Unpack a file; one that grew while the daemon packed it comes cut, and then counts as empty."""
    with suppress(tarfile.TarError), tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
        member = tar.next()
        file = tar.extractfile(member) if member else None
        return file.read() if file else b""
    return b""


def _docker() -> ModuleType:
    try:
        import docker
    except ImportError as error:
        raise ComputeMisconfigured(
            "The compute backend container needs Docker's client: pip install 'quintet[container]'."
        ) from error
    return docker


@contextmanager
def _docker_errors() -> Iterator[None]:
    """Raise our errors instead of those of Docker's client."""
    from docker.errors import APIError, DockerException, ImageNotFound
    from requests.exceptions import RequestException

    try:
        yield
    except ImageNotFound as error:
        raise PlatformRefused(
            f"Docker has no such image and cannot pull it ({error.explanation}); correct {IMAGE}."
        ) from error
    except APIError as error:
        kind = PlatformUnavailable if error.is_server_error() else PlatformRefused
        raise kind(f"Docker refused: {error.explanation or error}") from error
    except (DockerException, RequestException) as error:
        raise PlatformUnavailable(
            f"The Docker daemon cannot be reached ({error}); see DOCKER_HOST."
        ) from error

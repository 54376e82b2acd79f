"""The one handle for dose engines, and everything that its variants have in common.

Not here: where a job runs (`resources.compute_host`), what a log or an output is worth (the domain judges).
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Final, Literal

import dagster as dg

from resources.compute_host import HostFile, HostSession, JobStatus
from resources.dose_engine.errors import EngineError

LOG: Final = "engine.log"
"""What the engine of a job says, stdout and stderr, in the job's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRun:
    """The input of one attempt, written, and the command that runs on it in the folder of its job."""

    folder: Path
    """Of this machine; holds the input."""
    inputs: tuple[str, ...]
    """The files of the input, relative to the folder."""
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    """What the engine needs besides the environment that its host gives."""

    @property
    def command_digest(self) -> str:
        """The SHA-256, in hex, of the command and its environment."""
        command = [list(self.argv), sorted(self.environ.items())]
        return sha256(json.dumps(command).encode()).hexdigest()

    def input_digests(self) -> dict[str, str]:
        """The SHA-256, in hex, of each file of the input."""
        return {name: _digest(self.folder / name) for name in self.inputs}


class DoseEngine(dg.ConfigurableResource, ABC):
    """A program that makes a dose of logged spots. One job is one attempt, in a folder of its own.

    `prepare`, `launch`, `observe` until it has ended, `outputs`, `collect`. Sessions are those of a compute
    host; what goes wrong with the host is raised as its `HostError`.
    """

    name: ClassVar[Literal["mcsquare", "moqui"]]
    needs_gpu: ClassVar[bool]
    output_names: ClassVar[tuple[str, ...]]
    """What a run leaves in its output folder; `*` stands for a part of a name that the engine chooses."""

    @abstractmethod
    def digest(self, session: HostSession) -> str:
        """The SHA-256, in hex, of the program and of the data that come with it.

        Raises:
            EngineError: it is not there.
        """

    @abstractmethod
    def prepare(self, request: Any, run_folder: Path) -> PreparedRun:
        """Write the input of one attempt into a folder of this machine, which is made if it is absent.

        Raises:
            EngineError: the engine is not there.
        """

    def output_folder(self, job_folder: PurePosixPath) -> PurePosixPath:
        """Where the engine of a job writes its output."""
        return job_folder / "output"

    def launch(self, session: HostSession, prepared: PreparedRun, job_folder: PurePosixPath) -> JobStatus:
        """Bring the input into the folder of the job and start the engine there, detached.

        A job of that folder which runs or has ended is returned as it is: nothing is started twice. The
        output of a job that vanished is removed; the session ends what is left of it, and puts its log aside.

        Raises:
            EngineError: the host does not have the engine.
        """
        before = session.observe(job_folder)
        if before.state in ("running", "ended"):
            return before
        self._require_program(session, prepared)
        output = self.output_folder(job_folder)
        session.remove_tree(output)
        session.make_folders(output)
        for name in prepared.inputs:
            session.put(prepared.folder / name, job_folder / name)
        return session.launch(job_folder, prepared.argv, environ=prepared.environ)

    def observe(self, session: HostSession, job_folder: PurePosixPath) -> JobStatus:
        """How the job stands."""
        return session.observe(job_folder)

    def outputs(self, session: HostSession, job_folder: PurePosixPath) -> list[HostFile]:
        """The files in the output folder of the job."""
        files = session.list_files(self.output_folder(job_folder))
        return [file for file in files if not file.is_folder]

    def collect(
        self, session: HostSession, job_folder: PurePosixPath, names: Sequence[str], target: Path
    ) -> Path:
        """Copy these files of the output, and the log, into a folder of this machine; the job keeps its own.

        Returns:
            The file with the dose's values: the last of `names`, which are in the order of `output_names`.

        Raises:
            FileNotFoundError: one of them is not there.
        """
        target.mkdir(parents=True, exist_ok=True)
        output = self.output_folder(job_folder)
        for name in names:
            session.get(output / name, target / name)
        session.get(job_folder / LOG, target / LOG)
        return target / names[-1]

    @abstractmethod
    def _absent(self, program: str) -> EngineError:
        """What to raise where the host does not have the program."""

    def _require_program(self, session: HostSession, prepared: PreparedRun) -> None:
        program = prepared.argv[0]
        for wanted in ("-f", "-x"):
            if session.run(["test", wanted, program]).exit_code != 0:
                raise self._absent(program)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()

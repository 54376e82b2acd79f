"""Questions to the git command about a repository, answered in fields that NUL separates.

It reads nothing from a terminal, changes nothing, and takes no repository that merely lies around the folder.
Not here: what is asked (`git_history`).
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Final, cast

from assets.failures import PermanentFailure

_CHUNK: Final = 1 << 16
_ANSWER_S: Final = 300
"""No short question takes longer, even on a cold network disk."""

_OTHER_REPOSITORY: Final = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_WORK_TREE",
    }
)
"""Variables that git sets for its hooks, and that would send it elsewhere."""


class Repository:
    """A repository in a folder, with or without a working tree.

    Raises:
        PermanentFailure: there is none, git is not installed, or it refuses.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise PermanentFailure(
                f"The repository {path} is no folder; clone it there, or correct repo in the job."
            )
        self._answer("rev-parse", "--git-dir")

    def commit(self, ref: str) -> str | None:
        """The full name of the commit that a ref leads to, if it leads to one."""
        answer = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        return answer.stdout.strip() if answer.returncode == 0 else None

    def has_commits(self) -> bool:
        """Whether any ref leads to a commit."""
        return bool(self._answer("rev-list", "--max-count=1", "--all"))

    def reaches(self, tip: str, sha: str) -> bool:
        """Whether a commit is `tip` or an ancestor of it; one that is not there is not."""
        return self._run("merge-base", "--is-ancestor", sha, tip).returncode == 0

    def empty_tree(self) -> str:
        """The name of the tree without files, in this repository's hash."""
        return self._answer("hash-object", "-t", "tree", "--stdin")

    def peeled(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """What each object leads to in the end, through all annotated tags: its name and its type."""
        question = "".join(f"{name}^{{}}\n" for name in names)
        answer = self._answer("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=question)
        return [(sha, type_) for sha, _, type_ in (line.partition(" ") for line in answer.splitlines())]

    def records(self, *command: str, width: int) -> Iterator[tuple[str, ...]]:
        """The answer to a command, `width` fields at a time, as git writes them."""
        with tempfile.TemporaryFile() as complaints:
            process = subprocess.Popen(
                self._command(command), env=_environment(self.path), stdout=subprocess.PIPE, stderr=complaints
            )
            stream = cast("IO[bytes]", process.stdout)
            try:
                fields = _fields(stream)
                while len(record := tuple(islice(fields, width))) == width:
                    yield record
                if process.wait() != 0:
                    complaints.seek(0)
                    raise self._failure(command[0], complaints.read().decode(errors="replace"))
            finally:
                process.kill()
                stream.close()
                process.wait()

    def _answer(self, *command: str, stdin: str = "") -> str:
        answer = self._run(*command, stdin=stdin)
        if answer.returncode != 0:
            raise self._failure(command[0], answer.stderr)
        return answer.stdout.strip()

    def _run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                self._command(command),
                env=_environment(self.path),
                input=stdin,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=_ANSWER_S,
                check=False,
            )
        except FileNotFoundError:
            raise PermanentFailure("The command git is not installed; install it.") from None
        except subprocess.TimeoutExpired:
            raise self._failure(command[0], f"it has not answered for {_ANSWER_S} s") from None

    def _command(self, command: Sequence[str]) -> list[str]:
        settings = ("-c", "i18n.logOutputEncoding=UTF-8", "-c", "log.showSignature=false")
        return ["git", "-C", str(self.path), "--no-pager", *settings, *command]

    def _failure(self, command: str, reason: str) -> PermanentFailure:
        sentence = " ".join(reason.split()) or "without a word"
        return PermanentFailure(
            f"git {command} failed on the repository {self.path} ({sentence}); check that it is whole."
        )


def _environment(path: Path) -> dict[str, str]:
    """This process's, without another repository's variables and without questions to a person."""
    own = {name: value for name, value in os.environ.items() if name not in _OTHER_REPOSITORY}
    return own | {
        "GIT_CEILING_DIRECTORIES": str(path.resolve().parent),
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C.UTF-8",
    }


def _fields(stream: IO[bytes]) -> Iterator[str]:
    """The texts before each NUL."""
    rest = b""
    while chunk := stream.read(_CHUNK):
        *fields, rest = (rest + chunk).split(b"\0")
        for field in fields:
            yield field.decode(errors="replace")

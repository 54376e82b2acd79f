"""What the scripts of jobs answer, and what they are given."""

import subprocess
from pathlib import Path, PurePosixPath

import pytest

from resources.compute_host import HostError, JobStatus
from resources.compute_host.jobs import (
    command_digest,
    launch_command,
    observe_command,
    read_status,
    stop_command,
)

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("absent", JobStatus("absent")),
        (f"running 12 1700000000 {DIGEST} ", JobStatus("running", None, None, 12, 1_700_000_000)),
        (f"vanished 12 1700000000 {DIGEST} ", JobStatus("vanished", None, None, 12, 1_700_000_000)),
        (f"ended 12 1700000000 {DIGEST} 0", JobStatus("ended", 0, None, 12, 1_700_000_000)),
        (f"ended 12 1700000000 {DIGEST} 137", JobStatus("ended", 137, None, 12, 1_700_000_000)),
        (f"ended 12 1700000000 {DIGEST} 137 signal", JobStatus("ended", None, 9, 12, 1_700_000_000)),
    ],
)
@pytest.mark.parametrize("greeting", ["", "Welcome to the cluster\nrunning out of space\n"])
def test_an_answer_is_read_from_its_last_line(answer: str, status: JobStatus, greeting: str) -> None:
    digest = None if status.state == "absent" else DIGEST
    assert read_status(f"{greeting}{answer}\n".encode()) == (status, digest)


@pytest.mark.parametrize(
    "answer", ["", "\n", "absent 1", "running", f"ended 12 1700000000 {DIGEST}", f"lost 1 2 {DIGEST}", "\xff"]
)
def test_an_answer_that_is_none_of_ours_is_an_error(answer: str) -> None:
    with pytest.raises(HostError, match="no answer of ours"):
        read_status(answer.encode("latin-1"))


def test_no_value_is_part_of_a_script() -> None:
    folder, command = PurePosixPath("/w/$(touch x)"), ("env", "; touch y")
    for with_values, with_others in (
        (launch_command(folder, command), launch_command(PurePosixPath("/o"), ("other",))),
        (observe_command(folder), observe_command(PurePosixPath("/o"))),
        (stop_command(folder, 3), stop_command(PurePosixPath("/o"), 7)),
    ):
        scripts = [argument for argument in with_values if "\n" in argument]
        assert scripts
        assert scripts == [argument for argument in with_others if "\n" in argument]
        assert not any("touch" in script for script in scripts)
        assert str(folder) in with_values


def test_a_job_that_finds_its_folder_taken_starts_nothing(tmp_path: Path) -> None:
    """As when a launch died behind its start, and another came before the job could say who it is."""
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "job.json").write_text("of the other")
    _, _, _, _, watch, run, *_ = launch_command(PurePosixPath(folder), ("true",))
    line = ["sh", "-c", watch, "sh", run, DIGEST, "touch", "started"]
    result = subprocess.run(line, cwd=folder, capture_output=True, check=False, timeout=20)
    assert result.returncode != 0
    assert b"not started" in result.stderr
    assert [path.name for path in folder.iterdir()] == ["job.json"]
    assert (folder / "job.json").read_text() == "of the other"


def test_commands_that_join_to_the_same_text_have_different_digests() -> None:
    digests = {command_digest(command) for command in (("a b",), ("a", "b"), ("a", "b", ""), ("ab",))}
    assert len(digests) == 4

"""The backend `subprocess`: what its child reports arrives, and how it ends decides the step."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import DEVNULL

import dagster as dg
import pytest

from resources.compute.child_process import SubprocessBackend, secrets_of
from tests.resources.compute.backend_runs import (
    CHECK,
    DAY,
    JOB,
    KEY,
    MINUTE,
    ROOT,
    Work,
    interrupt_when_started,
    run_over,
)
from tests.resources.compute.reporting_job import ROWS

pytestmark = pytest.mark.materialise


@pytest.fixture
def backend() -> SubprocessBackend:
    return SubprocessBackend()


def test_what_the_child_reports_is_what_the_run_records(backend: SubprocessBackend, tmp_path: Path) -> None:
    recorded = run_over(backend, Work(tmp_path))
    assert recorded.result.success
    (materialisation,) = recorded.materialisations
    assert materialisation.asset_key == KEY
    assert materialisation.partition == DAY
    assert materialisation.metadata["dagster/row_count"] == dg.IntMetadataValue(ROWS)
    assert materialisation.metadata["picture"] == dg.MarkdownMetadataValue("**12**")
    assert materialisation.metadata["day"] == dg.TextMetadataValue(DAY)
    assert materialisation.metadata["compute"] == dg.TextMetadataValue("subprocess")
    assert (materialisation.tags or {})["dagster/data_version"] == "v1"
    (check,) = recorded.result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == (CHECK, False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["least"] == dg.IntMetadataValue(-1)
    assert "the job is at work" in recorded.log


def test_a_failed_gate_is_stored_with_what_it_judged_and_fails_the_step(
    backend: SubprocessBackend, tmp_path: Path
) -> None:
    recorded = run_over(backend, Work(tmp_path, "report red"))
    assert not recorded.result.success
    assert len(recorded.materialisations) == 1
    (check,) = recorded.result.get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)


def test_the_child_does_not_start_a_child_of_its_own(
    backend: SubprocessBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUINTET_COMPUTE", "subprocess")
    recorded = run_over(backend, Work(tmp_path))
    assert recorded.messages == [{"records_read": 20, "compute": "in_process"}]


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("silent", "reported nothing at all"),
        ("no result", "reported no result"),
        ("break off", "its report breaks off"),
        ("fail", f"{JOB} exited with 1. Its log ends:"),
        ("be killed", f"{JOB} was killed by SIGKILL"),
    ],
)
def test_a_child_that_does_not_end_well_and_report_fails_and_materialises_nothing(
    backend: SubprocessBackend, tmp_path: Path, behaviour: str, sentence: str
) -> None:
    recorded = run_over(backend, Work(tmp_path, behaviour))
    assert not recorded.result.success
    assert sentence in recorded.failure
    assert recorded.materialisations == []
    assert recorded.result.get_asset_check_evaluations() == []


def test_a_failure_shows_the_end_of_the_log_and_no_secret(
    backend: SubprocessBackend,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AIM_SERVICE_PASSWORD", "correct horse")
    recorded = run_over(backend, Work(tmp_path, "fail"))
    assert "the password is ***" in recorded.failure
    assert "ValueError: the sixth row is a cat" in recorded.failure
    shown = capfd.readouterr()
    assert "ValueError: the sixth row is a cat" in shown.err
    assert "correct horse" not in recorded.failure + recorded.log + shown.out + shown.err


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("sent s3cr3t to the host", "sent *** to the host"),
        ("https://someone:pass@host/path", "https://***@host/path"),
        ("AKIA0123 is the key", "*** is the key"),
        ("on it goes, with the host", "on it goes, with the host"),
    ],
)
def test_what_a_variable_keeps_secret_is_not_shown(line: str, shown: str) -> None:
    environ = {
        "WAREHOUSE_PASSWORD": "s3cr3t",
        "AWS_ACCESS_KEY_ID": "AKIA0123",
        "SHORT_TOKEN": "on",
        "QUINTET_HOST": "host",
    }
    assert secrets_of(environ).sub("***", line) == shown


def test_the_messages_of_a_failed_child_are_shown(backend: SubprocessBackend, tmp_path: Path) -> None:
    recorded = run_over(backend, Work(tmp_path, "fail"))
    assert "the job is at work" in recorded.log
    assert "external process pipes closed with exception" in recorded.log


def test_standard_output_stays_ours(
    backend: SubprocessBackend, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_over(backend, Work(tmp_path))
    assert "a line of standard output" not in capfd.readouterr().out


def running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + MINUTE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_an_interrupt_ends_the_child_and_what_it_has_started(
    backend: SubprocessBackend, tmp_path: Path
) -> None:
    work = Work(tmp_path, "leave a child")
    interrupter = interrupt_when_started(work, processes=2)
    recorded = run_over(backend, work)
    interrupter.join()
    assert not recorded.result.success
    assert "DagsterExecutionInterruptedError" in recorded.failure
    assert recorded.materialisations == []
    assert len(work.starts) == 2
    assert not any(running(process) for process in work.starts)


def test_a_child_that_ended_leaves_no_process_behind(backend: SubprocessBackend, tmp_path: Path) -> None:
    work = Work(tmp_path, "leave a child")
    work.until.touch()
    recorded = run_over(backend, work)
    assert recorded.result.success
    assert len(work.starts) == 2
    assert not any(running(process) for process in work.starts)


# What a run worker is: it hands the job over, and may be killed meanwhile.
WORKER = """
import sys
from pathlib import Path
from resources.compute.child_process import SubprocessBackend
from tests.resources.compute.backend_runs import Work, run_over
run_over(SubprocessBackend(), Work(Path(sys.argv[1]), "wait"), sys.argv[2])
"""


def test_a_child_whose_parent_was_killed_is_not_joined_by_a_second(
    backend: SubprocessBackend, tmp_path: Path
) -> None:
    work, token = Work(tmp_path, "wait"), "quintet-0c82b9d8-0"
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), token], cwd=ROOT, stderr=DEVNULL)
    wait_for(lambda: work.starts)
    worker.kill()
    worker.wait()
    second = run_over(backend, work, token)
    assert "A process that an earlier attempt of this step has left still runs" in second.failure
    assert len(work.starts) == 1
    work.until.touch()
    wait_for(lambda: not running(work.starts[0]))
    assert run_over(backend, work, token).result.success
    assert len(work.starts) == 2

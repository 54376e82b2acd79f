"""Keys run in real processes, some of which are killed."""

import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.failures import PermanentFailure, TransientFailure
from assets.parallel import available_cores, run_each
from tests.assets import parallel_tasks as tasks

ROOT = str(Path(__file__).parents[2])


def is_running(process_id: int) -> bool:
    """Zombies do not count: in a container nobody may be there to reap them."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def processes_that_came(reports: Path, count: int) -> list[int]:
    deadline = time.monotonic() + tasks.LONGEST_WAIT
    while len(came := list(reports.glob("*.came"))) < count:
        assert time.monotonic() < deadline, f"only {len(came)} of {count} processes came"
        time.sleep(0.02)
    return [int(report.stem) for report in came]


def were_cut_short(process_ids: list[int], reports: Path) -> bool:
    deadline = time.monotonic() + tasks.LONGEST_WAIT
    while any(map(is_running, process_ids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(is_running, process_ids)) and not list(reports.glob("*.stayed"))


@pytest.fixture
def reports(tmp_path):
    folder = tmp_path / "reports"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_key_comes_out_once_with_its_result_whatever_the_number_of_workers(workers):
    numbers = {f"key {number}": number for number in range(9)}
    outcomes = list(run_each(tasks.square, numbers, workers=workers))
    assert len(outcomes) == 9
    assert dict(outcomes) == {key: number * number for key, number in numbers.items()}


@given(numbers=st.dictionaries(st.text(), st.integers()))
@settings(max_examples=20)
def test_in_this_process_keys_come_out_in_their_own_order(numbers):
    squares = [(key, number * number) for key, number in numbers.items()]
    assert list(run_each(tasks.square, numbers, workers=1)) == squares


def test_without_any_key_there_is_nothing_to_do():
    assert list(run_each(tasks.square, {}, workers=4)) == []


@pytest.mark.parametrize(("keys", "workers"), [("ab", 1), ("a", 4)])
def test_one_worker_or_one_key_needs_no_other_process(keys, workers):
    outcomes = dict(run_each(tasks.process_id, dict.fromkeys(keys), workers=workers))
    assert set(outcomes.values()) == {os.getpid()}


def test_several_workers_are_other_processes():
    outcomes = dict(run_each(tasks.process_id, dict.fromkeys("abcd"), workers=2))
    assert os.getpid() not in outcomes.values()
    assert 1 <= len(set(outcomes.values())) <= 2


def test_an_outcome_is_handed_out_while_an_earlier_key_is_still_at_work(tmp_path):
    mark, known = tmp_path / "mark", tmp_path / "known"
    known.touch()
    outcomes = run_each(tasks.wait_for, {"late": mark, "early": known}, workers=2)
    assert next(outcomes) == ("early", True)
    mark.touch()
    assert list(outcomes) == [("late", True)]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_key_raises_is_its_outcome_and_keeps_its_kind(workers):
    sentences = {"a": "bars of a are cut", "b": "bars of b are empty"}
    for key, outcome in run_each(tasks.fail, sentences, workers=workers):
        assert isinstance(outcome, PermanentFailure)
        assert str(outcome) == sentences[key]


def test_an_exception_that_cannot_travel_arrives_with_its_name_and_message():
    outcomes = dict(run_each(tasks.fail_with_what_cannot_travel, dict.fromkeys("abc"), workers=2))
    assert set(map(str, outcomes.values())) == {"UntransportableError: row 7 breaks volume > 0"}


def test_a_module_that_a_worker_cannot_import_is_named(monkeypatch):
    module = types.ModuleType("known_here_only")
    exec("def work(argument): ...", module.__dict__)
    monkeypatch.setitem(sys.modules, "known_here_only", module)
    outcomes = dict(run_each(module.work, dict.fromkeys("ab"), workers=2))
    assert set(map(repr, outcomes.values())) == {"ModuleNotFoundError(\"No module named 'known_here_only'\")"}


def test_a_function_that_cannot_travel_is_refused_at_once():
    with pytest.raises(AttributeError, match="lambda"):
        next(run_each(lambda number: number, {"a": 1, "b": 2}, workers=2))


def test_no_worker_at_all_is_refused():
    with pytest.raises(ValueError, match="workers is 0"):
        run_each(tasks.square, {"a": 1}, workers=0)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_that_leaves_the_interpreter_is_not_taken_for_an_outcome(workers):
    with pytest.raises(SystemExit):
        list(run_each(tasks.leave_the_interpreter, dict.fromkeys("ab"), workers=workers))


@pytest.mark.parametrize("name", ["POLARS_MAX_THREADS", "NUMBA_NUM_THREADS"])
def test_the_workers_share_the_cores_and_this_process_keeps_its_setting(name, monkeypatch):
    share = str(max(1, available_cores() // 2))
    for before in ("7", None):
        monkeypatch.setenv(name, before) if before else monkeypatch.delenv(name, raising=False)
        outcomes = dict(run_each(tasks.environment_variable, {"a": name, "b": name}, workers=2))
        assert outcomes == {"a": share, "b": share}
        assert os.environ.get(name) == before


def test_polars_keeps_to_its_share_of_the_cores():
    workers = available_cores()
    outcomes = dict(
        run_each(tasks.threads_of_polars, dict.fromkeys(map(str, range(2 * workers))), workers=workers)
    )
    assert set(outcomes.values()) == ({1} if workers > 1 else {outcomes["0"]})


def test_a_key_that_kills_its_process_is_a_transient_failure_and_the_others_are_done():
    told = {f"key {number}": number == 3 for number in range(9)}
    outcomes = dict(run_each(tasks.die_if_told, told, workers=2))
    killer = outcomes.pop("key 3")
    assert isinstance(killer, TransientFailure)
    assert "working on key 3 died" in str(killer)
    assert outcomes == dict.fromkeys(set(told) - {"key 3"}, "alive")


def test_several_deadly_keys_cost_no_other_key():
    told = {f"key {number}": number in {0, 4, 8} for number in range(9)}
    outcomes = dict(run_each(tasks.die_if_told, told, workers=3))
    assert {key for key, outcome in outcomes.items() if isinstance(outcome, TransientFailure)} == {
        "key 0",
        "key 4",
        "key 8",
    }
    assert len(outcomes) == 9


def test_a_key_whose_process_died_once_is_run_again(tmp_path):
    marks = {name: tmp_path / name for name in "abcdef"}
    for name in "abcef":
        marks[name].touch()
    assert dict(run_each(tasks.die_once, marks, workers=2)) == dict.fromkeys("abcdef", "alive")


PARENT = """
import sys
from pathlib import Path
from assets.parallel import run_each
from tests.assets.parallel_tasks import report_and_stay

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for _ in run_each(report_and_stay, {"a": folder, "b": folder, "c": folder}, workers=2):
        pass
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_no_process_survives_the_one_that_started_it(how, reports, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    command = [sys.executable, str(script), str(reports)]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as parent:
        children = processes_that_came(reports, 2)
        parent.send_signal(how)
        parent.communicate(timeout=90)
    assert parent.returncode == -how
    assert were_cut_short(children, reports)


ASSET = """
from pathlib import Path
import dagster as dg
from assets.parallel import run_each
from tests.assets.parallel_tasks import report_and_stay

@dg.asset
def months():
    folder = Path({folder!r})
    for _ in run_each(report_and_stay, dict.fromkeys("abc", folder), workers=2):
        pass

defs = dg.Definitions(assets=[months], executor=dg.in_process_executor)
"""


@pytest.mark.materialise
def test_no_process_survives_a_run_that_dagster_is_told_to_stop(reports, tmp_path):
    module = tmp_path / "stopped_months.py"
    module.write_text(ASSET.format(folder=str(reports)))
    command = [
        sys.executable,
        "-m",
        "dagster",
        "asset",
        "materialize",
        "-f",
        str(module),
        "--select",
        "months",
    ]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as run:
        children = processes_that_came(reports, 2)
        run.send_signal(signal.SIGINT)
        _, log = run.communicate(timeout=90)
    assert b"DagsterExecutionInterruptedError" in log
    assert were_cut_short(children, reports)


class Interruption(BaseException):
    """Like those by which Dagster and the terminal interrupt: not an `Exception`."""


def test_an_interruption_in_the_loop_over_the_outcomes_ends_the_processes(reports, tmp_path):
    known = tmp_path / "known"
    known.touch()

    def loop() -> None:
        for _ in run_each(tasks.report_or_return, {"a": known, "b": reports, "c": reports}, workers=2):
            processes_that_came(reports, 1)
            raise Interruption

    with pytest.raises(Interruption):
        loop()
    assert were_cut_short(processes_that_came(reports, 1), reports)


def test_closing_the_iterator_ends_the_processes(reports, tmp_path):
    known = tmp_path / "known"
    known.touch()
    outcomes = run_each(tasks.report_or_return, {"a": known, "b": reports, "c": reports}, workers=2)
    next(outcomes)
    children = processes_that_came(reports, 1)
    outcomes.close()
    assert were_cut_short(children, reports)


@pytest.mark.parametrize(
    ("own", "limits", "cores"),
    [
        ("/", {}, None),
        ("/", {".": "max 100000"}, None),
        ("/", {".": "100000 100000"}, 1),
        ("/", {".": "50000 100000"}, 1),
        ("/", {".": "10000000 100000"}, None),
        ("/a/b", {"a": "100000 100000", "a/b": "max 100000"}, 1),
        ("/seen/from/outside", {".": "100000 100000"}, 1),
    ],
    ids=[
        "no limit",
        "unlimited",
        "one core",
        "half a core",
        "more than there are",
        "of a parent",
        "unknown path",
    ],
)
def test_the_quota_of_a_container_counts_when_it_is_lower_than_the_cores(
    own, limits, cores, tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1, 2, 3})
    membership = tmp_path / "membership"
    membership.write_text(f"1:cpu:/elsewhere\n0::{own}\n")
    for group, limit in limits.items():
        folder = tmp_path / "cgroup" / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cpu.max").write_text(limit + "\n")
    assert available_cores(tmp_path / "cgroup", membership) == (cores or 4)


def test_this_machine_has_at_least_one_core_for_us():
    assert 1 <= available_cores() <= len(os.sched_getaffinity(0))

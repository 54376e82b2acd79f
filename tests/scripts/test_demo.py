"""The demo as a whole: where it is, what it ends in, how it is interrupted. The pipelines are stand-ins."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from rich.table import Table

from scripts import demo
from scripts.demos.steps import DemoFailed, Guide, Result
from scripts.single_copy import only_copy

SAYS = [sys.executable, "-c", "print('said')"]
FAILS = [sys.executable, "-c", "print('why'); raise SystemExit(3)"]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class StandIn(ModuleType):
    """A demo that takes no time."""

    def __init__(self, name: str, ends: BaseException | None = None) -> None:
        super().__init__(name)
        self.TITLE = f"what {name} is"
        self._ends = ends

    def demonstrate(self, guide: Guide) -> Result:
        with guide.step(f"all of {self.__name__}"):
            pass
        if self._ends is not None:
            raise self._ends
        table = Table(f"{self.__name__} result")
        table.add_row("42")
        return Result(table, [f"Files of {self.__name__}: [here]"])


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The demo answers to signals; the tests after it are to end as before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> dict[str, StandIn]:
    made = {name: StandIn(name) for name in ("market", "aim")}
    monkeypatch.setattr(demo, "DEMOS", made)
    monkeypatch.setattr(demo, "served_at", lambda *_: None)
    return made


def test_a_step_says_which_pipeline_of_how_many_it_is_of_and_how_long_all_took(capsys):
    clock = Clock()
    guide = Guide(["market", "aim"], clock)
    guide.begin("market", "bars")
    with guide.step("first"):
        clock.now = 61.4
    guide.begin("aim", "tyres")
    with guide.step("second", "python -m something"):
        clock.now = 62.9
    with guide.step("third"):
        pass
    shown = capsys.readouterr().out

    lines = [line.strip() for line in shown.splitlines() if line.strip() and "─" not in line]
    assert lines == [
        "1/2 market, step 1: first  0 s so far",
        "done in 61.4 s",
        "2/2 aim, step 1: second  61 s so far",
        "python -m something",
        "done in 1.5 s",
        "2/2 aim, step 2: third  63 s so far",
        "done in 0.0 s",
    ]
    assert guide.elapsed == 62.9


def test_a_command_is_shown_so_that_it_can_be_repeated_and_its_output_where_that_is_the_point(capsys):
    guide = Guide(["aim"])
    guide.begin("aim", "tyres")

    guide.run("quiet", SAYS)
    assert "\n  python -c 'print('\"'\"'said'\"'\"')'\n" in (quiet := capsys.readouterr().out)
    assert "\nsaid\n" not in quiet

    guide.run("loud", SAYS, shows=True)
    assert "\nsaid\n" in capsys.readouterr().out


def test_a_command_that_fails_ends_the_demo_with_its_output(capsys):
    guide = Guide(["aim"])
    guide.begin("aim", "tyres")
    with pytest.raises(DemoFailed, match="aim, breaking: exit code 3; the output is above"):
        guide.run("breaking", FAILS)
    assert "\nwhy\n" in capsys.readouterr().out


def test_a_demo_ends_in_one_table_per_pipeline_and_the_address_to_open(stand_ins, capsys):
    assert demo.main([]) == 0
    shown = capsys.readouterr().out

    ends = shown[shown.index("what came out") :]
    order = ["market result", "Files of market: [here]", "aim result", "Files of aim: [here]"]
    assert [text for text in order if text in ends] == order
    assert sorted(map(ends.index, order)) == [*map(ends.index, order)]
    assert ends.strip().endswith("make dev, then open http://127.0.0.1:3000")


def test_a_web_ui_that_shows_the_results_already_is_the_address(stand_ins, capsys, monkeypatch):
    monkeypatch.setattr(demo, "served_at", lambda *_: "http://127.0.0.1:4321")
    assert demo.main([]) == 0
    assert capsys.readouterr().out.strip().endswith("The web UI on these results: open http://127.0.0.1:4321")


def test_one_pipeline_can_be_asked_for(stand_ins, capsys):
    assert demo.main(["aim"]) == 0
    shown = capsys.readouterr().out
    assert "1/1 aim: what aim is" in shown
    assert "market" not in shown


def test_an_unknown_demo_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as ended:
        demo.main(["beam"])
    assert ended.value.code == 2
    assert "choose from market, aim, dwh, discovery, beams" in capsys.readouterr().err


def test_a_second_demo_in_the_same_home_is_refused_in_one_sentence(stand_ins, isolated_environment, capsys):
    with only_copy(isolated_environment / "work" / "demo.pid", "A demo"):
        assert demo.main([]) == 1
    assert capsys.readouterr().out.startswith(f"A demo runs already, as process {os.getpid()};")
    assert demo.main([]) == 0


@pytest.mark.parametrize(
    ("ends", "code", "says"),
    [
        (DemoFailed("aim, all stages: exit code 1"), 1, "aim, all stages: exit code 1"),
        (KeyboardInterrupt(), 130, "Interrupted. Run it again at any time"),
    ],
)
def test_a_demo_that_is_cut_short_says_so_and_shows_no_results(stand_ins, capsys, ends, code, says):
    stand_ins["aim"]._ends = ends
    assert demo.main([]) == code
    shown = capsys.readouterr().out
    assert says in shown
    assert "what came out" not in shown


RUNS_A_COMMAND = """
import signal, sys
from scripts.demos.steps import Guide
signal.signal(signal.SIGTERM, signal.default_int_handler)
guide = Guide(["aim"])
guide.begin("aim", "tyres")
guide.run("long", [sys.executable, "-c", sys.argv[1], sys.argv[2]])
"""
HAS_A_CHILD = """
import pathlib, subprocess, sys, time
child = subprocess.Popen(["sleep", "300"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(300)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process_of_its_commands(tmp_path: Path, number: int):
    pid_file = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", RUNS_A_COMMAND, HAS_A_CHILD, pid_file]) as running:
        child = _awaited_pid(pid_file, running)
        running.send_signal(number)
        assert running.wait(60) != 0
    deadline = time.monotonic() + 30
    while _is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(child)


def _awaited_pid(file: Path, running: "subprocess.Popen[bytes]") -> int:
    deadline = time.monotonic() + 60
    while running.poll() is None and time.monotonic() < deadline:
        if file.exists() and (text := file.read_text()):
            return int(text)
        time.sleep(0.05)
    raise AssertionError("the command has not begun")


def _is_alive(pid: int) -> bool:
    """Whether it runs; one that has ended and waits for whoever adopted it does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

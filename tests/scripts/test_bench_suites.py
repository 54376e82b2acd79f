"""What all benchmarks have in common: parts in processes of their own, of which one fails alone."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from scripts.benchmarks import suites
from scripts.benchmarks.beams import BeamsSuite
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part
from scripts.benchmarks.outcomes import read_json
from scripts.benchmarks.processes import environment, output_of
from scripts.benchmarks.suites import Suite


class ShopSuite(Suite):
    """Two parts, one of which can fail."""

    program = "bench-shop"
    module = "shop"
    about = "A shop."
    pipeline = "shop"
    parts = ("drawer", "till")
    parts_are_processes = False
    full: ClassVar = {"coins": 100}
    quick: ClassVar = {"coins": 1}

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--coins", type=int)
        parser.add_argument("--stuck", action="store_true")

    def measure(self, part: str, root: Path, options: argparse.Namespace) -> Part:
        assert not [*root.iterdir()]
        (root / "coin").touch()
        if options.stuck and part == "drawer":
            raise BenchmarkFailed("the drawer is stuck")
        return Part(f"the {part}", [Line(part, 1.0, rows=options.coins, of="coins")], details={"part": part})


def test_a_part_that_fails_keeps_no_other_from_being_measured(tmp_path, capsys):
    file = tmp_path / "outcomes.json"
    assert ShopSuite().main(["--stuck", "--json", str(file)]) == 1
    shown = capsys.readouterr()
    assert "bench-shop: drawer: the drawer is stuck" in shown.err
    assert "the till" in shown.out
    drawer, till = read_json(file)
    assert (drawer.measured, drawer.failure) == (None, "the drawer is stuck")
    assert till.measured is not None
    assert till.measured.lines == [Line("till", 1.0, rows=100, of="coins")]


@pytest.mark.parametrize(
    ("arguments", "coins", "is_full_size"),
    [
        ([], 100, True),
        (["--coins", "7"], 7, False),
        (["--quick"], 1, False),
        (["--quick", "--coins", "100"], 100, True),
    ],
)
def test_an_option_that_is_given_wins_over_the_quick_size(arguments, coins, is_full_size, tmp_path):
    file = tmp_path / "outcomes.json"
    assert ShopSuite().main([*arguments, "--only", "till", "--json", str(file)]) == 0
    (outcome,) = read_json(file)
    assert outcome.measured is not None
    assert [line.rows for line in outcome.measured.lines] == [coins]
    assert outcome.is_full_size is is_full_size


def test_a_flag_that_is_cut_short_is_wrong_usage_and_not_the_full_size(capsys):
    with pytest.raises(SystemExit) as ended:
        ShopSuite().main(["--quic"])
    assert ended.value.code == 2
    assert "--quic" in capsys.readouterr().err


def test_details_are_all_of_standard_output_where_a_program_prints_them(monkeypatch, capsys):
    monkeypatch.setattr(ShopSuite, "prints_details", True)
    assert ShopSuite().main(["--only", "till"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"part": "till"}
    assert "the till" in shown.err


def test_a_part_is_measured_in_another_process_with_the_options_as_they_were_given(monkeypatch):
    asked: list[list[str]] = []

    def answered(command, name):
        asked.append([*command])
        return Part(name, []).to_json()

    monkeypatch.setattr(suites, "output_of", answered)
    monkeypatch.setattr(ShopSuite, "parts_are_processes", True)
    assert ShopSuite().main(["--coins", "7"]) == 0
    assert [command[:7] for command in asked] == [
        [sys.executable, "-m", "shop", "--coins", "7", "--measure", part] for part in ShopSuite.parts
    ]


def test_a_process_that_fails_is_named_with_what_it_said_last(capsys):
    with pytest.raises(BenchmarkFailed, match=r"^till ended with exit code 1: no change$"):
        output_of([sys.executable, "-c", "import sys; print('a coin'); sys.exit('no change')"], "till")
    assert "no change" in capsys.readouterr().err


def test_processes_get_no_setting_of_this_one(monkeypatch):
    for name in ("QUINTET_DEPLOYMENT", "BEAMS_PRIMARIES", "DAGSTER_HOME", "PYTHONDONTWRITEBYTECODE"):
        monkeypatch.setenv(name, "1")
    found = environment(QUINTET_HOME="here")
    assert {name for name in found if name.startswith(("QUINTET_", "BEAMS_"))} == {"QUINTET_HOME"}
    assert not {"DAGSTER_HOME", "PYTHONDONTWRITEBYTECODE"} & found.keys()
    assert found["PATH"] == os.environ["PATH"]


def test_a_part_of_one_size_is_judged_whatever_the_share():
    options = argparse.Namespace(share=0.5)
    assert BeamsSuite().is_full_size(options, "gamma")
    assert not BeamsSuite().is_full_size(options, "tick")

"""What a benchmark measured becomes rows: each declared one has its row, judged at full size only."""

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.benchmarks import outcomes
from scripts.benchmarks.lines import Line, Part
from scripts.benchmarks.outcomes import Outcome, markdown, read_json, rows_of, table_of, write_json
from scripts.benchmarks.targets import TARGETS, Target

SLOW = Line("slow", 2.0, 1.0, 1_000)
ROW = Target("shop", "till", "slow", "a slow till")
PART = Part("a till", [SLOW], ["note"], {"key": 1}, peak_bytes=300_000_000)
OUTCOME = Outcome("shop", "till", PART, "", (0.5, 1.5), is_full_size=True)


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch):
    """Have the table show these rows."""

    def declare(*targets: Target) -> None:
        monkeypatch.setattr(outcomes, "TARGETS", targets)

    return declare


@pytest.mark.parametrize(
    ("line", "target", "value", "wanted", "verdict"),
    [
        (SLOW, replace(ROW, most=2.0), "2 s", "<= 2 s", "met"),
        (SLOW, replace(ROW, most=1.9), "2 s", "<= 1.9 s", "missed"),
        (SLOW, replace(ROW, unit="rows/s", least=500), "500 rows/s", ">= 500 rows/s", "met"),
        (SLOW, replace(ROW, unit="rows/s", least=501), "500 rows/s", ">= 501 rows/s", "missed"),
        (SLOW, replace(ROW, most=2.0, times=20), "2 s", "<= 2 s, >= 20x", "no baseline"),
        (SLOW, replace(ROW, most=1.9, times=20), "2 s", "<= 1.9 s, >= 20x", "missed"),
        (replace(SLOW, baseline=40.0), replace(ROW, most=2.0, times=20), "2 s", "<= 2 s, >= 20x", "met"),
        (replace(SLOW, baseline=39.0), replace(ROW, most=2.0, times=20), "2 s", "<= 2 s, >= 20x", "missed"),
        (replace(SLOW, baseline=40.0), replace(ROW, most=1.0, times=20), "2 s", "<= 1 s, >= 20x", "missed"),
        (Line("slow", 299.5, unit="MB"), replace(ROW, unit="MB", most=300), "300 MB", "<= 300 MB", "met"),
        (SLOW, ROW, "2 s", "", ""),
    ],
)
def test_a_target_is_judged_at_full_size_only(declared, line, target, value, wanted, verdict):
    declared(target)
    for is_full_size in (True, False):
        outcome = replace(OUTCOME, measured=replace(PART, lines=[line]), is_full_size=is_full_size)
        (row,) = rows_of(["shop"], [outcome], {})
        assert (row.value, row.target) == (value, wanted)
        assert row.verdict == (verdict if is_full_size or not wanted else "not full size")


@pytest.mark.parametrize(
    ("line", "load", "verdict"),
    [
        (SLOW, 2.1, "met in CPU time"),
        (SLOW, 2.0, "missed"),
        (replace(SLOW, cpu=1.6), 2.1, "missed"),
        (replace(SLOW, cpu=None), 2.1, "missed"),
        (replace(SLOW, unit="ms"), 2.1, "missed"),
        (replace(SLOW, value=1.5, cpu=9.0), 2.1, "met"),
    ],
)
def test_wall_time_on_a_busy_machine_is_not_the_last_word(declared, line, load, verdict):
    declared(replace(ROW, most=1.5))
    outcome = replace(OUTCOME, measured=replace(PART, lines=[line]), load=(load, 9.0), cores=2)
    (row,) = rows_of(["shop"], [outcome], {})
    assert row.verdict == verdict


def test_cpu_time_changes_no_ratio(declared):
    declared(replace(ROW, most=1.5, times=20))
    for ratio, verdict in ((19, "missed"), (20, "met in CPU time")):
        line = replace(SLOW, baseline=ratio * SLOW.value)
        outcome = replace(OUTCOME, measured=replace(PART, lines=[line]), load=(9.0, 9.0), cores=2)
        (row,) = rows_of(["shop"], [outcome], {})
        assert row.verdict == verdict


def test_a_ratio_says_how_many_times_better_for_as_many_rows(declared):
    declared(replace(ROW, unit="rows/s"))
    baseline = Line("row by row", 10.0, rows=500)
    line = SLOW.compared(baseline, "row by row")
    assert line.ratio == pytest.approx(10.0)
    (row,) = rows_of(["shop"], [replace(OUTCOME, measured=replace(PART, lines=[line]))], {})
    assert (row.baseline, row.ratio) == ("row by row: 50 rows/s", "10x")


def test_a_ratio_without_rows_is_one_of_the_values():
    line = Line("memory", 150.0, unit="MB").compared(Line("other", 100.0, unit="MB"), "other")
    assert line.ratio == pytest.approx(2 / 3)


def test_what_failed_was_lost_or_never_came_has_a_row_that_says_so(declared):
    rows = [replace(ROW, part=part, line=line, most=1.0) for part, line in CASES]
    declared(*rows, replace(ROW, pipeline="elsewhere"))
    told = [
        OUTCOME,
        replace(OUTCOME, part="broken", measured=None, failure="the drawer is stuck"),
    ]
    found = rows_of(["shop"], told, {"shop": "till ended with exit code 1"})
    assert [(row.value, row.verdict, row.target) for row in found] == [
        ("2 s", "missed", "<= 1 s"),
        ("was not measured", "failed", "<= 1 s"),
        ("the drawer is stuck", "failed", "<= 1 s"),
        ("till ended with exit code 1", "failed", "<= 1 s"),
    ]


CASES = [("till", "slow"), ("till", "renamed"), ("broken", "slow"), ("absent", "slow")]


def test_the_table_has_a_cell_for_every_head_whatever_a_failure_says(declared):
    declared(ROW, replace(ROW, part="broken"))
    broken = replace(OUTCOME, part="broken", measured=None, failure="a | b\nc")
    text = markdown(rows_of(["shop"], [OUTCOME, broken], {}), {"cores": "2"}, "2026-01-31")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert {line.replace("\\|", "").count("|") for line in lines} == {lines[0].count("|")}
    assert "a \\| b c" in lines[-1]
    assert "on 2026-01-31: cores 2." in text


def test_outcomes_read_back_as_they_were_written(tmp_path: Path):
    written = [OUTCOME, replace(OUTCOME, part="broken", measured=None, failure="why")]
    write_json(tmp_path / "outcomes.json", written)
    assert read_json(tmp_path / "outcomes.json") == written


def test_a_part_shows_lines_without_a_target_too(declared):
    declared(replace(ROW, most=3.0))
    part = replace(PART, lines=[SLOW, Line("detail", 0.5)])
    table = table_of(OUTCOME, part)
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    assert cells[0] == ["slow", "detail"]
    assert cells[5] == ["<= 3 s", ""]
    assert cells[6] == ["met", ""]
    assert str(table.title) == "a till; peak memory 0.30 GB, load average 0.5 before and 1.5 after"
    without = replace(part, peak_bytes=0)
    assert str(table_of(OUTCOME, without).title) == "a till; load average 0.5 before and 1.5 after"


def test_every_row_is_of_a_line_of_its_own():
    places = [(target.pipeline, target.part, target.line) for target in TARGETS]
    assert len(set(places)) == len(places)

"""The benchmark of aim: it runs at any size, judges as it says, and leaves nothing behind."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from assets.aim.stages.order import STAGES
from scripts.benchmarks import aim_answers, aim_stages
from scripts.benchmarks.aim import main
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part, table_of
from scripts.sample_data.aim import write_inputs
from scripts.sample_data.aim_shop import SCALES

TINY = ("--events", "300", "--sales", "500", "--tyres", "200", "--cams", "60", "--latency", "0.01")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made, by this process and by those that it starts."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.mark.long
@pytest.mark.services
def test_every_part_is_measured_against_its_baseline_and_nothing_is_left_behind(capsys, temporary):
    assert main(TINY) == 0
    shown = capsys.readouterr().out
    for line in (
        "Stages 3 and 5 to 9",
        "judge, publishable, staged_lists, files",
        "recommend, index included",
        "8 in flight, 0.01 s latency injected",
    ):
        assert line in shown
    assert shown.count("not full size") == 3
    assert not list(temporary.iterdir())


def test_stages_and_ranker_are_timed_on_the_inputs_of_a_folder(tmp_path):
    scale = replace(SCALES["small"], events=300, cams=60)
    write_inputs(tmp_path, scale)
    stages = aim_stages.measure_stages(tmp_path, scale).lines
    assert [line.name for line in stages if line.name.startswith("Stage ")] == [
        stage.name for stage in STAGES.values()
    ]
    judged, sql = stages[-2:]
    assert 0 < sql.wall < judged.wall < sum(line.wall for line in stages[:-2])
    ranker = aim_answers.measure_ranker(tmp_path, scale).lines
    assert [line.rows for line in ranker if line.unit == "CAMs"] == [60, 50]


def test_a_folder_with_files_of_somebody_else_is_refused_and_not_touched(tmp_path, capsys):
    foreign = tmp_path / "root" / "warehouse.duckdb"
    foreign.parent.mkdir()
    foreign.write_text("precious")
    assert main([*TINY, "--only", "results", "--keep", str(foreign.parent)]) == 1
    assert "did not write" in capsys.readouterr().err
    assert list(foreign.parent.iterdir()) == [foreign]
    assert foreign.read_text() == "precious"


def test_a_result_that_the_baseline_does_not_come_to_ends_the_benchmark(tmp_path, monkeypatch):
    scale = replace(SCALES["small"], cams=20)
    write_inputs(tmp_path, scale, only=["runlist"])
    part = aim_answers.measure_results(tmp_path, scale)
    assert [line.rows for line in part.lines] == [20, 20]
    right = aim_answers.processed
    monkeypatch.setattr(aim_answers, "processed", lambda *given: right(*given)._replace(results_csv=b""))
    with pytest.raises(BenchmarkFailed, match="other rows"):
        aim_answers.measure_results(tmp_path, scale)


SLOW = Line("slow", wall=2.0, cpu=1.0, rows=1_000)


@pytest.mark.parametrize(
    ("line", "target", "verdict"),
    [
        (replace(SLOW, seconds=2.0), "<= 2 s", "yes"),
        (replace(SLOW, seconds=1.9), "<= 1.9 s", "NO"),
        (replace(SLOW, per_second=500), ">= 500/s", "yes"),
        (replace(SLOW, per_second=501), ">= 501/s", "NO"),
        (SLOW, "", ""),
    ],
)
def test_a_target_is_judged_at_full_size_only(line, target, verdict):
    for is_full_size in (True, False):
        cells = row_of(line, is_full_size=is_full_size)
        assert cells[5] == target
        assert cells[6] == (verdict if is_full_size or not target else "not full size")


def test_a_ratio_is_one_of_rows_per_second():
    fast = Line("fast", wall=1.0, cpu=1.0, rows=5_000).compared(SLOW, "slow")
    assert row_of(fast, is_full_size=True)[7] == "10.0x slow"


def test_a_part_reads_back_as_it_was_written():
    part = Part("title", [replace(SLOW, seconds=1.0)], ["note"], peak_bytes=7)
    assert Part.from_json(part.to_json()) == part


def row_of(line: Line, *, is_full_size: bool) -> list[str]:
    """The cells of the table's only row."""
    table = table_of(Part("title", [line]), (0.0, 0.0), is_full_size=is_full_size)
    return [str(cell) for column in table.columns for cell in column.cells]

"""The benchmark of aim: it runs at any size, judges as it says, and leaves nothing behind."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from assets.aim.stages.order import STAGES
from scripts.benchmarks import aim_answers, aim_stages
from scripts.benchmarks.aim import AimSuite
from scripts.benchmarks.lines import BenchmarkFailed
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
    assert AimSuite().main(TINY) == 0
    shown = capsys.readouterr().out
    for line in (
        "Stages 3 and 5 to 9",
        "result processing",
        "the index alone",
        "8 in flight, with latency",
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
    assert 0 < sql.value < judged.value < sum(line.value for line in stages[:-2])
    ranker = aim_answers.measure_ranker(tmp_path, scale).lines
    assert [line.rows for line in ranker if line.of == "CAMs"] == [60, 50]


def test_a_folder_with_files_of_somebody_else_is_refused_and_not_touched(tmp_path, capsys):
    foreign = tmp_path / "root" / "warehouse.duckdb"
    foreign.parent.mkdir()
    foreign.write_text("precious")
    assert AimSuite().main([*TINY, "--only", "results", "--keep", str(foreign.parent)]) == 1
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

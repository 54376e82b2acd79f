"""The benchmark of dwh: it runs at any size, compares rows before times, and leaves nothing behind."""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest

from scripts.benchmarks import dwh_cluster, dwh_filter, dwh_predecessor
from scripts.benchmarks.dwh_inputs import DAY, TRANSFORMED, Inputs, remove_outputs, write_inputs
from scripts.benchmarks.dwh_ours import run_ours
from scripts.benchmarks.dwh_rows import fingerprint
from scripts.benchmarks.lines import BenchmarkFailed
from scripts.benchmarks.processes import environment, run


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary folders are made, by this process and by those that it starts."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture
def java(missing_service):
    if shutil.which("java") is None:
        missing_service("Java is not installed: apt-get install openjdk-17-jre-headless")


def input_rows(home: Path) -> pl.DataFrame:
    """All rows of a benchmark's inputs."""
    folder = home / "storage" / TRANSFORMED.base.bucket / TRANSFORMED.base.key / "nautilus"
    return pl.concat([pl.read_ndjson(file) for file in sorted(folder.rglob("part-*"))])


def one_line(text: str) -> dict:
    """The line of JSON that is all of standard output."""
    (line,) = text.splitlines()
    return json.loads(line)


def test_ours_on_sail_is_measured_and_comes_to_one_row_for_each_key(tmp_path, capsys):
    arguments = ["--rows", "20000", "--engine", "sail", "--no-predecessor", "--home", str(tmp_path / "home")]
    assert dwh_filter.FilterSuite().main(arguments) == 0
    shown = capsys.readouterr()
    line = one_line(shown.out)
    keys = input_rows(tmp_path / "home")["data"].struct.field("mediaid")
    assert line["rows"] == len(keys) == 20_000
    assert line["rows_out"] == keys.drop_nulls().n_unique() + keys.null_count()
    assert line["outputs"] == 3
    assert line["predecessor"] is line["equal_rows"] is None
    sail = line["ours"]["sail"]
    assert 0 < sum(sail["parts"].values()) < sail["seconds"]
    assert sail["peak_mb"] > 100
    assert sail["cpu_seconds"] > 0
    assert "sail" in shown.err


@pytest.mark.services
def test_both_engines_and_the_predecessor_come_to_equal_rows_and_nothing_is_left(capsys, temporary, java):
    assert dwh_filter.FilterSuite().main(["--rows", "3000", "--outputs", "2"]) == 0
    line = one_line(capsys.readouterr().out)
    assert line["equal_rows"] is True
    assert set(line["ours"]) == set(line["ratio"]) == {"sail", "jvm"}
    assert set(line["predecessor"]["parts"]) == {
        "count before",
        "count after",
        "null keys",
        "lineage",
        "run directory",
        "latest",
    }
    # The Java that it started is counted in: it alone takes more than a Python process does.
    assert line["predecessor"]["peak_mb"] > 300
    assert not list(temporary.iterdir())


@pytest.mark.services
def test_the_predecessor_loses_nothing_that_ours_keeps(tmp_path, java):
    inputs = Inputs(rows=900, outputs=3)
    write_inputs(tmp_path / "home", inputs)
    theirs = dwh_predecessor.run_predecessor(tmp_path / "home", inputs)
    ours = run_ours(tmp_path / "home", "sail")
    assert theirs.rows == ours.rows < 900
    assert fingerprint(Path(theirs.folder)) == fingerprint(Path(ours.folder))


@pytest.mark.long
@pytest.mark.services
def test_the_day_runs_on_a_cluster_both_ways_and_comes_to_the_rows_of_one_machine(capsys, temporary, java):
    assert (
        dwh_cluster.ClusterSuite().main(
            ["--rows", "3000", *(f"--way={way}" for way in ("sail", "submit", "connect"))]
        )
        == 0
    )
    line = one_line(capsys.readouterr().out)
    assert line["equal_rows"] is True
    assert {way: timing["executors"] for way, timing in line["ways"].items()} == {
        "sail": None,
        "submit": line["workers"],
        "connect": line["workers"],
    }
    assert all(0 < timing["job_seconds"] < timing["seconds"] for timing in line["ways"].values())
    assert not list(temporary.iterdir())


def test_other_rows_end_the_benchmark(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(dwh_filter, "ENGINES", ("sail", "sail again"))
    sides = {"sail": 1, "sail again": 2}

    def measured(name, home, inputs):
        folder = tmp_path / name
        folder.mkdir()
        pl.DataFrame(filtered([1] * sides[name])).write_parquet(folder / "part.parquet")
        return dwh_filter._Side(
            dwh_filter.Run(1.0, 1, str(folder)), dwh_filter.Ended("", 1, 1.0), fingerprint(folder)
        )

    monkeypatch.setattr(dwh_filter, "_in_own_process", measured)
    assert (
        dwh_filter.FilterSuite().main(["--rows", "30", "--no-predecessor", "--home", str(tmp_path / "home")])
        == 1
    )
    shown = capsys.readouterr()
    assert "different rows" in shown.err
    assert not shown.out


def filtered(numbers: list[int]) -> list[dict]:
    """Rows that differ by a number only."""
    names = ("event_time", "pk", "5min", "year", "month", "day", "hour", "min")
    sources = ("_source_job_timestamp", "_source_run_id")
    return [
        {"eventTime": str(n), "data": {"mediaid": None}, **dict.fromkeys((*names, *sources))} for n in numbers
    ]


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ([[1, 2], [3]], [[3, 1], [2]], True),
        ([[1], [2]], [[1, 2]], True),
        ([[1, 2]], [[1, 3]], False),
        ([[1, 1, 2]], [[1, 2, 2]], False),
        ([[1, 2]], [[1, 2, 2]], False),
    ],
)
def test_outputs_are_equal_by_their_rows_and_not_by_files_or_order(tmp_path, one, other, equal):
    prints = []
    for name, files in (("one", one), ("other", other)):
        # A folder whose name looks like a column must not become one.
        folder = tmp_path / name / "year=1999"
        folder.mkdir(parents=True)
        for number, numbers in enumerate(files):
            pl.DataFrame(filtered(numbers)).write_parquet(folder / f"{number}.parquet")
        prints.append(fingerprint(folder))
    assert (prints[0] == prints[1]) is equal


def test_the_same_numbers_give_the_same_bytes_and_are_made_once(tmp_path):
    for name in ("one", "other"):
        assert write_inputs(tmp_path / name, Inputs(rows=100, outputs=3))
        assert not write_inputs(tmp_path / name, Inputs(rows=100, outputs=3))
    contents = [
        {path.relative_to(home): path.read_bytes() for path in home.rglob("*") if path.is_file()}
        for home in (tmp_path / "one", tmp_path / "other")
    ]
    assert contents[0] == contents[1]
    assert input_rows(tmp_path / "one").height == 100
    assert write_inputs(tmp_path / "one", Inputs(rows=101, outputs=3))
    assert input_rows(tmp_path / "one").height == 101


def test_inputs_have_null_keys_rows_that_come_twice_and_duplicates_across_runs(tmp_path):
    write_inputs(tmp_path / "home", Inputs(rows=9_000, outputs=3))
    rows = input_rows(tmp_path / "home")
    keys = rows["data"].struct.field("mediaid")
    assert 0.005 < keys.null_count() / len(keys) < 0.02
    assert 0.005 < 1 - rows.n_unique() / rows.height < 0.02
    assert 0.4 < keys.n_unique() / len(keys) < 0.6
    different = rows.unique()["data"].struct
    assert pl.DataFrame([different.field("mediaid"), different.field("updated")]).is_unique().all()


@pytest.mark.parametrize(("rows", "outputs"), [(2, 3), (10, 0), (10, -1), (0, 1), (100, 25)])
def test_inputs_without_a_row_in_an_output_are_wrong_usage(rows, outputs, capsys):
    with pytest.raises(SystemExit) as ended:
        dwh_filter.FilterSuite().main(["--rows", str(rows), "--outputs", str(outputs)])
    assert ended.value.code == 2
    assert "give 1 to 24 outputs" in capsys.readouterr().err


def test_a_folder_with_files_of_somebody_else_is_refused_and_not_touched(tmp_path, capsys):
    foreign = tmp_path / "home" / "storage"
    foreign.parent.mkdir()
    foreign.write_text("precious")
    assert dwh_filter.FilterSuite().main(["--rows", "30", "--home", str(foreign.parent)]) == 1
    assert "did not write" in capsys.readouterr().err
    assert foreign.read_text() == "precious"


def test_outputs_are_removed_and_inputs_stay(tmp_path):
    home = tmp_path / "home"
    write_inputs(home, Inputs(rows=30, outputs=3))
    output = home / "storage" / "dwh-data" / "filtered_images" / f"day={DAY}" / "part.parquet"
    output.parent.mkdir(parents=True)
    output.write_text("")
    remove_outputs(home)
    assert not output.exists()
    assert input_rows(home).height == 30


def test_the_memory_of_a_process_is_that_of_all_it_started(tmp_path):
    held = "import time; held = bytearray(200_000_000); time.sleep(1)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {held!r}]); print('done')"
    ended = run([sys.executable, "-c", parent], environment(), tmp_path / "parent.log")
    assert ended.output == "done\n"
    assert 200_000_000 < ended.peak_bytes < 400_000_000
    assert ended.cpu_seconds > 0


def test_a_part_that_fails_ends_the_benchmark_and_shows_what_it_said(tmp_path, capsys):
    command = [sys.executable, "-c", "import sys; print('out'); sys.exit('the reason')"]
    with pytest.raises(BenchmarkFailed, match="part ended with exit code 1: the reason"):
        run(command, environment(), tmp_path / "part.log")
    assert capsys.readouterr().err.splitlines() == ["out", "the reason"]

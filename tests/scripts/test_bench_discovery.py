"""The benchmark of discovery: every part runs at any size, counts what it did, and judges as it says."""

from contextlib import closing
from dataclasses import replace

import pytest

from scripts.benchmarks import discovery_claims, discovery_recovery, discovery_rows
from scripts.benchmarks.discovery import DiscoverySuite
from scripts.benchmarks.discovery_drain import measure_drain
from scripts.benchmarks.discovery_jobs import registry
from scripts.benchmarks.lines import BenchmarkFailed, Part


def test_claims_are_counted_beside_those_of_a_queue(tmp_path, monkeypatch):
    monkeypatch.setattr(discovery_claims, "PROCESSES", (2,))
    ours, huey = discovery_claims.measure_claims(tmp_path, 60).lines
    assert (ours.rows, huey.rows, ours.against) == (60, 60, "huey")
    assert ours.ratio == pytest.approx(huey.value / ours.value)


def test_rows_that_are_left_over_end_the_benchmark(tmp_path, monkeypatch):
    monkeypatch.setattr(discovery_claims, "PROCESSES", (1,))
    monkeypatch.setattr(discovery_claims, "_fill", lambda _: None)
    with pytest.raises(BenchmarkFailed):
        discovery_claims.measure_claims(tmp_path, 10)


@pytest.mark.parametrize(
    ("measure", "names"),
    [
        (discovery_rows.measure_upserts, ["upsert, all new", "upsert, all unchanged"]),
        (discovery_rows.measure_source, ["discover a table file", "peak memory"]),
        (discovery_rows.measure_reads, ["discover", "claim and finish, one process", "status", "doctor"]),
        (measure_drain, ["drain, no mirroring", "drain in Dagster"]),
    ],
)
def test_every_part_measures_what_it_names(measure, names, tmp_path):
    part = measure(tmp_path, 50)
    assert [line.name for line in part.lines] == names
    assert {line.rows for line in part.lines} == {50}
    assert Part.from_json(part.to_json()) == replace(part, lines=[*part.lines], notes=[*part.notes])


def test_the_rows_of_a_killed_worker_are_counted_until_they_are_done(tmp_path):
    line = discovery_recovery._recovered("killed here", tmp_path / "here", 3, owner=None)
    assert (line.name, line.rows) == ("killed here", 3)
    with closing(registry(tmp_path / "here").ledgers.open_raw_db("discovery")) as reader:
        attempts = reader.execute("SELECT outcome, count(*) FROM attempts GROUP BY outcome").fetchall()
    assert {tuple(row) for row in attempts} == {("lost", 3), ("done", 3)}


def test_rows_that_are_never_done_end_the_benchmark(tmp_path, monkeypatch):
    async def nothing(*_) -> None: ...

    monkeypatch.setattr(discovery_recovery, "drain_job", nothing)
    monkeypatch.setattr(discovery_recovery, "_claim_and_kill", lambda *_: None)
    monkeypatch.setattr(discovery_recovery, "_PATIENCE_S", 0)
    with pytest.raises(BenchmarkFailed, match="0 of 3 rows are done"):
        discovery_recovery._recovered("killed here", tmp_path / "here", 3, owner=None)


def test_a_part_of_less_than_full_size_meets_and_misses_no_target(capsys):
    assert DiscoverySuite().main(["--only", "upserts", "--share", "0.01"]) == 0
    shown = capsys.readouterr().out
    assert "upserts: 100 candidates" in shown
    assert shown.count("not full size") == 2


@pytest.mark.parametrize("arguments", [["--share", "0"], ["--share", "2"], ["--only", "nothing"]])
def test_a_wrong_argument_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as raised:
        DiscoverySuite().main(arguments)
    assert raised.value.code == 2
    assert "usage" in capsys.readouterr().err

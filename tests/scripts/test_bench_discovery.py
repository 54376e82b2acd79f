"""The benchmark of discovery: every part runs at any size, counts what it did, and judges as it says."""

import pytest

from scripts.benchmarks import discovery_claims, discovery_rows
from scripts.benchmarks.discovery import main
from scripts.benchmarks.discovery_drain import measure_drain
from scripts.benchmarks.lines import BenchmarkFailed, Part


def test_claims_are_counted_beside_those_of_a_queue(tmp_path, monkeypatch):
    monkeypatch.setattr(discovery_claims, "PROCESSES", (2,))
    ours, huey = discovery_claims.measure_claims(tmp_path, 60).lines
    assert (ours.rows, huey.rows, ours.against) == (60, 60, "huey")
    assert ours.ratio == pytest.approx(ours.rate / huey.rate)


def test_rows_that_are_left_over_end_the_benchmark(tmp_path, monkeypatch):
    monkeypatch.setattr(discovery_claims, "PROCESSES", (1,))
    monkeypatch.setattr(discovery_claims, "_fill", lambda _: None)
    with pytest.raises(BenchmarkFailed):
        discovery_claims.measure_claims(tmp_path, 10)


@pytest.mark.parametrize(
    ("measure", "names"),
    [
        (discovery_rows.measure_upserts, ["upsert, all new", "upsert, all unchanged"]),
        (discovery_rows.measure_source, ["discover a table file"]),
        (discovery_rows.measure_reads, ["discover", "claim and finish, one process", "status", "doctor"]),
        (measure_drain, ["drain, no mirroring", "drain in Dagster, all recorded, 1 runs"]),
    ],
)
def test_every_part_measures_what_it_names(measure, names, tmp_path):
    part = measure(tmp_path, 50)
    assert [line.name for line in part.lines] == names
    assert {line.rows for line in part.lines} == {50}
    assert Part.from_json(part.to_json()) == Part(
        part.title, list(part.lines), list(part.notes), part.peak_bytes
    )


def test_a_part_of_less_than_full_size_meets_and_misses_no_target(capsys):
    assert main(["--only", "upserts", "--share", "0.01"]) == 0
    shown = capsys.readouterr().out
    assert "upserts: 100 candidates" in shown
    assert shown.count("not full size") == 2


@pytest.mark.parametrize("arguments", [["--share", "0"], ["--share", "2"], ["--only", "nothing"]])
def test_a_wrong_argument_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert "usage" in capsys.readouterr().err

"""The predecessor's command line: flags, exit codes, what is printed, and what is left behind."""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest

from assets.market import month as month_module
from assets.market.checks import ASSET_KEYS
from assets.market.claims import Claim, JudgedMonth
from assets.market.months import BUCKET, raw_key, session_bars_key, statistics_key, training_table_key
from resources.object_store import LocalObjectStore
from scripts.process_monthly_batches import main
from tests.market_samples import Market, cut, opened_market, tiny_file

ROOT = Path(__file__).parents[2]
FIRST, MIDDLE, LAST = "2025-08", "2025-09", "2025-10"
RANGE = ["--start-year", "2025", "--start-month", "8", "--end-year", "2025", "--end-month", "10"]


@pytest.fixture
def market() -> Iterator[Market]:
    with opened_market() as market:
        yield market


def exit_code(arguments: Sequence[str]) -> int | str | None:
    """What the shell would see; argparse ends the process by itself."""
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code


def states(output: str) -> dict[str, str]:
    """The table of a dry run: the state of each month."""
    return {line[:7]: line[9:24].strip() for line in output.splitlines()}


def files_of(market: Market) -> dict[str, int]:
    """Every file of the bucket with its time of change."""
    bucket = Path(market.store.uri(BUCKET, "any")).parent
    return {str(path): path.stat().st_mtime_ns for path in bucket.rglob("*")}


def recorded() -> list[str]:
    with dg.DagsterInstance.get() as instance:
        return sorted(instance.get_materialized_partitions(ASSET_KEYS["training_table"]))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--years", "2025"], "unrecognized arguments: --years"),
        (["--skip", "--dry-run"], "unrecognized arguments: --skip"),
        (["2025-10"], "unrecognized arguments: 2025-10"),
        (["--start-year", "MMX"], "argument --start-year: invalid int value"),
        (["--month"], "argument --month: expected one argument"),
        (["--rules", "loose"], "invalid choice: 'loose' (choose from"),
        (["--force", "--skip-existing"], "not allowed with argument"),
        (["--month", "2025-13"], "'2025-13' is not a month; write it as YYYY-MM"),
        (["--month", "October"], "'October' is not a month"),
        (["--month", "2025-10", "--month", "2025-1"], "'2025-1' is not a month"),
        (["--start-month", "13"], "'2010-13' is not a month"),
        (["--end-month", "0"], "'2025-00' is not a month"),
        (["--start-year", "2025", "--end-year", "2024"], "the range is empty: it starts with 2025-07"),
        (["--month", "2010-06"], "2010-06: outside the partitions 2010-07 .. "),
        (["--start-year", "2009", "--start-month", "12"], "2009-12, 2010-01, 2010-02"),
        (["--end-year", "2199"], "outside the partitions"),
        (["--bucket", "another-bucket"], "--bucket another-bucket: the assets live in es-1-second-data"),
        (["--workers", "0"], "--workers 0: at least one process"),
        (["--workers", "two"], "argument --workers: invalid int value"),
        (["--input", "a.dbn.zst"], "--input and --output belong together"),
        (["--output", "a.parquet"], "--input and --output belong together"),
        (["--input", "a", "--output", "b"], "--input a: there is no such file"),
        (["--input", "a", "--output", "b", "--month", LAST], "with --rules only, not with --month"),
        (["--input=a", "--output=b", "--workers=2", "--force"], "not with --force, --workers"),
        (["--input", "a", "--output", "b", "--bucket", BUCKET], "not with --bucket"),
        (["--input", "a", "--output", "b", "--dry-run"], "not with --dry-run"),
        (["--input", __file__, "--output", "."], "--output .: it is a folder"),
        (["--input", __file__, "--output", __file__], "the table would replace the vendor file"),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(capsys, tmp_path, arguments, said):
    assert exit_code(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert said in output.err
    assert "Traceback" not in output.err
    assert not list(tmp_path.rglob("*.db"))


def test_the_default_range_is_184_months(capsys):
    assert main(["--dry-run"]) == 0
    months = list(states(capsys.readouterr().out))
    assert len(months) == 184
    assert (months[0], months[19], months[-1]) == ("2010-07", "2012-02", "2025-10")
    assert raw_key(months[19]).endswith("glbx-mdp3-20120201-20120229.ohlcv-1s.dbn.zst")


def test_the_predecessors_flags_are_accepted_together(capsys):
    assert main([*RANGE, "--bucket", "es-1-second-data", "--dry-run", "--skip-existing"]) == 0
    assert list(states(capsys.readouterr().out)) == [FIRST, MIDDLE, LAST]


def test_months_replace_the_range_and_are_taken_once_and_in_order(capsys):
    arguments = ["--month", LAST, "--month", FIRST, "--month", LAST, "--start-year", "2011", "--dry-run"]
    assert main(arguments) == 0
    assert list(states(capsys.readouterr().out)) == [FIRST, LAST]


@pytest.mark.materialise
def test_a_dry_run_tells_the_state_of_each_month_and_changes_nothing(market, capsys, monkeypatch):
    market.put_tiny("2025-03", "2025-04", "2025-05", "2025-06", FIRST)
    with monkeypatch.context() as patch:
        patch.setattr(month_module, "CODE_VERSION", "0")
        assert market.run("2025-03").success
    for month in ("2025-04", "2025-05"):
        assert market.run(month).success
    assert market.run("2025-06", decay_reference_month="2025-09").success
    market.put_tiny("2025-05", seed=1)
    before = files_of(market)
    arguments = [*RANGE, "--start-month", "3", "--end-month", "8", "--dry-run"]
    assert main(arguments) == 0
    output = capsys.readouterr().out
    assert states(output) == {
        "2025-03": "changed code",
        "2025-04": "done",
        "2025-05": "changed input",
        "2025-06": "changed config",
        "2025-07": "missing input",
        "2025-08": "not processed",
    }
    assert output.splitlines()[4] == "2025-07  missing input    there is no vendor file"
    assert files_of(market) == before


@pytest.mark.materialise
@pytest.mark.parametrize(
    ("removed", "replaced", "state"),
    [
        ([training_table_key], False, "not processed"),
        ([session_bars_key, training_table_key], False, "not processed"),
        ([statistics_key], False, "not processed"),
        ([session_bars_key], False, "not processed"),
        ([], True, "changed input"),
        ([], False, "done"),
    ],
    ids=["statistics alone", "statistics alone, no bars", "no statistics", "no bars", "another input", "all"],
)
def test_a_month_is_done_by_its_fingerprint_and_not_by_the_names_of_its_files(
    made_once, capsys, removed, replaced, state
):
    for key in removed:
        made_once.store.delete(BUCKET, key(LAST))
    if replaced:
        made_once.put_tiny(LAST, seed=1)
    assert main(["--month", LAST, "--dry-run"]) == 0
    assert states(capsys.readouterr().out) == {LAST: state}


@pytest.fixture
def made_once(market: Market) -> Market:
    market.put_tiny(LAST)
    assert market.run(LAST).success
    return market


@pytest.mark.materialise
def test_a_dry_run_judges_by_the_rules_it_was_given(made_once, capsys):
    assert main(["--month", LAST, "--dry-run", "--rules", "compat"]) == 0
    assert states(capsys.readouterr().out) == {LAST: "changed config"}


@pytest.mark.materialise
def test_a_range_is_made_and_each_month_is_reported_with_rate_and_time_left(market, capsys):
    market.put_tiny(FIRST, MIDDLE, LAST)
    assert main([*RANGE, "--workers", "1"]) == 0
    output = capsys.readouterr()
    assert output.out.splitlines() == ["3 months in 1 run, one per unbroken stretch"]
    lines = output.err.splitlines()
    assert len(lines) == 3
    for number, month in enumerate((FIRST, MIDDLE), start=1):
        shape = rf"{number}/3 {month}: 1,500 rows in [\d.]+ s; [\d.]+ a (second|minute|hour), \d+ .*left"
        assert re.fullmatch(shape, lines[number - 1])
    assert re.fullmatch(rf"3/3 {LAST}: 1,500 rows in [\d.]+ s; all done in \d+ .*", lines[2])
    assert recorded() == [FIRST, MIDDLE, LAST]


@pytest.mark.materialise
def test_on_a_terminal_a_bar_counts_the_months_of_all_runs(market, capsys, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    market.put_tiny(FIRST)
    assert main(["--month", FIRST, "--month", LAST, "--workers", "1"]) == 1
    terminal = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert f"1/1 {FIRST}: 1,500 rows" in terminal
    assert re.search(r"months .* 2/2 \d:\d\d:\d\d", terminal)


@pytest.mark.materialise
def test_done_months_are_skipped_and_said_to_be(made_once, capsys):
    before = made_once.objects(LAST)
    made_once.put_tiny(MIDDLE)
    arguments = ["--month", MIDDLE, "--month", LAST, "--skip-existing"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{LAST}: done, skipped",
        "1 month in 1 run, one per unbroken stretch",
    ]
    assert made_once.objects(LAST) == before
    assert recorded() == [MIDDLE]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{MIDDLE}: done, skipped",
        f"{LAST}: done, skipped",
        "Nothing to do: every month is done.",
    ]


@pytest.mark.materialise
@pytest.mark.parametrize("arguments", [[], ["--force"]])
def test_without_skip_existing_a_done_month_is_made_again(made_once, capsys, arguments):
    path = Path(made_once.store.uri(BUCKET, training_table_key(LAST)))
    before = path.stat().st_ino
    assert main(["--month", LAST, *arguments]) == 0
    assert path.stat().st_ino != before
    assert "1/1 2025-10: 1,500 rows" in capsys.readouterr().err


@pytest.mark.materialise
def test_a_failing_month_stops_no_other_and_is_listed_at_the_end_with_its_sentence(market, capsys):
    market.put_tiny("2025-06", FIRST, LAST)
    market.put(MIDDLE, cut(tiny_file(MIDDLE)))
    months = ["2025-05", "2025-06", FIRST, MIDDLE, LAST]
    arguments = [part for month in months for part in ("--month", month)]
    assert main([*arguments, "--workers", "1"]) == 1
    output = capsys.readouterr()
    assert output.out.splitlines() == ["5 months in 2 runs, one per unbroken stretch"]
    *progress, _, missing, _, damaged = output.err.splitlines()
    assert [line[:11] for line in progress] == [
        "1/2 2025-05",
        "2/2 2025-06",
        f"1/3 {FIRST}",
        f"2/3 {MIDDLE}",
        f"3/3 {LAST}",
    ]
    assert missing.startswith("2025-05: ")
    assert raw_key("2025-05") in missing
    assert damaged.startswith(f"{MIDDLE}: {raw_key(MIDDLE)}: the zstd frame")
    assert recorded() == ["2025-06", FIRST, LAST]


@pytest.mark.materialise
def test_the_only_month_of_a_run_is_named_when_it_fails(market, capsys):
    market.put(LAST, b"")
    assert main(["--month", LAST]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"{LAST}: {raw_key(LAST)}: the file is empty")


@pytest.mark.materialise
def test_a_run_that_fails_before_it_works_is_no_success(market, capsys, monkeypatch):
    market.put_tiny(LAST)

    def refuse(*_arguments: object) -> None:
        raise RuntimeError("no account")

    monkeypatch.setattr(LocalObjectStore, "setup_for_execution", refuse)
    assert main(["--month", LAST]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(LAST)
    assert market.objects(LAST) == {}


@pytest.mark.materialise
def test_a_defect_is_listed_by_its_own_message(market, capsys, monkeypatch):
    market.put_tiny(LAST)

    def broken_features(_bars: object) -> None:
        raise ZeroDivisionError("division of nothing")

    monkeypatch.setattr(month_module, "compute_features", broken_features)
    assert main(["--month", LAST]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"{LAST}: ZeroDivisionError: division of nothing"


@pytest.mark.materialise
def test_the_rules_reach_the_table(market):
    market.put_tiny(LAST)
    assert main(["--month", LAST, "--rules", "compat"]) == 0
    assert b'"rules": "compat"' in market.store.read_bytes(BUCKET, statistics_key(LAST))


@pytest.mark.parametrize(
    "name", [Path(raw_key(LAST)).name, "download.dbn.zst"], ids=["the vendor's name", "another name"]
)
@pytest.mark.parametrize("rules", ["strict", "compat"])
def test_one_file_gives_the_same_bytes_as_the_asset_without_store_and_events(
    market, capsys, tmp_path, name, rules
):
    source, target = tmp_path / name, tmp_path / "tables" / "october.parquet"
    source.write_bytes(tiny_file(LAST))
    assert main(["--input", str(source), "--output", str(target), "--rules", rules]) == 0
    assert capsys.readouterr().out == f"{LAST}: {target.stat().st_size:,} bytes in {target}\n"
    assert not (tmp_path / "quintet_home").exists()
    assert not list((tmp_path / "dagster_home").iterdir())
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    market.put_tiny(LAST)
    assert market.run(LAST, rules=rules).success
    assert target.read_bytes() == market.store.read_bytes(BUCKET, training_table_key(LAST))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (cut(tiny_file(LAST)), "does not end"),
        (b"PK\x03\x04 no vendor file", "neither DBN nor zstd"),
        (tiny_file(LAST, symbol="ESZ5-ESH6"), "are spreads"),
    ],
    ids=["empty", "cut", "foreign", "spreads only"],
)
def test_a_refused_file_ends_with_1_and_one_sentence_and_leaves_the_old_table(capsys, tmp_path, data, said):
    source, target = tmp_path / "download.dbn.zst", tmp_path / "october.parquet"
    source.write_bytes(data)
    target.write_bytes(b"the old table")
    assert main(["--input", str(source), "--output", str(target)]) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert said in sentence
    assert target.read_bytes() == b"the old table"


def test_a_file_that_the_checks_refuse_ends_with_1_names_file_and_claim_and_writes_nothing(
    capsys, tmp_path, monkeypatch
):
    def no_month_will_do(_month: JudgedMonth) -> list[dict[str, str]]:
        """Nothing is good enough."""
        return [{"found": "a month"}]

    monkeypatch.setattr(month_module, "CLAIMS", (Claim("training_table", True, no_month_will_do),))
    source, target = tmp_path / "download.dbn.zst", tmp_path / "october.parquet"
    source.write_bytes(tiny_file(LAST))
    assert main(["--input", str(source), "--output", str(target)]) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith(
        f"{source}: The checks refuse {LAST}, and nothing was replaced: no_month_will_do (1"
    )
    assert not target.exists()


def test_a_file_from_before_the_first_month_ends_with_1_and_one_sentence(capsys, tmp_path):
    source = tmp_path / "glbx-mdp3-20100601-20100630.ohlcv-1s.dbn.zst"
    source.write_bytes(tiny_file(LAST))
    assert main(["--input", str(source), "--output", str(tmp_path / "june.parquet")]) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.endswith("its bars lie in 2010-06, and months begin with 2010-07; choose a later file")


def test_a_table_that_cannot_be_written_ends_with_1_and_leaves_no_half_file(capsys, tmp_path, monkeypatch):
    source, target = tmp_path / "download.dbn.zst", tmp_path / "tables" / "october.parquet"
    source.write_bytes(tiny_file(LAST))

    def no_space(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", no_space)
    assert main(["--input", str(source), "--output", str(target)]) == 1
    assert capsys.readouterr().err == "[Errno 28] No space left on device\n"
    assert list(target.parent.iterdir()) == []


@pytest.mark.materialise
def test_the_script_ends_its_process_with_the_exit_codes(market):
    market.put_tiny(MIDDLE)
    script = [sys.executable, "scripts/process_monthly_batches.py"]
    made, refused = (
        subprocess.run(
            [*script, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
        )
        for arguments in (
            ["--month", MIDDLE, "--month", LAST, "--workers", "2"],
            ["--start-year", "2025", "--end-year", "2024"],
        )
    )
    assert made.returncode == 1
    assert made.stdout == "2 months in 1 run, one per unbroken stretch\n"
    lines = made.stderr.splitlines()
    assert sorted(re.sub(r"^\d/2 ", "", line)[:7] for line in lines[:2]) == [MIDDLE, LAST]
    assert lines[2] == "1 of 2 months failed, the others are finished and recorded:"
    assert raw_key(LAST) in lines[3]
    assert refused.returncode == 2
    assert recorded() == [MIDDLE]

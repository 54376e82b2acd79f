"""What `python -m scripts.run_checks` says of real runs of an instance, and with which exit code."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import dagster as dg
import pytest

from scripts import run_checks
from scripts.dagster_home import ROOT
from scripts.run_checks import main
from tests.postgres_server import postgres_server

MONTHS = dg.StaticPartitionsDefinition(["2025-09", "2025-10"])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an instance on SQLite: made once, for that takes longer than its runs."""
    home = tmp_path_factory.mktemp("instance")
    (home / "dagster.yaml").write_bytes((ROOT / "deploy" / "dagster.yaml").read_bytes())
    return home


@pytest.fixture
def instance(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME. The tests share it: the newest run is the test's own."""
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


def table(
    *results: tuple[bool, str] | None, blocking: bool = False, fails: bool = False
) -> dg.AssetsDefinition:
    """An asset with a check for each result (passed, severity); `None` is never evaluated."""
    names = [f"claim_{number}" for number in range(len(results))]

    @dg.multi_asset(
        name="table",
        specs=[dg.AssetSpec(["shop", "table"], partitions_def=MONTHS, skippable=True)],
        check_specs=[dg.AssetCheckSpec(name, asset=["shop", "table"], blocking=blocking) for name in names],
        partitions_def=MONTHS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
    )
    def made() -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        yield dg.MaterializeResult(asset_key=["shop", "table"])
        for name, result in zip(names, results, strict=True):
            if result is not None:
                passed, severity = result
                yield dg.AssetCheckResult(
                    asset_key=["shop", "table"],
                    check_name=name,
                    passed=passed,
                    severity=dg.AssetCheckSeverity[severity],
                    description=None if passed else "3 rows are cut off",
                    metadata={"rows": 27},
                )
        if fails:
            raise dg.Failure("The disk is full.", allow_retries=False)

    return made


def run(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, month: str = "2025-10") -> str:
    """The id of a run of one month, whatever became of it."""
    return dg.materialize([asset], partition_key=month, instance=instance, raise_on_error=False).run_id


HOLDS, WARNS, BREAKS = (True, "ERROR"), (False, "WARN"), (False, "ERROR")


@pytest.mark.parametrize(
    ("asset", "code", "code_with_warnings_allowed"),
    [
        pytest.param(table(), 0, 0, id="a run without checks"),
        pytest.param(table(HOLDS, HOLDS), 0, 0, id="all hold"),
        pytest.param(table(HOLDS, WARNS), 1, 0, id="a warning"),
        pytest.param(table(HOLDS, BREAKS), 1, 1, id="an error that does not block"),
        pytest.param(table(WARNS, BREAKS), 1, 1, id="a warning and an error"),
        pytest.param(table(BREAKS, blocking=True), 1, 1, id="an error that blocks"),
        pytest.param(table(HOLDS, None), 1, 1, id="planned and never evaluated"),
        pytest.param(table(HOLDS, fails=True), 1, 1, id="all hold, and the run failed"),
    ],
)
def test_the_exit_code_says_whether_everything_held(instance, asset, code, code_with_warnings_allowed):
    run_id = run(instance, asset)
    assert main([run_id]) == code
    assert main([run_id, "--warnings-allowed"]) == code_with_warnings_allowed


def test_each_check_is_a_line_that_says_what_it_came_to_and_why(instance, capsys):
    run_id = run(instance, table(HOLDS, WARNS, None))
    main([])
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"run {run_id}: __ephemeral_asset_job__ of 2025-10: SUCCESS"
    told = [" ".join(line.split()) for line in lines]
    assert told[0] == "result severity blocking partition asset check reason"
    assert told[2:] == [
        "passed ERROR no 2025-10 shop/table claim_0 rows 27",
        "failed WARN no 2025-10 shop/table claim_1 3 rows are cut off",
        "not evaluated - - 2025-10 shop/table claim_2 -",
        "3 checks, 2 not passed",
    ]


def test_a_failed_run_is_told_with_its_reason(instance, capsys):
    run(instance, table(HOLDS, fails=True))
    main([])
    shown = capsys.readouterr().out
    assert "FAILURE" in shown
    assert "The disk is full." in shown


def test_a_program_gets_one_document(instance, capsys):
    first, second = run(instance, table(HOLDS)), run(instance, table(BREAKS, blocking=True))
    assert main([first, second, "--json"]) == 1
    runs = json.loads(capsys.readouterr().out)
    assert [(it["run_id"], it["status"], it["partition"]) for it in runs] == [
        (first, "SUCCESS", "2025-10"),
        (second, "FAILURE", "2025-10"),
    ]
    assert runs[1]["checks"] == [
        {
            "asset": "shop/table",
            "check": "claim_0",
            "partition": "2025-10",
            "result": "failed",
            "severity": "ERROR",
            "blocking": True,
            "reason": "3 rows are cut off",
        }
    ]


def test_of_several_attempts_the_last_counts(instance, tmp_path):
    tried = tmp_path / "tried"

    @dg.asset(
        check_specs=[dg.AssetCheckSpec("claim", asset="fickle")], retry_policy=dg.RetryPolicy(max_retries=1)
    )
    def fickle() -> Iterator[dg.Output[None] | dg.AssetCheckResult]:
        yield dg.AssetCheckResult(passed=tried.exists())
        if not tried.exists():
            tried.touch()
            raise OSError("the network is away")
        yield dg.Output(None)

    dg.materialize([fickle], instance=instance)
    assert main([]) == 0


@pytest.fixture(scope="module")
def several_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """An instance with runs of two assets and two months, by what they are, the oldest first."""
    folder = tmp_path_factory.mktemp("several")
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        return folder, make_several(instance)


@pytest.fixture
def several(several_runs: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The ids of these runs; DAGSTER_HOME is their instance, whose settings are Dagster's own."""
    folder, runs = several_runs
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return runs


def make_several(instance: dg.DagsterInstance) -> dict[str, str]:

    @dg.asset(partitions_def=MONTHS)
    def other() -> None:
        """It has no check."""

    job = dg.define_asset_job("make_table", selection=["shop/table"])
    defs = dg.Definitions(assets=[table(WARNS)], jobs=[job])
    ranged = {
        "dagster/asset_partition_range_start": "2025-09",
        "dagster/asset_partition_range_end": "2025-10",
    }
    return {
        "range": dg.materialize([table(HOLDS)], tags=ranged, instance=instance).run_id,
        "september": run(instance, table(HOLDS), "2025-09"),
        "job": defs.resolve_job_def("make_table")
        .execute_in_process(partition_key="2025-10", instance=instance)
        .run_id,
        "other": run(instance, other),
    }


@pytest.mark.parametrize(
    ("arguments", "which"),
    [
        ([], "other"),
        (["--asset", "shop/table"], "job"),
        (["--asset", "shop/table", "--partition", "2025-09"], "september"),
        (["--partition", "2025-09...2025-10"], "range"),
        (["--partition", "2025-10"], "other"),
        (["--job", "make_table"], "job"),
        (["--job", "make_table", "--asset", "shop/table", "--partition", "2025-10"], "job"),
    ],
)
def test_without_an_id_the_newest_run_that_fits_is_judged(several, arguments, which, capsys):
    assert main([*arguments, "--json"]) == (1 if which == "job" else 0)
    (report,) = json.loads(capsys.readouterr().out)
    assert report["run_id"] == several[which]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--asset", "shop/table", "--job", "nothing"], "no run of job 'nothing', asset 'shop/table'"),
        (
            ["--job", "make_table", "--partition", "2025-09"],
            "no run of job 'make_table', partition '2025-09'",
        ),
        (["--asset", "shop/chair"], "no run of asset 'shop/chair'"),
        (["0000"], "there is no run '0000'"),
    ],
)
def test_a_run_that_there_is_not_is_wrong_usage(several, arguments, sentence, capsys):
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert told.out == ""


@pytest.mark.parametrize(
    "arguments", [["0000", "--asset", "shop/table"], ["--wait", "soon"], ["--wait", "-1"], ["--warn"]]
)
def test_wrong_usage_ends_with_2(arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


@pytest.fixture
def unfinished(instance) -> str:
    started = dg.DagsterRun(job_name="long", status=dg.DagsterRunStatus.STARTED)
    return instance.add_run(started).run_id


def test_a_run_that_goes_on_is_not_judged(unfinished, capsys):
    assert main([]) == 2
    assert f"run {unfinished} has not ended (STARTED)" in capsys.readouterr().err


def test_a_run_that_goes_on_can_be_waited_for(unfinished, instance, monkeypatch, capsys):
    looks = []

    def end_at_the_second_look(_: float) -> None:
        looks.append("look")
        if len(looks) == 2:
            instance.report_run_canceled(instance.get_run_by_id(unfinished))

    monkeypatch.setattr(run_checks.time, "sleep", end_at_the_second_look)
    assert main([unfinished, "--wait", "3600"]) == 1
    assert "CANCELED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("", "DAGSTER_HOME is not set"),
        (" ", "DAGSTER_HOME is not set"),
        ("absent", "which is no folder"),
        ("empty", "has no run;"),
        ("postgres", "QUINTET_PG_HOST"),
    ],
)
def test_an_instance_that_cannot_be_asked_is_no_failed_check(named, sentence, tmp_path, monkeypatch, capsys):
    home = str(tmp_path / named) if named.strip() else named
    for name in ("empty", "postgres"):
        (tmp_path / name).mkdir()
    settings = (ROOT / "deploy" / "dagster.postgres.yaml").read_bytes()
    (tmp_path / "postgres" / "dagster.yaml").write_bytes(settings)
    monkeypatch.setenv("DAGSTER_HOME", home)
    assert main([]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told


@pytest.mark.services
def test_an_instance_on_postgresql_is_judged_alike(
    tmp_path_factory: pytest.TempPathFactory,
    missing_service: Callable[[str], NoReturn],
    monkeypatch: pytest.MonkeyPatch,
):
    home = Path(os.environ["DAGSTER_HOME"])
    (home / "dagster.yaml").write_bytes((ROOT / "deploy" / "dagster.postgres.yaml").read_bytes())
    with postgres_server(tmp_path_factory, missing_service) as port:
        for name, value in {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "DATABASE": "postgres",
            "USER": "postgres",
            "PASSWORD": "any",
        }.items():
            monkeypatch.setenv(f"QUINTET_PG_{name}", value)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            sound, broken = run(instance, table(HOLDS), "2025-09"), run(instance, table(HOLDS, WARNS))
        assert main([sound]) == 0
        assert main([broken]) == 1
        assert main([]) == 1
        assert main(["--asset", "shop/table", "--partition", "2025-09"]) == 0
        assert main(["nothing"]) == 2

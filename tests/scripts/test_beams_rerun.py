"""`rerun`: another attempt in the registry, and what stands in its way."""

import getpass
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteRepositoryOrigin

from assets.beams.failures import beam_failure
from assets.beams.registry import beams as beam_rows
from assets.beams.registry import cases, failing
from assets.beams.registry.rows import beam_of, case_of
from assets.beams.states import BeamState
from resources.home import quintet_home
from scripts.beams.desk import Desk
from tests.assets.beams.registry.registry_worlds import CASE, at, beam, brought, interpreted, rows
from tests.scripts.beams_desks import beams, registry

QUEUED = dg.DagsterRunStatus.QUEUED
# A run in the queue says where its code is; nothing is ever launched there.
REMOTE = RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin("127.0.0.1", port=1), "here").get_job_origin(
    "anything"
)
CODE = JobPythonOrigin("anything", RepositoryPythonOrigin("python", ModuleCodePointer("here", "anything")))


@dg.op
def _nothing() -> None: ...


@dg.job
def anything() -> None:
    _nothing()


@pytest.fixture
def failed() -> None:
    """A case with a failed beam and a completed one."""
    with registry() as connection:
        interpreted(connection, 1, 2)
        brought(connection, 2, BeamState.COMPLETED)
        work = beam_rows.take(connection, beam(1), "r1", at(1))
        failing.fail_beam(connection, work, beam_failure("no_evidence", "nothing was said"), at(2))


def run_of(status: dg.DagsterRunStatus, **tags: str) -> str:
    """A run in the instance that the commands use."""
    named = {name.replace("__", "/"): value for name, value in tags.items()}
    with Desk().instance() as instance:
        return instance.create_run_for_job(
            anything, status=status, tags=named, remote_job_origin=REMOTE, job_code_origin=CODE
        ).run_id


def attempts() -> tuple[int | None, ...]:
    with registry() as connection:
        return (
            case_of(connection, CASE).attempt,
            beam_of(connection, beam(1)).attempt,
            beam_of(connection, beam(2)).attempt,
        )


@pytest.mark.usefixtures("failed")
def test_a_beam_begins_anew_in_another_attempt_with_who_when_and_why():
    ended = beams("rerun", f"{CASE}|1", "--reason", "new \x1b licence", "--json")
    assert ended.code == 0
    assert ended.document == {
        "key": f"{CASE}|1",
        "case": CASE,
        "treatment_index": 1,
        "status": "pending",
        "attempt": 2,
        "retry_count": 1,
        "forced": False,
        "actor": getpass.getuser(),
        "reason": "new \\x1b licence",
    }
    assert attempts() == (2, 2, 1)
    with registry() as connection:
        (note,) = rows(connection, "SELECT * FROM workflow_steps WHERE step = 'reopened'")
        assert (note["actor"], note["reason"], note["beam_id"]) == (
            getpass.getuser(),
            "new \\x1b licence",
            beam(1),
        )
        assert note["started_at"]
        assert case_of(connection, CASE).status == "interpreting"


@pytest.mark.usefixtures("failed")
def test_a_case_begins_anew_with_all_its_beams():
    ended = beams("rerun", CASE)
    assert (ended.code, attempts()) == (0, (2, 2, 2))
    assert "QA0001 is ready in attempt 2; the next scan" in ended.out


@pytest.mark.usefixtures("failed")
def test_rerun_launches_no_run_and_makes_the_dagster_instance_where_there_is_none(monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME")
    assert beams("rerun", CASE).code == 0
    assert (quintet_home() / "dagster" / "dagster.yaml").is_file()
    with Desk().instance() as instance:
        assert instance.get_runs_count() == 0


def used_up() -> None:
    with registry() as connection:
        connection.execute("UPDATE beams SET retry_count = 3")
        connection.execute("UPDATE cases SET retry_count = 3")


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize("key", [CASE, f"{CASE}|1"])
def test_the_retry_limit_refuses_and_force_lifts_it(key):
    used_up()
    ended = beams("rerun", key, "--json")
    assert (ended.code, ended.out, attempts()) == (1, "", (1, 1, 1))
    assert "--force" in ended.err
    forced = beams("rerun", key, "--force", "--json")
    assert (forced.code, forced.document["forced"], forced.document["attempt"]) == (0, True, 2)


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize(
    "tags",
    [
        {"beams__case": CASE},
        {"beams__case": CASE, "beams__beam_id": beam(1)},
        {"dagster__partition": CASE},
        {"dagster__partition": f"{CASE}|1"},
    ],
)
def test_a_queued_run_refuses_another_attempt_and_force_does_not_help(tags):
    run = run_of(QUEUED, **tags)
    for words in ((CASE,), (f"{CASE}|1",), (CASE, "--force"), (f"{CASE}|1", "--force")):
        ended = beams("rerun", *words)
        assert (ended.code, ended.out, attempts()) == (1, "", (1, 1, 1))
        assert run in ended.err
        assert "queued" in ended.err


@pytest.mark.usefixtures("failed")
def test_a_run_stands_in_the_way_only_while_it_is_at_work():
    status = dg.DagsterRunStatus
    for ended in (status.NOT_STARTED, status.FAILURE, status.CANCELED, status.SUCCESS):
        run_of(ended, beams__case=CASE)
    assert beams("rerun", CASE).code == 0
    for at_work in (status.STARTING, status.STARTED, status.CANCELING):
        run = run_of(at_work, beams__case=CASE)
        assert beams("rerun", CASE).code == 1
        with Desk().instance() as instance:
            instance.delete_run(run)


@pytest.mark.usefixtures("failed")
def test_runs_of_other_beams_and_cases_do_not_stand_in_the_way_of_a_beam():
    run_of(QUEUED, beams__case=CASE, beams__beam_id=beam(2))
    run_of(QUEUED, dagster__partition=f"{CASE}|2")
    run_of(QUEUED, beams__case="QA0002")
    run_of(QUEUED, dagster__partition="QA00011")
    assert beams("rerun", f"{CASE}|1").code == 0
    assert beams("rerun", CASE).code == 1


@pytest.mark.usefixtures("failed")
def test_a_partition_of_another_pipeline_with_the_name_of_a_case_does_not_stand_in_the_way():
    @dg.asset
    def months() -> None: ...

    job = dg.Definitions(assets=[months]).resolve_implicit_global_asset_job_def()
    with Desk().instance() as instance:
        instance.create_run_for_job(
            job,
            status=dg.DagsterRunStatus.STARTED,
            tags={"dagster/partition": CASE},
            asset_selection=frozenset({months.key}),
        )
    assert beams("rerun", CASE).code == 0


def test_a_run_that_is_at_work_on_a_beam_stands_in_the_way_of_its_case_without_any_tag():
    run = run_of(dg.DagsterRunStatus.STARTED)
    with registry() as connection:
        interpreted(connection, 1, 2)
        brought(connection, 2, BeamState.RUNNING, run=run)
    ended = beams("rerun", CASE)
    assert (ended.code, run in ended.err) == (1, True)
    assert beams("rerun", f"{CASE}|1").code == 0


def test_what_a_dead_run_left_active_can_be_begun_anew():
    with registry() as connection:
        interpreted(connection, 1)
        brought(connection, 1, BeamState.RUNNING, run="gone")
    assert beams("rerun", f"{CASE}|1", "--json").document["status"] == "pending"


def test_a_beam_without_a_manifest_of_the_present_input_is_refused():
    with registry() as connection:
        interpreted(connection, 1)
        connection.execute("UPDATE cases SET status = 'ready', fingerprint = 'f2'")
    ended = beams("rerun", f"{CASE}|1")
    assert (ended.code, "manifest" in ended.err) == (1, True)


def test_a_case_that_was_only_seen_can_be_asked_for():
    with registry() as connection:
        cases.see(connection, CASE, "G2", f"G2/{CASE}", at(0))
    assert beams("rerun", CASE, "--json").document["status"] == "ready"


def test_the_key_of_a_beam_that_the_case_does_not_have_is_unknown():
    with registry() as connection:
        interpreted(connection, 1)
    ended = beams("rerun", f"{CASE}|7")
    assert (ended.code, ended.out) == (2, "")
    assert not Path(quintet_home() / "dagster").exists()

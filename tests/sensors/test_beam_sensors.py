"""The sensors of beams in Dagster: keys, requests that its jobs accept, and what they learn of runs."""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteRepositoryOrigin

from assets.beams.assets import assets_of
from assets.beams.listing import MARKER
from assets.beams.registry import beams, cases, schema
from assets.beams.registry.cancelling import cancel_case
from assets.beams.registry.rows import beams_of, case_of
from assets.beams.states import BeamState
from jobs.beams import check_beam_field, prepare_beam_case, report_beam_case
from resources.compute_host import LocalHost
from resources.home import quintet_home
from resources.ledger import Ledger
from scripts.sample_data.beams import SampleCase, corrupted, write_case
from sensors.beams import beam_case_sensor, beam_orphan_sensor, dagster_runs
from tests.assets.beams.registry.registry_worlds import PHYSICIST, WAY, at, planned

pytestmark = pytest.mark.materialise

# A run in the queue says where its code is; nothing is ever launched there.
REMOTE = RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin("127.0.0.1", port=1), "here").get_job_origin(
    "anything"
)
CODE = JobPythonOrigin("anything", RepositoryPythonOrigin("python", ModuleCodePointer("here", "anything")))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    # Dagster resolves partition keys of requests only with an instance that can be opened again.
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster_home")) as instance:
        yield instance


class Location:
    """A code location with the sensors, whose runs are recorded and never carried out."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        home = quintet_home()
        self.instance, self.home = instance, home
        self.ledger = Ledger(folder=str(home / "ledger"))
        self.definitions = dg.Definitions(
            assets=assets_of(None),
            jobs=[prepare_beam_case, check_beam_field, report_beam_case],
            sensors=[beam_case_sensor, beam_orphan_sensor],
            resources={
                "ledger": self.ledger,
                "compute_host": LocalHost(folder=str(home / "work")),
                "dose_engine": dg.ResourceDefinition.none_resource(),
            },
        )
        self.cursor: str | None = None

    @property
    def root(self) -> Path:
        return self.home / "storage" / "beam-logs"

    def open_registry(self) -> sqlite3.Connection:
        connection = self.ledger.open_db("beams")
        schema.migrate(connection)
        return connection

    def tick(self, sensor: dg.SensorDefinition = beam_case_sensor) -> Sequence[dg.RunRequest]:
        """Evaluate the sensor as the daemon does, which resolves requests with their jobs and partitions."""
        repository = self.definitions.get_repository_def()
        with dg.SensorEvaluationContext(
            instance_ref=self.instance.get_ref(),
            instance=self.instance,
            cursor=self.cursor,
            repository_def=repository,
            resources=repository.get_top_level_resources(),
            sensor_name=sensor.name,
        ) as context:
            data = repository.get_sensor_def(sensor.name).evaluate_tick(context)
        self.cursor = data.cursor
        for change in data.dynamic_partitions_requests or ():
            assert isinstance(change, dg.AddDynamicPartitionsRequest)
            self.instance.add_dynamic_partitions(str(change.partitions_def_name), list(change.partition_keys))
        self.reason = data.skip_message
        return data.run_requests or ()

    def record(self, request: dg.RunRequest, status: dg.DagsterRunStatus) -> dg.DagsterRun:
        """A run of a request in a status."""
        tags: Mapping[str, str] = {**request.tags, "dagster/run_key": str(request.run_key)}
        job = self.definitions.get_repository_def().get_job(str(request.job_name))
        return self.instance.create_run_for_job(
            job_def=job, tags=tags, status=status, remote_job_origin=REMOTE, job_code_origin=CODE
        )


@pytest.fixture
def location(instance: dg.DagsterInstance) -> Location:
    return Location(instance)


def test_a_case_is_registered_and_its_manifest_requested(location: Location) -> None:
    write_case(location.root, SampleCase())
    (request,) = location.tick()
    assert (request.job_name, request.partition_key) == ("prepare_beam_case", "QA0001")
    assert str(request.run_key).startswith("QA0001:")
    assert str(request.run_key).endswith(":manifest:1")
    assert request.tags["beams/case"] == "QA0001"
    assert request.tags["beams/room"] == "G2"
    assert request.tags["dagster/partition"] == "QA0001"
    assert location.instance.get_dynamic_partitions("beam_cases") == ["QA0001"]
    assert location.instance.get_dynamic_partitions("beam_fields") == ["QA0001|1", "QA0001|2", "QA0001|3"]
    with closing(location.open_registry()) as connection:
        assert case_of(connection, "QA0001").status == "ready"


def test_refused_and_ignored_folders_get_no_key_and_a_reason(location: Location) -> None:
    write_case(location.root, corrupted(SampleCase(), "bad_case_id"))
    write_case(location.root, corrupted(SampleCase(number=2), "no_marker"))
    assert location.tick() == ()
    assert location.reason == "nothing new in 0 cases; refused: G2/QA0001 copy (bad_case_id)"
    assert location.instance.get_dynamic_partitions("beam_cases") == []


UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@pytest.mark.parametrize("status", UNDER_WAY)
def test_nothing_is_requested_beside_a_run_under_way(location: Location, status: dg.DagsterRunStatus) -> None:
    write_case(location.root, SampleCase())
    run = location.record(location.tick()[0], status)
    assert location.tick() == ()
    runs = dagster_runs(location.instance)
    assert (runs.active, runs.busy) == ({run.run_id}, {"QA0001"})
    assert not runs.has_ended(run.tags["dagster/run_key"])


@pytest.mark.parametrize("status", ENDED)
def test_a_run_that_left_its_case_as_it_was_is_followed_by_another_attempt(
    location: Location, status: dg.DagsterRunStatus
) -> None:
    write_case(location.root, SampleCase())
    first = location.tick()[0]
    location.record(first, status)
    assert dagster_runs(location.instance).has_ended(str(first.run_key))
    (second,) = location.tick()
    assert second.run_key == str(first.run_key).removesuffix("1") + "2"
    location.record(second, status)
    assert location.tick() == ()  # Only after a while: it may be dying of something that stays.


def test_a_run_that_was_made_and_never_launched_is_requested_again_under_its_key(location: Location) -> None:
    write_case(location.root, SampleCase())
    first = location.tick()[0]
    location.record(first, dg.DagsterRunStatus.NOT_STARTED)
    assert [request.run_key for request in location.tick()] == [first.run_key]


def test_a_run_of_another_pipeline_with_a_partition_of_the_same_name_is_no_run_of_the_case(
    location: Location, instance: dg.DagsterInstance
) -> None:
    write_case(location.root, SampleCase())

    @dg.job
    def another() -> None: ...

    tags = {"dagster/partition": "QA0001"}
    started = dg.DagsterRunStatus.STARTED
    run = instance.create_run_for_job(another, status=started, tags=tags)
    runs = dagster_runs(instance)
    assert (runs.active, runs.busy) == ({run.run_id}, frozenset())
    assert len(location.tick()) == 1


def test_a_run_that_a_person_launched_for_one_asset_is_a_run_of_its_case(
    location: Location, instance: dg.DagsterInstance
) -> None:
    write_case(location.root, SampleCase())
    manifest = dg.AssetKey(["beams", "case_manifest"])
    by_hand = location.definitions.get_repository_def().get_implicit_job_def_for_assets([manifest])
    assert by_hand is not None
    subset = by_hand.get_subset(asset_selection={manifest})
    tags = {"dagster/partition": "QA0001"}
    started = dg.DagsterRunStatus.STARTED
    instance.create_run_for_job(subset, status=started, tags=tags, asset_selection=frozenset({manifest}))
    assert location.tick() == ()


def test_a_variable_with_a_slip_of_the_pen_is_told(
    location: Location, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BEAMS_QUIET_SECOND", "1")
    location.tick()
    assert "the nearest known one is BEAMS_QUIET_SECONDS" in capfd.readouterr().err


def test_manifest_then_one_run_per_beam_then_the_report(location: Location) -> None:
    write_case(location.root, SampleCase())
    manifest = location.tick()[0]
    with closing(location.open_registry()) as connection:
        work = cases.begin_manifest(connection, "QA0001", "r1", at(0))
        cases.publish_manifest(connection, work, planned(1, 2, 3), [], [], at(0))
        location.record(manifest, dg.DagsterRunStatus.SUCCESS)
        fields = location.tick()
        assert [request.partition_key for request in fields] == ["QA0001|1", "QA0001|2", "QA0001|3"]
        assert {request.job_name for request in fields} == {"check_beam_field"}
        assert fields[1].tags["beams/beam_id"] == "QA0001_beam_2"
        for request in fields:
            location.record(request, dg.DagsterRunStatus.SUCCESS)
        for beam in beams_of(connection, "QA0001"):
            taken = beams.take(connection, beam.beam_id, f"b{beam.treatment_index}", at(1))
            for state in WAY:
                beams.move(connection, taken, state, at(1))
        (report,) = location.tick()
        assert (report.job_name, report.partition_key) == ("report_beam_case", "QA0001")
        begun = cases.begin_report(connection, "QA0001", "r9", at(2))
        location.record(report, dg.DagsterRunStatus.SUCCESS)
        cases.complete(connection, begun, [], at(2))
    assert location.tick() == ()
    assert location.reason == "nothing new in 1 cases"


def test_a_tick_that_dies_before_its_cursor_was_saved_asks_for_the_same_again(location: Location) -> None:
    write_case(location.root, SampleCase())
    first = [request.run_key for request in location.tick()]
    location.cursor = None
    assert [request.run_key for request in location.tick()] == first


def test_a_wrong_setting_fails_the_tick_with_its_name(
    location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEAMS_QUIET_SECONDS", "soon")
    with pytest.raises(Exception, match="BEAMS_QUIET_SECONDS is 'soon'"):
        location.tick()


def test_the_sensor_looks_below_the_root_that_is_set(
    location: Location, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BEAMS_SCAN_ROOT", str(tmp_path / "elsewhere"))
    case = write_case(tmp_path / "elsewhere", SampleCase())
    os.utime(case / MARKER)
    assert [request.partition_key for request in location.tick()] == ["QA0001"]


def test_the_orphan_sensor_cancels_what_a_dead_run_left_of_a_cancelled_case(location: Location) -> None:
    with closing(location.open_registry()) as connection:
        cases.see(connection, "QA0001", "G2", "G2/QA0001", at(0))
        cases.make_ready(connection, "QA0001", "f1", at(0))
        work = cases.begin_manifest(connection, "QA0001", "r1", at(0))
        cases.publish_manifest(connection, work, planned(1), [], [], at(0))
        beams.take(connection, "QA0001_beam_1", "dead", at(1))
        cancel_case(connection, "QA0001", PHYSICIST, at(2))
        assert location.tick(beam_orphan_sensor) == ()
        assert location.reason == "QA0001_beam_1 is cancelled: its run is gone"
        assert beams_of(connection, "QA0001")[0].state is BeamState.CANCELLED
    assert location.tick(beam_orphan_sensor) == ()
    assert location.reason == "no run left anything behind"


def test_both_sensors_are_stopped_until_someone_starts_them() -> None:
    for sensor, seconds in ((beam_case_sensor, 30), (beam_orphan_sensor, 60)):
        assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
        assert sensor.minimum_interval_seconds == seconds

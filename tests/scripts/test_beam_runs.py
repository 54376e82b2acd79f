"""Looks and runs of beams in this process: as the daemon has them, and under settings of their own."""

import os
import signal

import dagster as dg
import pytest

from assets.beams.stages import case_manifest
from scripts.beam_runs import BeamRuns, only_settings
from scripts.dagster_home import prepare_dagster_home
from scripts.sample_data.beams import SampleCase, corrupted, write_case


def test_a_refused_case_is_asked_for_once(isolated_environment):
    case = corrupted(SampleCase(), "ptn_missing")
    write_case(isolated_environment / "storage" / "beam-logs", case)
    with only_settings({}), dg.DagsterInstance.get() as instance:
        runs = BeamRuns(instance)

        requests, reason = runs.look()

        assert [(request.job_name, request.partition_key) for request in requests] == [
            ("prepare_beam_case", "QA0001")
        ]
        assert reason == ""
        assert instance.get_dynamic_partitions("beam_cases") == ["QA0001"]
        assert instance.get_dynamic_partitions("beam_fields") == ["QA0001|1", "QA0001|2", "QA0001|3"]

        assert runs.run(requests[0]) is False
        assert runs.look() == ([], "nothing new in 1 cases")
        (record,) = instance.get_run_records()
        assert record.dagster_run.tags["dagster/run_key"] == requests[0].run_key


def test_what_a_run_says_is_recorded_and_not_printed(isolated_environment, capfd):
    prepare_dagster_home(os.environ)
    write_case(isolated_environment / "storage" / "beam-logs", SampleCase(samples=200, fractions=1))
    with only_settings({}), dg.DagsterInstance.get() as instance:
        runs = BeamRuns(instance)
        (request,) = runs.look()[0]

        assert runs.run(request) is True

        assert instance.all_logs(instance.get_run_ids()[0])
    assert capfd.readouterr() == ("", "")


def test_an_interruption_of_a_run_interrupts_who_waits_for_it(isolated_environment, monkeypatch):
    write_case(isolated_environment / "storage" / "beam-logs", SampleCase(samples=200, fractions=1))
    monkeypatch.setattr(case_manifest, "make_manifest", lambda *_: signal.raise_signal(signal.SIGINT))
    with only_settings({}), dg.DagsterInstance.get() as instance:
        runs = BeamRuns(instance)
        (request,) = runs.look()[0]

        with pytest.raises(KeyboardInterrupt):
            runs.run(request)

        (record,) = instance.get_run_records()
        assert record.dagster_run.status is dg.DagsterRunStatus.FAILURE


def test_other_settings_of_beams_are_away_and_come_back(monkeypatch):
    monkeypatch.setenv("BEAMS_ENGINE", "moqui")
    monkeypatch.setenv("BEAMS_THREADS", "4")
    monkeypatch.setenv("UNRELATED", "kept")

    def inside():
        with only_settings({"BEAMS_THREADS": "2", "BEAMS_RUN_SALT": "a"}):
            assert "BEAMS_ENGINE" not in os.environ
            assert (os.environ["BEAMS_THREADS"], os.environ["BEAMS_RUN_SALT"]) == ("2", "a")
            assert os.environ["UNRELATED"] == "kept"
            raise KeyError

    with pytest.raises(KeyError):
        inside()

    assert (os.environ["BEAMS_ENGINE"], os.environ["BEAMS_THREADS"]) == ("moqui", "4")
    assert "BEAMS_RUN_SALT" not in os.environ

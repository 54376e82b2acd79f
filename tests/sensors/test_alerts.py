"""The failure alert, on real runs of a real instance."""

import json
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from resources.notifier import Message, RecordingNotifier
from sensors.alerts import (
    MOST_CHARACTERS,
    failure_sentence,
    run_failure_alert,
    run_partitions,
    without_secrets,
)


@dg.op
def refuse_input() -> None:
    raise dg.Failure(description="raw/2025-10.dbn.zst is cut: 100 of 512 bytes are missing; fetch it again.")


@dg.op
def break_down() -> None:
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise ValueError("the outer sentence") from error


@dg.op
def leak_secrets() -> None:
    raise ValueError("POST https://hooks.example.com/services/T0/B0/abcdef failed with hunter2hunter2")


@dg.job
def refused_job() -> None:
    refuse_input()


@dg.job
def broken_job() -> None:
    break_down()
    break_down.alias("break_down_too")()


@dg.job
def leaking_job() -> None:
    leak_secrets()


Alert = Callable[..., tuple[list[Message], object]]


@pytest.fixture
def alert() -> Alert:
    """Run a job that fails, hand the failure to the sensor; return what it sent and what it returned."""

    def run_and_alert(job: dg.JobDefinition, tags: dict[str, str] | None = None, **options: Any):
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False, **options)
            notifier = RecordingNotifier()
            run = instance.get_run_by_id(result.run_id)
            assert run is not None
            context = dg.build_run_status_sensor_context(
                sensor_name="run_failure_alert",
                dagster_instance=instance,
                dagster_run=run,
                dagster_event=next(event for event in result.all_events if event.is_run_failure),
                resources={"notifier": notifier},
            ).for_run_failure()
            outcome = run_failure_alert(context)
            assert all(message.text.startswith(f"Run {result.run_id} of ") for message in notifier.messages)
            return notifier.messages, outcome

    return run_and_alert


def test_the_alert_names_job_partition_step_and_the_sentence_of_the_failure(alert: Alert) -> None:
    (message,), outcome = alert(refused_job, {"dagster/partition": "2025-10"})
    assert outcome is None
    assert message.subject == "refused_job failed for 2025-10"
    assert message.text.splitlines()[1:] == [
        "Partition 2025-10",
        "Step refuse_input: raw/2025-10.dbn.zst is cut: 100 of 512 bytes are missing; fetch it again.",
    ]
    assert message.link is None


def test_an_unexpected_error_is_named_by_its_cause_without_a_stack_trace(alert: Alert) -> None:
    (message,), _ = alert(broken_job)
    assert message.subject == "broken_job failed"
    assert message.text.splitlines()[1:] == [
        "Step break_down (1 more failed): ValueError: the outer sentence"
    ]


def test_a_run_that_will_be_retried_is_skipped_and_says_so(alert: Alert) -> None:
    messages, outcome = alert(refused_job, {"dagster/will_retry": "true"})
    assert messages == []
    assert isinstance(outcome, dg.SkipReason)
    assert "will be retried" in str(outcome.skip_message)


def test_a_run_whose_retries_are_used_up_is_alerted(alert: Alert) -> None:
    messages, _ = alert(refused_job, {"dagster/will_retry": "false", "dagster/retry_number": "2"})
    assert len(messages) == 1


def test_no_secret_reaches_the_message(alert: Alert, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_SFTP_PASSWORD", "hunter2hunter2")
    (message,), _ = alert(leaking_job)
    assert "abcdef" not in message.text
    assert "hunter2hunter2" not in message.text
    assert "POST https://hooks.example.com/… failed with [QUINTET_SFTP_PASSWORD]" in message.text


def test_a_secret_at_the_cut_of_a_long_error_is_gone_as_a_whole(
    alert: Alert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUINTET_SFTP_PASSWORD", "hunter2hunter2")

    @dg.op
    def leak_at_length() -> None:
        raise dg.Failure(description="x" * (MOST_CHARACTERS - 30) + "hunter2hunter2 " * 1_000)

    @dg.job
    def talkative_job() -> None:
        leak_at_length()

    (message,), _ = alert(talkative_job)
    assert "hunter" not in message.text
    assert len(message.text) < MOST_CHARACTERS + 100


def test_the_link_leads_to_the_run_where_the_web_ui_is_known(
    alert: Alert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUINTET_UI_URL", "http://127.0.0.1:3000/")
    (message,), _ = alert(refused_job)
    assert message.link == f"http://127.0.0.1:3000/runs/{message.text.split()[1]}"


def test_a_run_of_picked_assets_is_named_by_its_assets(alert: Alert) -> None:
    @dg.asset(key_prefix="market")
    def month_statistics() -> None:
        raise dg.Failure(description="no sessions")

    defs = dg.Definitions(assets=[month_statistics])
    job = defs.resolve_implicit_global_asset_job_def()
    (message,), _ = alert(job, asset_selection=[month_statistics.key])
    assert message.subject == "market/month_statistics failed"


def test_a_run_that_failed_outside_of_its_steps_says_what_the_run_said() -> None:
    event = dg.DagsterEvent(
        event_type_value="PIPELINE_FAILURE", job_name="any", message="The process of the run was killed."
    )
    assert failure_sentence([], event) == "The process of the run was killed."


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, None),
        ({"dagster/partition": "2025-10"}, "2025-10"),
        ({"dagster/partition": "case-1|beam-2"}, "case-1|beam-2"),
        (
            {
                "dagster/asset_partition_range_start": "2025-08",
                "dagster/asset_partition_range_end": "2025-10",
            },
            "2025-08 to 2025-10",
        ),
    ],
)
def test_partitions_are_read_from_the_tags(tags: dict[str, str], expected: str | None) -> None:
    assert run_partitions(tags) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see s3://bucket/raw/a.bin now", "see s3://bucket/raw/a.bin now"),
        ("postgresql://me:pw@db:5432/runs?sslkey=x refused", "postgresql://db:5432/runs refused"),
        ("GET https://api.example.com/v1?key=abc", "GET https://api.example.com/…"),
        ("http://127.0.0.1:3000/ is down", "http://127.0.0.1:3000/ is down"),
        ("the ratio is 3:2 // not a URL", "the ratio is 3:2 // not a URL"),
        ("token abcd1234efgh seen", "token [MY_API_TOKEN] seen"),
        ("short pw stays", "short pw stays"),
    ],
)
def test_urls_and_secret_values_lose_what_is_a_key(text: str, expected: str) -> None:
    environ = {"MY_API_TOKEN": "abcd1234efgh", "DB_PASSWORD": "pw", "HARMLESS": "bucket/raw"}
    assert without_secrets(text, environ) == expected


def test_the_sensor_is_stopped_until_somebody_starts_it() -> None:
    assert run_failure_alert.default_status == dg.DefaultSensorStatus.STOPPED
    assert run_failure_alert.required_resource_keys == {"notifier"}


def test_dagsters_own_retries_mark_the_runs_that_the_alert_skips(tmp_path) -> None:
    # The tag is Dagster's, not ours: a release that renamed it would alert on every attempt.
    settings = {"run_retries": {"enabled": True, "max_retries": 1}, "telemetry": {"enabled": False}}
    (tmp_path / "dagster_home" / "dagster.yaml").write_text(json.dumps(settings))
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster_home")) as instance:
        result = refused_job.execute_in_process(instance=instance, raise_on_error=False)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        assert run.tags["dagster/will_retry"] == "true"

"""The failure alert, on real runs of a real instance."""

import json
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from jobs.run_failures import MOST_CHARACTERS, reason_in, without_secrets
from resources.notifier import Message, RecordingNotifier
from sensors.alerts import run_failure_alert, run_partitions


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


Alert = Callable[..., list[Message]]


@pytest.fixture
def alert() -> Alert:
    """Run a job that fails, hand the failure to the sensor; return what it sent."""

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
            run_failure_alert(context)
            assert all(message.text.startswith(f"Run {result.run_id} of ") for message in notifier.messages)
            return notifier.messages

    return run_and_alert


def test_the_alert_names_job_partition_step_and_the_sentence_of_the_failure(alert: Alert) -> None:
    (message,) = alert(refused_job, {"dagster/partition": "2025-10"})
    assert message.subject == "refused_job failed for 2025-10"
    assert message.text.splitlines()[1:] == [
        "Partition 2025-10",
        "Step refuse_input: raw/2025-10.dbn.zst is cut: 100 of 512 bytes are missing; fetch it again.",
    ]
    assert message.link is None


def test_an_unexpected_error_is_named_by_its_cause_without_a_stack_trace(alert: Alert) -> None:
    (message,) = alert(broken_job)
    assert message.subject == "broken_job failed"
    assert message.text.splitlines()[1:] == [
        "Step break_down (1 more failed): ValueError: the outer sentence"
    ]


def test_a_run_that_will_be_retried_is_passed_over(alert: Alert) -> None:
    assert alert(refused_job, {"dagster/will_retry": "true"}) == []


def test_a_run_whose_retries_are_used_up_is_alerted(alert: Alert) -> None:
    messages = alert(refused_job, {"dagster/will_retry": "false", "dagster/retry_number": "2"})
    assert len(messages) == 1


def test_no_secret_reaches_the_message(alert: Alert, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_SFTP_PASSWORD", "hunter2hunter2")
    (message,) = alert(leaking_job)
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

    (message,) = alert(talkative_job)
    assert "hunter" not in message.text
    assert len(message.text) < MOST_CHARACTERS + 100


def test_the_link_leads_to_the_run_where_the_web_ui_is_known(
    alert: Alert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUINTET_UI_URL", "http://127.0.0.1:3000/")
    (message,) = alert(refused_job)
    assert message.link == f"http://127.0.0.1:3000/runs/{message.text.split()[1]}"


def test_a_run_of_picked_assets_is_named_by_its_assets(alert: Alert) -> None:
    @dg.asset(key_prefix="market")
    def month_statistics() -> None:
        raise dg.Failure(description="no sessions")

    defs = dg.Definitions(assets=[month_statistics])
    job = defs.resolve_implicit_global_asset_job_def()
    (message,) = alert(job, asset_selection=[month_statistics.key])
    assert message.subject == "market/month_statistics failed"


@dg.asset
def lists() -> None: ...


@dg.asset_check(asset=lists, blocking=True)
def every_list_is_full() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description="2 lists have too few products.")


@dg.asset_check(asset=lists)
def no_list_is_old() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.WARN, description="1 list is from yesterday."
    )


@dg.multi_asset(
    specs=[dg.AssetSpec("scores")],
    check_specs=[
        dg.AssetCheckSpec("every_score_is_a_tier", asset="scores", blocking=True),
        dg.AssetCheckSpec("scores_are_sorted", asset="scores", blocking=True),
        dg.AssetCheckSpec("scores_are_many", asset="scores", blocking=True),
        dg.AssetCheckSpec("scores_are_round", asset="scores"),
    ],
)
def scoring():
    yield dg.MaterializeResult("scores")
    yield dg.AssetCheckResult(check_name="every_score_is_a_tier", passed=False, description="7 is no tier.")
    yield dg.AssetCheckResult(check_name="scores_are_sorted", passed=False)
    yield dg.AssetCheckResult(check_name="scores_are_many", passed=True, description="There are 900.")
    warn = dg.AssetCheckSeverity.WARN
    yield dg.AssetCheckResult(check_name="scores_are_round", passed=False, severity=warn, description="No.")


CHECKED = dg.Definitions(assets=[lists, scoring], asset_checks=[every_list_is_full, no_list_is_old])


def test_a_blocking_check_that_failed_gives_its_reason_and_those_that_only_warn_do_not(alert: Alert) -> None:
    job = CHECKED.resolve_implicit_global_asset_job_def()
    (message,) = alert(job, asset_selection=[lists.key])
    assert message.text.splitlines()[1:] == [
        "Step lists_every_list_is_full: every_list_is_full of lists failed: 2 lists have too few products."
    ]


def test_checks_that_failed_inside_the_step_of_their_asset_give_a_line_each(alert: Alert) -> None:
    job = CHECKED.resolve_implicit_global_asset_job_def()
    (message,) = alert(job, asset_selection=[dg.AssetKey("scores")])
    assert message.text.splitlines()[1:] == [
        "Step scoring: every_score_is_a_tier of scores failed: 7 is no tier.",
        "scores_are_sorted of scores failed: it did not say why.",
    ]


def test_a_run_that_failed_outside_of_its_steps_says_what_the_run_said() -> None:
    event = dg.DagsterEvent(
        event_type_value="PIPELINE_FAILURE", job_name="any", message="The process of the run was killed."
    )
    assert reason_in([event]) == "The process of the run was killed."


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


class Daemon:
    """Ticks the sensor over an instance as the daemon does, and keeps its cursor."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor, self.notifier = instance, None, RecordingNotifier()
        self.tick()

    def tick(self) -> list[Message]:
        """What the notifier is told of the runs that failed since the last tick."""
        known = len(self.notifier.messages)
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            definitions=dg.Definitions(jobs=[refused_job, broken_job]),
            resources={"notifier": self.notifier},
            sensor_name="run_failure_alert",
        )
        tick = run_failure_alert.evaluate_tick(context)
        assert not [reaction for reaction in tick.dagster_run_reactions or [] if reaction.error]
        self.cursor = tick.cursor
        return self.notifier.messages[known:]

    def fail(self, **tags: str) -> str:
        result = refused_job.execute_in_process(
            instance=self.instance,
            tags={f"dagster/{name}": value for name, value in tags.items()},
            raise_on_error=False,
        )
        return result.run_id


def test_of_a_backfill_the_first_failed_run_is_told_and_says_that_no_other_will_be() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        daemon = Daemon(instance)
        daemon.fail(backfill="other", partition="2025-01")
        failed = [daemon.fail(backfill="years", partition=f"2025-{month:02}") for month in range(1, 7)]
        subjects = [message.subject for message in daemon.tick()]
        assert subjects == ["refused_job failed for 2025-01"] * 2
        text = daemon.notifier.messages[-1].text
        assert text.startswith(f"Run {failed[0]} ")
        assert text.endswith("It is the first to fail of backfill years; of others no message is sent.")
        daemon.fail(backfill="years", partition="2025-07")
        assert daemon.tick() == []
        daemon.fail(partition="2025-07")
        assert len(daemon.tick()) == 1


def test_a_tick_tells_of_runs_before_and_behind_one_that_is_passed_over() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        daemon = Daemon(instance)
        told = [daemon.fail(), (daemon.fail(will_retry="true"), daemon.fail())[1]]
        assert [message.text.split()[1] for message in daemon.tick()] == told
        assert daemon.tick() == []


def test_a_run_of_a_backfill_that_will_be_retried_does_not_silence_the_others() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        daemon = Daemon(instance)
        daemon.fail(backfill="years", will_retry="true")
        last_try = daemon.fail(backfill="years", will_retry="false", retry_number="1")
        (message,) = daemon.tick()
        assert message.text.startswith(f"Run {last_try} ")


def test_a_crashed_run_is_told_once_its_retries_are_used_up(tmp_path) -> None:
    crash_retries = {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}
    settings = {"run_retries": crash_retries, "telemetry": {"enabled": False}}
    (tmp_path / "dagster_home" / "dagster.yaml").write_text(json.dumps(settings))
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster_home")) as instance:
        daemon = Daemon(instance)

        def crash(first_try: str | None = None) -> str:
            run = instance.create_run_for_job(
                refused_job,
                status=dg.DagsterRunStatus.STARTED,
                parent_run_id=first_try,
                root_run_id=first_try,
                tags={"dagster/root_run_id": first_try} if first_try else {},
            )
            instance.report_run_failed(run, "The process of the run is gone.")
            return run.run_id

        first_try = crash()
        assert daemon.tick() == []
        crash(first_try)
        (message,) = daemon.tick()
        assert message.text.endswith("The process of the run is gone.")
        # A step that fails is no crash: nothing retries its run, so it is told at once.
        daemon.fail()
        assert len(daemon.tick()) == 1


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

"""What every remote backend promises: EMR with a cluster of its own or one that is there, Docker, Databricks.

The control planes are fakes on the loopback interface, the clients and the jobs are real.
"""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from resources.compute import PlatformUnavailable, Polling
from tests.resources.compute.backend_runs import CHECK, DAY, KEY, Work, asset_over, run_over
from tests.resources.compute.remote_platforms import (
    Platform,
    backend_of,
    container_serving,
    databricks_serving,
    emr_serving,
)
from tests.resources.compute.reporting_job import MINUTE, ROWS

pytestmark = [pytest.mark.materialise, pytest.mark.services]

TOKEN = "quintet-12345678-0123456789abcdef0123456789abcdef"


@pytest.fixture(params=["emr", "emr on a cluster that is there", "container", "databricks"])
def platform(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    folder = tmp_path / "platform"
    folder.mkdir()
    serving = {
        "emr": emr_serving,
        "emr on a cluster that is there": lambda *given: emr_serving(*given, own_cluster=False),
        "container": container_serving,
        "databricks": databricks_serving,
    }[request.param]
    with serving(folder, monkeypatch) as served:
        yield served


def polling(between: Callable[[], None] = lambda: None) -> Polling:
    """Look every 50 ms, and do something in between."""

    def sleep(_: float) -> None:
        between()
        time.sleep(0.05)

    return Polling(patience=0, longest=10 * MINUTE, sleep=sleep)


def once_started(work: Work, act: Callable[[], None]) -> Callable[[], None]:
    """Act once, when the job has said that it runs."""
    waiting = [act]

    def look() -> None:
        if waiting and work.starts:
            waiting.pop()()

    return look


def test_metadata_check_and_metrics_of_the_job_arrive(platform: Platform, tmp_path: Path) -> None:
    recorded = run_over(backend_of(platform, polling()), Work(tmp_path))
    assert recorded.result.success, recorded.failure
    (materialisation,) = recorded.materialisations
    assert (materialisation.asset_key, materialisation.partition) == (KEY, DAY)
    assert materialisation.metadata["dagster/row_count"] == dg.IntMetadataValue(ROWS)
    assert materialisation.metadata["day"] == dg.TextMetadataValue(DAY)
    assert materialisation.metadata["compute"] == dg.TextMetadataValue(platform.name)
    assert (materialisation.tags or {})["dagster/data_version"] == "v1"
    (check,) = recorded.result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == (CHECK, False, dg.AssetCheckSeverity.WARN)
    (metrics,) = recorded.messages
    assert isinstance(metrics, dict)
    assert metrics["records_read"] == 20
    assert "the job is at work" in recorded.log


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("silent", "reported nothing at all"),
        ("fail", " failed: "),
    ],
)
def test_a_job_that_does_not_end_well_and_report_fails_and_materialises_nothing(
    platform: Platform, tmp_path: Path, behaviour: str, sentence: str
) -> None:
    recorded = run_over(backend_of(platform, polling()), Work(tmp_path, behaviour))
    assert not recorded.result.success
    assert sentence in recorded.failure
    assert recorded.materialisations == []


def test_a_cancelled_run_stops_the_job_and_materialises_nothing(platform: Platform, tmp_path: Path) -> None:
    work = Work(tmp_path, "wait")
    interrupt = once_started(work, lambda: signal.raise_signal(signal.SIGINT))
    instance = dg.DagsterInstance.ephemeral()
    asset, _ = asset_over(lambda: backend_of(platform, polling(interrupt)), work)
    with pytest.raises(dg.DagsterExecutionInterruptedError):
        dg.materialize([asset], partition_key=DAY, instance=instance)
    assert len(work.starts) == 1
    assert not Path(f"/proc/{work.starts[0]}").exists()
    (outcome,) = platform.outcomes()
    assert outcome in ("CANCELLED", "exited 130", "CANCELED")
    assert instance.get_latest_materialization_event(KEY) is None


def test_a_job_that_runs_on_is_adopted_and_not_started_twice(platform: Platform, tmp_path: Path) -> None:
    work = Work(tmp_path, "wait")

    def lose_connection() -> None:
        raise PlatformUnavailable("The network is down.")

    lost = run_over(backend_of(platform, polling(once_started(work, lose_connection))), work, TOKEN)
    assert "The network is down." in lost.failure
    assert len(platform.outcomes()) == 1

    recorded = run_over(backend_of(platform, polling(work.until.touch)), work, TOKEN)
    assert recorded.result.success, recorded.failure
    assert "Adopted the job" in recorded.log
    assert len(work.starts) == 1
    (materialisation,) = recorded.materialisations
    assert materialisation.metadata["dagster/row_count"] == dg.IntMetadataValue(ROWS)


def test_a_job_that_failed_is_started_again_and_its_report_forgotten(
    platform: Platform, tmp_path: Path
) -> None:
    failed = run_over(backend_of(platform, polling()), Work(tmp_path, "fail"), TOKEN)
    assert not failed.result.success
    silent = run_over(backend_of(platform, polling()), Work(tmp_path, "no result"), TOKEN)
    assert "reported no result" in silent.failure
    assert len(platform.outcomes()) == 2

"""The launch token: one for each step of a run and partition, whatever the attempt."""

import re

import dagster as dg
import pytest

from resources.compute import launch_token

pytestmark = pytest.mark.materialise

DAYS = ("2025-01-15", "2025-01-16")
RUN = "0c82b9d8-ebe1-4841-aff2-930a77fb5142"
OTHER_RUN = "0c82b9d8-0000-4841-aff2-930a77fb5142"


def tokens(run_id: str = RUN, day: str = DAYS[0], attempts: int = 1, tags: dict[str, str] | None = None):
    """The tokens of the steps `first` and `second` of a run, for each attempt."""
    seen: dict[str, list[str]] = {}

    def body(context: dg.AssetExecutionContext) -> None:
        mine = seen.setdefault(context.asset_key.to_user_string(), [])
        mine.append(launch_token(context))
        if len(mine) < attempts:
            raise dg.RetryRequested(max_retries=attempts)

    days = dg.StaticPartitionsDefinition(DAYS)
    policy = dg.BackfillPolicy.single_run()

    @dg.asset(partitions_def=days, backfill_policy=policy)
    def first(context: dg.AssetExecutionContext) -> None:
        body(context)

    @dg.asset(partitions_def=days, backfill_policy=policy)
    def second(context: dg.AssetExecutionContext) -> None:
        body(context)

    job = dg.Definitions([first, second]).resolve_implicit_global_asset_job_def()
    partition = None if tags else day
    assert job.execute_in_process(run_id=run_id, partition_key=partition, tags=tags).success
    return seen


def test_every_attempt_has_the_same_token() -> None:
    first, again = tokens(attempts=2)["first"]
    assert first == again == tokens()["first"][0]


def test_another_run_step_or_partition_has_another_token() -> None:
    seen = tokens()
    found = {
        *seen["first"],
        *seen["second"],
        *tokens(run_id=OTHER_RUN)["first"],
        *tokens(day=DAYS[1])["first"],
        *tokens(
            tags={
                "dagster/asset_partition_range_start": DAYS[0],
                "dagster/asset_partition_range_end": DAYS[1],
            }
        )["first"],
    }
    assert len(found) == 5


def test_a_token_is_short_and_plain_and_shows_the_run() -> None:
    (token,) = tokens()["first"]
    assert re.fullmatch(r"quintet-0c82b9d8-[0-9a-f]{32}", token)

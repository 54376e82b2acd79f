"""Manifests of transform runs of 2025-01-15; times are hours since its midnight in Los Angeles."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from assets.dwh.coverage import Gap
from assets.dwh.intervals import Interval
from assets.dwh.paths import Location, TransformedImages
from assets.dwh.transform_manifests import PrefixCoverage, TransformManifest, TransformOutput

PACIFIC = "America/Los_Angeles"
DAY = date(2025, 1, 15)
MIDNIGHT = datetime(2025, 1, 15, 8, tzinfo=UTC)
TRANSFORMED = TransformedImages(Location.parse("s3://dwh-data/transformed_images"), PACIFIC)


def hour(number: float) -> datetime:
    return MIDNIGHT + timedelta(hours=number)


def hours(start: float, end: float) -> Interval:
    return Interval(start=hour(start), end=hour(end))


def output(run_id: str, day: date = DAY, category: Any = "nautilus", records: int = 1) -> TransformOutput:
    path = TRANSFORMED.rows(category, day, run_id).uri("s3")
    return TransformOutput(category=category, day=day, path=path, records=records)


def transform_run(
    run_id: str,
    window: Interval | None = None,
    missing: tuple[Interval, ...] = (),
    **changes: Any,
) -> TransformManifest:
    """A success of the whole day, created at its end, with one output of the day."""
    window = window or hours(0, 24)
    gaps = tuple(Gap(start=gap.start, end=gap.end, reason="missing_prefix") for gap in missing)
    run = TransformManifest(
        run_id=run_id,
        status="SUCCESS",
        day=DAY,
        timezone=PACIFIC,
        created_at=hour(24),
        window=window,
        source_timestamp=window.end,
        outputs=(output(run_id),),
        coverage=PrefixCoverage(gaps=gaps),
    )
    return TransformManifest.model_validate(dict(run) | changes)


WINDOWS = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(lambda ends: hours(min(ends), max(ends)))


def _run(number: int, window: Interval | None, **changes: Any) -> TransformManifest:
    return transform_run(f"r{number}", **changes).model_copy(update={"window": window})


RUNS = st.builds(
    _run,
    st.integers(0, 9),
    st.none() | WINDOWS,
    status=st.sampled_from(["SUCCESS", "SUCCESS", "PENDING_APPROVAL", "FAILED"]),
    day=st.sampled_from([DAY, DAY + timedelta(days=1)]),
    created_at=st.integers(0, 2).map(hour),
)
RUN_SETS = st.lists(RUNS, max_size=6, unique_by=lambda run: run.run_id)

"""The manifest of a filter run of 2025-01-15 that read six rows and wrote four."""

from assets.dwh.coverage import Coverage
from assets.dwh.filter_manifests import (
    Context,
    FilterInput,
    FilterManifest,
    FilterOutput,
    LineageEntry,
    TriggeredBy,
)
from tests.assets.dwh.transform_runs import DAY, PACIFIC, hour, hours

FILTERED = FilterOutput(
    path="s3://b/f1", files=2, record_count=4, bytes_written=10, duplicates_removed=2, null_key_records=1
)
FILTER_MANIFEST = FilterManifest(
    run_id="f1",
    status="SUCCESS",
    context=Context(timezone=PACIFIC, day=DAY, day_start_utc=hour(0)),
    triggered_by=TriggeredBy(job_name="transform_images", job_run_id="r1", output_path="s3://b/t"),
    coverage=Coverage(cumulative_range=hours(0, 24)),
    input=FilterInput(transform_record_count=6),
    output=FILTERED,
    lineage=(
        LineageEntry(run_id="f1", transform_run_id="r1", source_timestamp=hour(24), records_contributed=4),
    ),
)

"""The demo of dwh: the day on which summer time begins, from raw records to the deduplicated day."""

import sys
from datetime import date
from typing import Final

from rich.table import Table

from assets.dwh.filter_manifests import FilterManifest
from assets.dwh.paths import FilteredImages, Location, TransformedImages
from assets.dwh.transform_manifests import TransformManifest
from resources.home import quintet_home
from resources.object_store import LocalObjectStore
from resources.warehouse import DuckDBWarehouse
from scripts.demos.steps import Guide, Result

TITLE: Final = "raw image records to one row per picture"

DAY: Final = date(2025, 3, 9)
ZONE: Final = "America/Los_Angeles"
BUCKET: Final = "dwh-data"
PROMOTIONS: Final = "dw_core.d_promotion_3_0"

ASSETS: Final = ("transformed_images", "filtered_images", "promotions")


def demonstrate(guide: Guide) -> Result:
    """Sample inputs, the three assets of the day through Dagster, and what the manifests say."""
    python = [sys.executable, "-m"]
    guide.run("raw records, promotion extract", [*python, "scripts.sample_data", "dwh", "--day", str(DAY)])
    materialise = [*python, "dagster", "asset", "materialize", "-f", "definitions.py"]
    selection = ",".join(f"dwh/{name}" for name in ASSETS)
    guide.run(
        f"transform, filter, promotions, {DAY}",
        [*materialise, "--select", selection, "--partition", str(DAY)],
    )
    home = quintet_home()
    store = LocalObjectStore(root=str(home / "storage"))
    filtered = FilteredImages(Location(BUCKET, "filtered_images"), ZONE)
    pointer = filtered.pointer(DAY)
    manifest = FilterManifest.read(pointer.key, store.read_bytes(pointer.bucket, pointer.key))
    warehouse = DuckDBWarehouse(path=str(home / "warehouse" / "quintet.duckdb")).reading()
    return Result(
        _day(_newest_transform(store, filtered.transformed_images(), manifest), manifest),
        [
            f"{PROMOTIONS}: {warehouse.count(PROMOTIONS):,} promotions.",
            f"Files: {home / 'storage' / BUCKET}",
        ],
    )


def _newest_transform(
    store: LocalObjectStore, places: TransformedImages, current: FilterManifest
) -> TransformManifest:
    """The manifest of the newest transform run that the day was made of."""
    place = places.manifest(DAY, max(entry.transform_run_id for entry in current.lineage))
    return TransformManifest.read(place.key, store.read_bytes(place.bucket, place.key))


def _day(transformed: TransformManifest, filtered: FilterManifest) -> Table:
    """What became of the records of the day, from the raw data to the output that its pointer names."""
    table = Table("", "records", title=f"dwh: {DAY} in {ZONE}", title_justify="left")
    table.add_row(f"read by {transformed.run_id}", f"{transformed.records_read:,}")
    for reason in transformed.dropped.reasons if transformed.dropped else ():
        table.add_row(f"  dropped: {reason.reason}", f"{reason.count:,}")
    table.add_row("  written", f"{transformed.records_written:,}")
    others = transformed.late_records + transformed.early_records
    table.add_row("  of which of other days", f"{others:,}", end_section=True)
    if filtered.output is not None:
        table.add_row(f"read by {filtered.run_id}", f"{filtered.input.transform_record_count:,}")
        table.add_row("  duplicates removed", f"{filtered.output.duplicates_removed:,}")
        table.add_row("  without a media id, kept", f"{filtered.output.null_key_records:,}")
        table.add_row("  in the day", f"{filtered.output.record_count:,}", end_section=True)
    for gap in filtered.coverage.gaps:
        table.add_row(f"{gap.reason}, {gap.start:%H:%M} to {gap.end:%H:%M} UTC", "")
    return table

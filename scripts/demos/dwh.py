"""The demo of dwh: the day on which summer time begins, from raw records to the deduplicated day."""

import sys
from datetime import date

from rich.table import Table

from assets.dwh.filter_manifests import FilterManifest
from assets.dwh.paths import FilteredImages, Location, TransformedImages
from assets.dwh.transform_manifests import TransformManifest
from resources.home import quintet_home
from resources.object_store import LocalObjectStore
from resources.warehouse import DuckDBWarehouse
from scripts.demos.steps import Step, console, run_step

DAY = date(2025, 3, 9)
ZONE = "America/Los_Angeles"
BUCKET = "dwh-data"
PROMOTIONS = "dw_core.d_promotion_3_0"

ASSETS = ("transformed_images", "filtered_images", "promotions")


def demonstrate() -> list[Step]:
    """Sample inputs, the three assets of the day through Dagster, and what the manifests say."""
    console.rule("dwh: raw image records to one row per picture")
    python = [sys.executable, "-m"]
    steps = [
        run_step(
            "raw records, promotion extract", [*python, "scripts.sample_data", "dwh", "--day", str(DAY)]
        ),
        run_step(
            f"transform, filter, promotions, {DAY}",
            [
                *python,
                *("dagster", "asset", "materialize", "-f", "definitions.py"),
                *("--select", ",".join(f"dwh/{name}" for name in ASSETS), "--partition", str(DAY)),
            ],
        ),
    ]
    home = quintet_home()
    store = LocalObjectStore(root=str(home / "storage"))
    filtered = FilteredImages(Location(BUCKET, "filtered_images"), ZONE)
    pointer = filtered.pointer(DAY)
    manifest = FilterManifest.read(pointer.key, store.read_bytes(pointer.bucket, pointer.key))
    _show_transform(store, filtered.transformed_images(), manifest)
    _show_filter(manifest)
    warehouse = DuckDBWarehouse(path=str(home / "warehouse" / "quintet.duckdb")).reading()
    console.print(
        f"{PROMOTIONS}: {warehouse.count(PROMOTIONS):,} promotions. Files: {home / 'storage' / BUCKET}"
    )
    return steps


def _show_transform(store: LocalObjectStore, places: TransformedImages, current: FilterManifest) -> None:
    """The transform run of the day: what became of its records."""
    newest = max(entry.transform_run_id for entry in current.lineage)
    place = places.manifest(DAY, newest)
    manifest = TransformManifest.read(place.key, store.read_bytes(place.bucket, place.key))
    table = Table("records", "", title=f"{manifest.run_id}: {manifest.status}", title_justify="left")
    table.add_row("read", f"{manifest.records_read:,}")
    table.add_row("written", f"{manifest.records_written:,}")
    table.add_row("of other days", f"{manifest.late_records + manifest.early_records:,}")
    for reason in manifest.dropped.reasons if manifest.dropped else ():
        table.add_row(reason.reason, f"{reason.count:,}")
    console.print(table)


def _show_filter(manifest: FilterManifest) -> None:
    """The manifest that the pointer of the day names."""
    output = manifest.output
    if output is None:
        return
    table = Table("filtered", "", title=f"{manifest.run_id}: {manifest.status}", title_justify="left")
    table.add_row("rows", f"{output.record_count:,}")
    table.add_row("duplicates removed", f"{output.duplicates_removed:,}")
    table.add_row("rows without a media id", f"{output.null_key_records:,}")
    table.add_row("transform runs", f"{len(manifest.lineage)}")
    for gap in manifest.coverage.gaps:
        table.add_row(gap.reason, f"{gap.start:%H:%M} to {gap.end:%H:%M} UTC")
    console.print(table)

"""What several stages read besides the tables of earlier ones: reference tables, events, keys of sizes.

Each is brought up to date at most once in a run, by the first stage that needs it. On an embedded warehouse
reference tables and events come from files; a cloud has them already. Not here: the feeds (`loading`).
"""

from typing import Final

import polars as pl

from assets.aim import events
from assets.aim.reference import ReferenceFile, read_reference
from assets.aim.sizes import size_keys
from assets.aim.stages.run import Run
from assets.aim.tables import EVENT_ITEMS, EVENTS, ITEM_VIEWS, LIST_HISTORY, LISTS, SCHEMAS, SIZE_KEYS
from assets.failures import PermanentFailure

_SCORING: Final = 3


def refresh_reference(run: Run, *files: ReferenceFile) -> None:
    """Bring reference tables in line with their files, which may be missing."""
    for file in files:
        if not run.is_embedded and not run.has(file.table):
            raise PermanentFailure(
                f"{run.tables[file.table]} does not exist; make it, with the columns of {file.path}, or name "
                "another dataset"
            )
        if not run.is_embedded or not run.first_time(file.path):
            continue
        with run.places.files.opened(file.path) as stream:
            table = read_reference(file, stream)
        for warning in table.warnings:
            run.log.warning("%s", warning)
        run.load(file.table, table.frame)


def reference_rows(run: Run, file: ReferenceFile) -> pl.DataFrame:
    """The rows of a reference table; in a dry run those that its file would give."""
    if run.is_embedded and run.settings.dry_run:
        with run.places.files.opened(file.path) as stream:
            return read_reference(file, stream).frame
    return run.warehouse.rows(run.tables[file.table])


def refresh_event_items(run: Run) -> None:
    """Collect what was viewed and bought in the days that a run looks at, for all stages at once."""
    # Under Dagster Stage 9 may be another process than Stage 3, which has collected them for the same run.
    if not run.first_time(EVENT_ITEMS) or _SCORING in run.book.done_stages:
        return
    name = "collect_event_items" if run.is_embedded else "collect_ga4_event_items"
    if run.is_embedded:
        _load_events(run)
    elif not run.settings.ga4_dataset:
        run.log.warning("AIM_GA4_DATASET is not set: the run knows no views and no purchases")
        for table in (ITEM_VIEWS, EVENT_ITEMS):
            run.load(table, pl.DataFrame(schema=dict.fromkeys(SCHEMAS[table])))
        return
    run.execute([name], [ITEM_VIEWS, EVENT_ITEMS], {"run_date": run.run_date})


def refresh_size_keys(run: Run, listing: str) -> None:
    """Fill the working table of size keys for the size texts that a SQL file lists."""
    if run.settings.dry_run:
        run.sql(listing)
        run.plan_write(SIZE_KEYS)
        return
    texts = run.query(listing)
    run.load(SIZE_KEYS, texts.hstack(size_keys(texts["Size"])).drop_nulls("size_key"))


def refresh_published_size_keys(run: Run) -> None:
    """Fill the working table of size keys for all lists that were ever published."""
    run.make(LISTS, LIST_HISTORY)
    refresh_size_keys(run, "list_published_sizes")


def _load_events(run: Run) -> None:
    with run.places.files.opened(events.PATH) as stream:
        if stream is None:
            run.log.warning("%s does not exist: %s is empty", events.PATH, EVENTS)
            run.load(EVENTS, pl.DataFrame(schema=events.EVENT_SCHEMA))
            return
        left_out = run.load_json_lines(EVENTS, stream)
    if left_out:
        run.log.warning("%s: %s lines were left out because they are no events", events.PATH, f"{left_out:,}")

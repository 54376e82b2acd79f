"""Stage 4: recommendations for the CAMs of a run, and their publishing when enough of them are good."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import polars as pl

from assets.aim.costs import cost_report
from assets.aim.pictures import slot_picture
from assets.aim.publication import (
    PUBLISHING_SCRIPTS,
    cam_sku_csv,
    last_modified,
    publish_refusal,
    results_csv,
    staged_lists,
)
from assets.aim.reference import VEHICLE_MAPPING
from assets.aim.results import Publishable, publishable
from assets.aim.slots import EMPTY, SLOTS
from assets.aim.stages.asking import (
    Tally,
    ask,
    cams_by_segment,
    journal_for,
    read_work_list,
    scored_products,
)
from assets.aim.stages.inputs import refresh_published_size_keys, refresh_reference
from assets.aim.stages.outcomes import Fact, Outcome
from assets.aim.stages.run import Run
from assets.aim.tables import CAM_SKU, LIST_HISTORY, LISTS, SCORES, STAGED_CAM_SKU, STAGED_LISTS
from assets.facts import Markdown
from assets.failures import PermanentFailure
from resources.waves import HttpWaves, Usage

BEST: Final = "1.BEST TYRE SCORE"
COST_REPORT: Final = "output/cost_report.json"


@dataclass(frozen=True, slots=True)
class Recommended(Outcome):
    """A finished Stage 4: how many CAMs it attempted, and how many lists it published."""

    attempted: int = 0
    succeeded: int = 0


class PublishedNothing(PermanentFailure):
    """Too few answers were good; no table has changed."""

    def __init__(self, sentence: str, tally: Tally, failures: Mapping[str, int]) -> None:
        super().__init__(sentence)
        self.tally = tally
        self.failures = failures


def recommend(run: Run) -> Recommended:
    """Ask for the CAMs of the run, and publish what may be shown, or nothing.

    Raises:
        PublishedNothing: the share of good answers is below `AIM_MIN_SUCCESS_RATIO`.
    """
    _refuse_filled_lists(run)
    needs_runlist = run.settings.run_mode == "GLOBAL" or not isinstance(run.waves, HttpWaves)
    cams = (
        read_work_list(run).cams
        if needs_runlist
        else pl.DataFrame(schema={"Vehicle": pl.String, "Size": pl.String})
    )
    refresh_reference(run, VEHICLE_MAPPING)
    if run.settings.dry_run:
        return _say_what_would_be_done(run, cams)
    # A table that cannot be published into is found before anything is paid for.
    run.make(*filter(run.has, (LISTS, LIST_HISTORY, CAM_SKU)))
    products = scored_products(run)
    found, tally, cost = _answers(run, cams, products["ProductId"])
    limit = run.settings.min_success_ratio
    if sentence := publish_refusal(tally.attempted, tally.succeeded, limit, found.failures):
        raise PublishedNothing(sentence, tally, found.failures)
    for code, count in found.failures.items():
        run.log.warning("%s: %s CAMs are not published", code, f"{count:,}")
    changes = _publish(run, found.rows)
    facts = {
        "attempted": tally.attempted,
        "succeeded": tally.succeeded,
        "failed": tally.attempted - tally.succeeded,
        "failures_by_error_code": _counts(found.failures, "error_code"),
        "estimated_cost_gbp": cost,
        **_list_facts(found.rows, products),
    }
    return Recommended(
        run.count(LIST_HISTORY),
        {LIST_HISTORY: facts | changes[LIST_HISTORY], CAM_SKU: changes[CAM_SKU]},
        f"{tally.succeeded:,} of {tally.attempted:,} CAMs",
        attempted=tally.attempted,
        succeeded=tally.succeeded,
    )


def _refuse_filled_lists(run: Run) -> None:
    if run.settings.write_disposition == "WRITE_EMPTY" and run.has(LISTS) and run.count(LISTS):
        raise PermanentFailure(
            f"{run.tables[LISTS]} has rows, and AIM_BQ_WRITE_DISPOSITION=WRITE_EMPTY publishes only into an "
            "empty table; empty it, or choose WRITE_TRUNCATE or WRITE_APPEND"
        )


def _answers(run: Run, cams: pl.DataFrame, known_ids: pl.Series) -> tuple[Publishable, Tally, float]:
    """The answers of the service, what of them may be published, and what they cost in GBP."""
    tally = Tally()
    journal = journal_for(run, known_ids, tally)
    try:
        judged = ask(run, cams, known_ids, journal)
        found = publishable(judged)
        tally.attempted, tally.succeeded = judged.height - found.duplicates, found.rows.height
    finally:
        # Money was spent, whatever becomes of the answers.
        run.book.http_requests(journal.http_requests())
        cost = _report_cost(run, journal.usage, tally)
    for problem, count in journal.problems.items():
        run.log.warning("%s (%s times)", problem, f"{count:,}")
    if journal.surplus_answers:
        run.log.warning("%s answers belonged to no CAM and were dropped", f"{journal.surplus_answers:,}")
    run.book.progress(tally.attempted, tally.succeeded)
    return found, tally, cost


def _report_cost(run: Run, usage: Usage, tally: Tally) -> float:
    report = cost_report(
        timestamp=run.now(),
        run_id=run.run_id,
        mode=run.settings.run_mode,
        units={"cams_attempted": tally.attempted, "cams_succeeded": tally.succeeded},
        usage={
            "prompt_token_count": usage.prompt_token_count,
            "candidates_token_count": usage.candidates_token_count,
            "total_token_count": usage.total_token_count,
        },
        price_input_gbp_per_m=run.settings.price_input_gbp_per_m,
        price_output_gbp_per_m=run.settings.price_output_gbp_per_m,
    )
    run.write(COST_REPORT, f"{json.dumps(report, indent=2)}\n".encode())
    run.book.report(report)
    return report["estimated_cost_gbp"]


def _publish(run: Run, rows: pl.DataFrame) -> dict[str, dict[str, Fact]]:
    """Replace the lists of the run date and bring CAM_SKU in line, in one transaction; then write the files.

    What changes, by table, as it was found before.
    """
    modified = last_modified(run.run_date)
    run.load(STAGED_LISTS, staged_lists(rows))
    run.execute(["stage_cam_sku"], [STAGED_CAM_SKU])
    refresh_published_size_keys(run)
    run.make(CAM_SKU)
    changes = {
        LIST_HISTORY: run.query("compare_lists").row(0, named=True),
        CAM_SKU: run.query("count_cam_sku", {"last_modified": modified}).row(0, named=True),
    }
    run.execute(
        _scripts(run), [LISTS, LIST_HISTORY, CAM_SKU], {"run_date": run.run_date, "last_modified": modified}
    )
    run.write(_output(run, "results"), results_csv(rows))
    run.write(_output(run, "cam_sku"), cam_sku_csv(rows, modified))
    run.book.output_file(PurePosixPath(_output(run, "results")).name)
    return changes


def _scripts(run: Run) -> list[str]:
    return [*PUBLISHING_SCRIPTS[run.settings.write_disposition], "merge_cam_sku"]


def _output(run: Run, what: str) -> str:
    return f"output/{what}_{run.run_id}.csv"


def _list_facts(rows: pl.DataFrame, products: pl.DataFrame) -> dict[str, Fact]:
    """What the 24 slots of the lists hold."""
    ids = rows.select(pl.concat_list(SLOTS).explode().alias("id")).filter(pl.col("id") != EMPTY)["id"]
    tiers = products.with_columns(pl.col("ProductId").cast(pl.String))
    best = tiers.filter(pl.col("TyreScore") == BEST)["ProductId"]
    filled = rows.select((pl.col(SLOTS) != EMPTY).mean()).row(0)
    return {
        "distinct_skus": ids.n_unique(),
        "share_of_best": round(int(ids.is_in(best.implode()).sum()) / max(1, ids.len()), 4),
        "picture": Markdown(slot_picture(filled)),
    }


def _counts(counts: Mapping[str, int], name: str) -> pl.DataFrame:
    return pl.DataFrame(
        {name: list(counts), "count": list(counts.values())}, {name: pl.String, "count": pl.Int64}
    )


def _say_what_would_be_done(run: Run, cams: pl.DataFrame) -> Recommended:
    is_embedded = not isinstance(run.waves, HttpWaves)
    if is_embedded:
        run.require("Stage 3", SCORES)
    if run.will_have(SCORES):
        run.sql("list_scored_products")
    if is_embedded:
        run.sql("read_scores")
    expected = _say_what_would_be_asked(run, cams, is_embedded)
    run.plan_write(STAGED_LISTS, expected)
    run.execute(["stage_cam_sku"], [STAGED_CAM_SKU])
    refresh_published_size_keys(run)
    for query in ("compare_lists", "count_cam_sku"):
        run.sql(query)
    run.execute(_scripts(run), [LISTS, LIST_HISTORY, CAM_SKU], expected=expected)
    for path in (_output(run, "results"), _output(run, "cam_sku"), COST_REPORT):
        run.log.info("DRY RUN: would write %s", path)
    return Recommended(0)


def _say_what_would_be_asked(run: Run, cams: pl.DataFrame, is_embedded: bool) -> int | None:
    """How many CAMs a dry run would ask for, where that is known: a service has its own CAMs of a segment."""
    settings = run.settings
    wanted, total = settings.limit_segments, settings.total_per_segment
    if settings.run_mode == "GLOBAL":
        count, batches = cams.height, math.ceil(cams.height / settings.batch_size)
    elif is_embedded:
        sizes = [len(own) for name, own in cams_by_segment(run, cams).items() if not wanted or name in wanted]
        count = sum(min(size, total) for size in sizes)
        batches = len(sizes) * math.ceil(total / settings.page_size)
    else:
        run.log.info(
            "DRY RUN: would call Waves for up to %s CAMs of %s in batches of %s",
            total, ", ".join(wanted) or "every segment", settings.page_size,
        )  # fmt: skip
        return None
    run.log.info("DRY RUN: would call Waves for %s CAMs in %s batches", count, batches)
    return count

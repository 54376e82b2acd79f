"""The assets of aim: one op per stage, over the same stage functions as the command line.

Two assets that are published in one transaction are one op. Whichever of them a run selects, both are made,
and both are recorded.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final, Literal

import dagster as dg
from pydantic import Field

from assets.aim.checks import CLAIM_CHECKS, SUCCESS_RATIO_IS_ENOUGH, claim_results
from assets.aim.partitions import ZONE, run_dates
from assets.aim.stages.recommending import PublishedNothing, Recommended
from assets.aim.stages.reporting import ClaimsBroken, Validated
from assets.aim.steps import (
    DEFAULT_RUN_MODE,
    RECOMMENDER,
    TABLES,
    asset_key,
    judge_last_run,
    stage_step,
)
from assets.aim.tables import SCHEMAS
from resources.object_store import ObjectStore
from resources.warehouse import Warehouse
from resources.waves import Waves

GROUP: Final = "aim"
POOL: Final = "aim"

# The runs of Tuesdays and Fridays begin at six; by nine the lists and reports of the day are there.
_ON_RUN_DAYS: Final = dg.FreshnessPolicy.cron("0 9 * * 2,5", timedelta(hours=9), ZONE)


class RecommenderConfig(dg.Config):
    """How Stage 4 asks for recommendations; every other setting comes from environment and configuration."""

    run_mode: Literal["GLOBAL", "PER_SEGMENT"] = Field(
        default=DEFAULT_RUN_MODE,
        description="GLOBAL: the runlist in rank order. PER_SEGMENT: the predecessor's pages per segment.",
    )


def _spec(name: str, description: str, reads: Sequence[str] = ()) -> dg.AssetSpec:
    key = asset_key(name)
    table = TABLES[key]
    columns = [dg.TableColumn(column, kind) for column, kind in SCHEMAS[table].items()]
    return dg.AssetSpec(
        key,
        deps=[asset_key(read) for read in reads],
        description=description,
        group_name=GROUP,
        kinds={"googlesql"},
        partitions_def=run_dates,
        skippable=True,
        freshness_policy=_ON_RUN_DAYS,
        metadata={
            "dagster/column_schema": dg.TableSchema(columns),
            "dagster/table_name": table,
        },
    )


def _stage_op(
    name: str, specs: Sequence[dg.AssetSpec], checks: Sequence[dg.AssetCheckSpec] = ()
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    return dg.multi_asset(
        name=name,
        specs=specs,
        check_specs=checks,
        can_subset=len(specs) > 1,
        partitions_def=run_dates,
        pool=POOL,
    )


@_stage_op(
    "load_data",
    [
        _spec("car_sales", "Sales of tyres by product and vehicle: the daily feed, replaced whole."),
        _spec("tyre_feed", "Tyres with their labels and prices: the daily feed, replaced whole."),
    ],
)
def load_data(
    context: dg.AssetExecutionContext, object_store: ObjectStore, warehouse: Warehouse, waves: Waves
) -> Iterator[dg.MaterializeResult]:
    """Stage 1: read and judge both feeds, then replace both tables."""
    with stage_step(context, object_store, warehouse, waves) as step:
        yield from step.results(step.perform())


@_stage_op(
    "tyre_scores",
    [
        _spec(
            "tyre_scores",
            "Tier, price zone, shares and click rate of every product, for each vehicle it was sold to.",
            ["car_sales", "tyre_feed"],
        )
    ],
)
def tyre_scores(
    context: dg.AssetExecutionContext, object_store: ObjectStore, warehouse: Warehouse, waves: Waves
) -> Iterator[dg.MaterializeResult]:
    """Stage 3: score every product."""
    with stage_step(context, object_store, warehouse, waves) as step:
        yield from step.results(step.perform())


@_stage_op(
    RECOMMENDER,
    [
        _spec(
            "recommendations",
            "The 24 products of every CAM of the runlist, by run date; the shop shows the greatest date.",
            ["tyre_scores"],
        ),
        _spec("cam_sku", "The last good list of every CAM, gapless: merged, never emptied.", ["tyre_scores"]),
    ],
    [SUCCESS_RATIO_IS_ENOUGH],
)
def batch_recommender(
    context: dg.AssetExecutionContext,
    config: RecommenderConfig,
    object_store: ObjectStore,
    warehouse: Warehouse,
    waves: Waves,
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Stage 4: ask for recommendations, and publish them if enough are good."""
    if not context.selected_asset_keys:
        yield judge_last_run(context, object_store, warehouse)
        return
    is_checked = bool(context.op_execution_context.selected_asset_check_keys)
    with stage_step(context, object_store, warehouse, waves) as step:
        try:
            outcome = step.perform()
        except PublishedNothing as refused:
            if is_checked:
                yield step.success_ratio(refused.tally.attempted, refused.tally.succeeded, refused.failures)
            raise
        yield from step.results(outcome)
        if is_checked and isinstance(outcome, Recommended) and not step.is_dry_run:
            yield step.success_ratio(outcome.attempted, outcome.succeeded)


@_stage_op(
    "validation_report",
    [
        _spec(
            "validation_report",
            "What is claimed of the published lists, and how many break each claim.",
            ["recommendations", "tyre_scores"],
        )
    ],
    CLAIM_CHECKS,
)
def validation_report(
    context: dg.AssetExecutionContext, object_store: ObjectStore, warehouse: Warehouse
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Stage 5: judge the published lists; a broken claim of severity error stops the later stages."""
    with stage_step(context, object_store, warehouse) as step:
        try:
            outcome = step.perform()
        except ClaimsBroken as broken:
            yield from step.results(broken.outcome)
            yield from claim_results(broken.outcome.claims)
            raise
        yield from step.results(outcome)
        if isinstance(outcome, Validated) and not step.is_dry_run:
            yield from claim_results(outcome.claims)


@_stage_op(
    "analysis",
    [
        _spec(
            "analysis",
            "The published lists, one row per CAM with the names of its products.",
            ["recommendations", "validation_report"],
        )
    ],
)
def analysis(
    context: dg.AssetExecutionContext, object_store: ObjectStore, warehouse: Warehouse
) -> Iterator[dg.MaterializeResult]:
    """Stage 6: the analysis table."""
    with stage_step(context, object_store, warehouse) as step:
        yield from step.results(step.perform())


@_stage_op(
    "token_fact",
    [
        _spec(
            "token_fact",
            "The published lists, one row per filled slot.",
            ["recommendations", "validation_report"],
        )
    ],
)
def token_fact(
    context: dg.AssetExecutionContext, object_store: ObjectStore, warehouse: Warehouse
) -> Iterator[dg.MaterializeResult]:
    """Stage 7: the fact table of the dashboards."""
    with stage_step(context, object_store, warehouse) as step:
        yield from step.results(step.perform())


@_stage_op(
    "output_core",
    [
        _spec(
            "override_file",
            "The published lists as the shop's override file, one row per CAM.",
            ["recommendations", "validation_report"],
        ),
        _spec(
            "size_file",
            "The products most shown for each size, laid onto 60 slots.",
            ["recommendations", "validation_report"],
        ),
    ],
)
def output_core(
    context: dg.AssetExecutionContext, object_store: ObjectStore, warehouse: Warehouse
) -> Iterator[dg.MaterializeResult]:
    """Stage 8: the override file and the size file, in one transaction."""
    with stage_step(context, object_store, warehouse) as step:
        yield from step.results(step.perform())


@_stage_op(
    "merchandising_report",
    [
        _spec(
            "merchandising_report",
            "What shoppers saw and bought in the 21 days before the run date, by journey and slot.",
            ["validation_report"],
        )
    ],
)
def merchandising_report(
    context: dg.AssetExecutionContext, object_store: ObjectStore, warehouse: Warehouse
) -> Iterator[dg.MaterializeResult]:
    """Stage 9: the merchandising report."""
    with stage_step(context, object_store, warehouse) as step:
        yield from step.results(step.perform())


ASSETS: Final = (
    load_data,
    tyre_scores,
    batch_recommender,
    validation_report,
    analysis,
    token_fact,
    output_core,
    merchandising_report,
)

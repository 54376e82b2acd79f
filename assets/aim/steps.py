"""One stage of a run as Dagster carries it out: where it works, its book, what is recorded of it.

Not here: the assets (`assets`), and the work itself (`stages`).
"""

from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, Final

import dagster as dg
import polars as pl

from assets.aim import tables
from assets.aim.checks import RECOMMENDATIONS, success_ratio_result
from assets.aim.job_book import JobBook
from assets.aim.pictures import LONGEST_HISTORY, history_picture
from assets.aim.publication import publish_refusal
from assets.aim.run_ids import run_id_of
from assets.aim.stages.order import booked, perform
from assets.aim.stages.outcomes import Fact, Outcome
from assets.aim.stages.run import Run
from assets.aim.stages.sites import Site, Sources, deployed_site
from assets.failures import PermanentFailure
from assets.metadata import metadata_value
from assets.retries import Patience, translated_failures
from resources.object_store import ObjectStore
from resources.warehouse import Warehouse
from resources.waves import Waves

# A feed that is late comes with the sensor; a look or two bridges the moment in which it is being replaced.
_PATIENCE: Final = Patience(looks=2, look_every=30)
# The pool lets the steps of two runs take turns, the place of their files does not: the dates of a backfill
# come one after another. A run that waits costs nothing; one that was killed counts as dead after a minute.
_PATIENCE_WITH_OTHERS: Final = Patience(looks=240, look_every=30)
_PREVIEWED_ROWS: Final = 5
_PREVIEW_ORDER: Final = {tables.LIST_HISTORY: ["position"], tables.VALIDATION_REPORT: ["claim"]}

DEFAULT_RUN_MODE: Final = "GLOBAL"
"""Of a launch that does not say; the variable `AIM_RUN_MODE` is the command line's."""

RECOMMENDER: Final = "batch_recommender"
"""The op whose launch config holds the run mode."""

STAGE_OF_OP: Final = {
    "load_data": 1,
    "tyre_scores": 3,
    RECOMMENDER: 4,
    "validation_report": 5,
    "analysis": 6,
    "token_fact": 7,
    "output_core": 8,
    "merchandising_report": 9,
}
"""By the name of the op. Stage 2 has none."""


_KINDS: Final = {pl.Int64: "int", pl.UInt32: "int", pl.Float64: "float", pl.Boolean: "bool"}


def asset_key(name: str) -> dg.AssetKey:
    """The key of an asset of aim."""
    return dg.AssetKey(["aim", name])


TABLES: Final[Mapping[dg.AssetKey, str]] = {
    asset_key("car_sales"): tables.CAR_SALES,
    asset_key("tyre_feed"): tables.TYRE_FEED,
    asset_key("tyre_scores"): tables.SCORES,
    RECOMMENDATIONS: tables.LIST_HISTORY,
    asset_key("cam_sku"): tables.CAM_SKU,
    asset_key("validation_report"): tables.VALIDATION_REPORT,
    asset_key("analysis"): tables.ANALYSIS,
    asset_key("token_fact"): tables.TOKEN_FACT,
    asset_key("override_file"): tables.OVERRIDE_FILE,
    asset_key("size_file"): tables.SIZE_FILE,
    asset_key("merchandising_report"): tables.MERCHANDISING_REPORT,
}
"""The table that each asset stands for, in the order in which a stage records them."""


@contextmanager
def stage_step(
    context: dg.AssetExecutionContext, store: ObjectStore, warehouse: Warehouse, waves: Waves | None = None
) -> Iterator["Step"]:
    """The body of an op: failures are entered into the book and translated for Dagster."""
    with translated_failures(context, _PATIENCE):
        sources = Sources(flags={"AIM_RUN_MODE": _run_mode(context)})
        site = deployed_site(sources, store, warehouse)
        with translated_failures(context, _PATIENCE_WITH_OTHERS):
            run = _run(context, site, waves)
        with booked(run):
            step = Step(context, run)
            with run.warehouse.session():
                yield step
            # Not before the warehouse is free: the end of a run lets the next one in.
            step.close_book()


def judge_last_run(
    context: dg.AssetExecutionContext, store: ObjectStore, warehouse: Warehouse
) -> dg.AssetCheckResult:
    """The publish guard on what was recorded last: a check without its asset has no run date and no book."""
    with translated_failures(context):
        limit = deployed_site(Sources(), store, warehouse).configuration.settings.min_success_ratio
        runs = _recorded_runs(context.instance, 1)
        if not runs:
            raise PermanentFailure("No recommendations are recorded yet; materialise a run date first")
        attempted, succeeded = (int(runs[0][name]) for name in ("attempted", "succeeded"))
        passed = publish_refusal(attempted, succeeded, limit, {}) is None
        return success_ratio_result(attempted, succeeded, limit, passed=passed, failures={})


def _run(context: dg.AssetExecutionContext, site: Site, waves: Waves | None) -> Run:
    """The part of a run that one step carries out; all steps of a Dagster run are one run in the book."""
    run_date = date.fromisoformat(context.partition_key)
    record = context.instance.get_run_record_by_id(context.run.run_id)
    started = record.create_timestamp if record else datetime.now(UTC)
    run_id = run_id_of(started, context.run.run_id)
    book = JobBook.open(
        run_id,
        mode=site.mode,
        dry_run=site.configuration.settings.dry_run,
        files=site.places.files,
        now=lambda: datetime.now(UTC),
        continues=not _stages_before(context).isdisjoint(_stages_of_run(context)),
    )
    book.start()
    return Run(
        configuration=site.configuration,
        run_date=run_date,
        run_id=run_id,
        started=started,
        places=site.places,
        warehouse=site.warehouse,
        waves=waves,
        book=book,
        log=context.log,
    )


def _run_mode(context: dg.AssetExecutionContext) -> str:
    """What the launch says to Stage 4; the other steps show it too, and a dry run is one step for all."""
    config: Any = context.run.run_config
    for key in ("ops", RECOMMENDER, "config"):
        config = config.get(key, {})
    return config.get("run_mode", DEFAULT_RUN_MODE)


def _stages_of_run(context: dg.AssetExecutionContext) -> frozenset[int]:
    steps = context.run.step_keys_to_execute or [node.name for node in context.job_def.nodes]
    return frozenset(STAGE_OF_OP[step] for step in steps if step in STAGE_OF_OP)


def _stages_before(context: dg.AssetExecutionContext) -> frozenset[int]:
    """The stages that Dagster has carried out before this step, if the run selects them."""
    step = context.op_execution_context.get_step_execution_context().step
    return frozenset(STAGE_OF_OP[key] for key in step.get_execution_dependency_keys())


def _recorded_runs(instance: dg.DagsterInstance, limit: int) -> list[dict[str, Any]]:
    """The numbers of the recorded runs, newest first; records that lack one are left out."""
    records = instance.fetch_materializations(RECOMMENDATIONS, limit=limit).records
    events = [record.asset_materialization for record in records]
    runs = [
        {"date": event.partition, **{name: value.value for name, value in event.metadata.items()}}
        for event in events
        if event is not None
    ]
    return [run for run in runs if {"attempted", "succeeded", "estimated_cost_gbp"} <= run.keys()]


class Step:
    """One stage of a run as Dagster carries it out."""

    def __init__(self, context: dg.AssetExecutionContext, run: Run) -> None:
        self._context = context
        self._run = run
        self._number = STAGE_OF_OP[context.op_def.name]
        self._stages = _stages_of_run(context)

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing is done, and so nothing is recorded."""
        return self._run.settings.dry_run

    def perform(self) -> Outcome:
        """Carry out the stage of this op.

        In a dry run the first stage speaks for all: behind one that records nothing Dagster skips the others.
        """
        is_first = self._number == min(self._stages)
        if is_first:
            self._say_settings()
        if self.is_dry_run:
            mine = self._with_placeholder(self._stages) if is_first else []
        else:
            mine = self._with_placeholder({self._number})
        outcome = Outcome(0)
        for number in mine:
            outcome = perform(self._run, number)
        return outcome

    def close_book(self) -> None:
        """End the run's book after its last stage."""
        book = self._run.book
        # Dagster goes on beside a stage that failed; the book of such a run ends with each stage, as failed.
        if self.is_dry_run or book.failed_stages or self._stages <= book.done_stages:
            book.finish()

    def _with_placeholder(self, stages: Set[int]) -> list[int]:
        """The stages in order. Stage 2 is a name in the book, between the stages that have assets."""
        between = {2} if {1, 3} <= self._stages and 3 in stages else set()
        return sorted(stages | between)

    def _say_settings(self) -> None:
        settings = self._run.configuration.effective().items()
        shown = "; ".join(f"{name}={value} ({origin})" for name, (value, origin) in settings)
        self._context.log.info("Settings of run %s: %s", self._run.run_id, shown)
        for warning in self._run.configuration.warnings:
            self._context.log.warning("%s", warning)

    def results(self, outcome: Outcome) -> Iterator[dg.MaterializeResult]:
        """Record every asset of the op, also one that the run did not select: it was published too."""
        if self.is_dry_run:
            return
        # The definition's own keys are those that the run selected; its outputs are all there are.
        made = self._context.assets_def.node_keys_by_output_name.values()
        for key in sorted(made, key=list(TABLES).index):
            metadata = self._metadata(TABLES[key], outcome.facts.get(TABLES[key], {}))
            if key == RECOMMENDATIONS:
                metadata |= self._history(metadata)
            if key in self._context.selected_asset_keys:
                yield dg.MaterializeResult(asset_key=key, metadata=metadata)
            else:
                self._context.log_event(
                    dg.AssetMaterialization(key, partition=self._context.partition_key, metadata=metadata)
                )

    def success_ratio(
        self, attempted: int, succeeded: int, failures: Mapping[str, int] | None = None
    ) -> dg.AssetCheckResult:
        """The result of the publish guard; with failures nothing was published."""
        limit = self._run.settings.min_success_ratio
        return success_ratio_result(
            attempted, succeeded, limit, passed=failures is None, failures=failures or {}
        )

    def _metadata(self, table: str, facts: Mapping[str, Fact]) -> dict[str, Any]:
        return {
            "dagster/row_count": self._run.count(table),
            "table": self._run.tables[table],
            "preview": _table(self._run.preview(table, _PREVIEW_ORDER.get(table, ()), _PREVIEWED_ROWS)),
            **{name: _metadata_value(fact) for name, fact in facts.items()},
        }

    def _history(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Success and cost of the last runs, this one included, and the settings with their origins."""
        runs = [
            *reversed(_recorded_runs(self._context.instance, LONGEST_HISTORY - 1)),
            {**metadata, "date": self._context.partition_key},
        ]
        points = [
            (str(run["date"]), run["succeeded"] / max(1, run["attempted"]), run["estimated_cost_gbp"])
            for run in runs
        ]
        effective = self._run.configuration.effective().items()
        settings = [
            {"variable": name, "value": value, "origin": origin} for name, (value, origin) in effective
        ]
        return {
            "run_id": self._run.run_id,
            "success_and_cost": dg.MetadataValue.md(
                history_picture(points, self._run.settings.min_success_ratio)
            ),
            "settings": _table(pl.DataFrame(settings)),
        }


def _metadata_value(fact: Fact) -> Any:
    return _table(fact) if isinstance(fact, pl.DataFrame) else metadata_value(fact)


def _table(frame: pl.DataFrame) -> dg.TableMetadataValue:
    """A frame as a table of the UI, which knows texts, numbers and booleans."""
    kinds = {name: _KINDS.get(dtype.base_type(), "string") for name, dtype in frame.schema.items()}
    plain = frame.select(
        pl.col(name) if kind != "string" else pl.col(name).cast(pl.String) for name, kind in kinds.items()
    )
    columns = [dg.TableColumn(name, kind) for name, kind in kinds.items()]
    return dg.MetadataValue.table(
        [dg.TableRecord(row) for row in plain.iter_rows(named=True)], schema=dg.TableSchema(columns)
    )

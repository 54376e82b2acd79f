"""The assets of market: one op makes all three tables, so a month is read once and passed on in memory."""

from collections.abc import Iterator, Mapping, Set
from datetime import timedelta
from functools import partial
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from assets.facts import Scalar
from assets.failures import PermanentFailure, QuintetFailure, TransientFailure
from assets.market import session_bars, training_table
from assets.market.checks import ASSET_KEYS, CHECK_SPECS, check_results
from assets.market.claims import TableName, Verdict
from assets.market.month import TABLES, MonthOutcome, MonthRequest, judge_published, make_month
from assets.market.months import BUCKET
from assets.market.partitions import months
from assets.market.published import OBJECT_KEYS
from assets.market.recipe import CODE_VERSION, DEFAULT_DECAY_REFERENCE, Recipe
from assets.market.report import MonthReport
from assets.market.session_bars import SessionSummary
from assets.metadata import as_table
from assets.parallel import available_cores, run_each
from assets.recording import Progress, Recorder
from assets.retries import translated_failures
from resources.object_store import ObjectStore, PreconditionFailed

GROUP = "market"

# The file of a month is whole once the month is over: a week later something was made of it.
_IN_THE_FIRST_WEEK = dg.FreshnessPolicy.cron("0 0 8 * *", timedelta(days=7), "America/Chicago")

_WORTH_A_RETRY = (TransientFailure, ConnectionError, TimeoutError)


class MarketMonthConfig(dg.Config):
    """How to make the months of a run."""

    rules: Literal["strict", "compat"] = Field(
        default="strict",
        description="strict: our rules; compat: the predecessor's, to compare old models with.",
    )
    duplicates: Literal["error", "last"] = Field(
        default="error",
        description="Two records of one contract and second: refuse the month, or keep the later.",
    )
    decay_reference_month: str = Field(
        default=DEFAULT_DECAY_REFERENCE,
        description="Month that the weights decay from, YYYY-MM (strict only).",
    )
    skip_unchanged: bool = Field(
        default=False,
        description="Leave a month alone that was made from this input with this config and code.",
    )
    workers: int | None = Field(
        default=None,
        description="Months at a time in a range; by default the cores this process may use.",
    )

    def recipe(self) -> Recipe:
        """What of this acts on a month's bytes; raises PermanentFailure for a month that is none."""
        try:
            return Recipe(self.rules, self.duplicates, self.decay_reference_month)
        except ValueError as error:
            raise PermanentFailure(f"Launch config of market_month: {error}") from error

    def months_at_a_time(self) -> int:
        """How many months a range works on at once; raises PermanentFailure for fewer than one."""
        if self.workers is not None and self.workers < 1:
            raise PermanentFailure(
                f"Launch config of market_month: workers: {self.workers} is too few, one process at least "
                "has to work; leave it out to use every core"
            )
        return self.workers or available_cores()


raw_bars = dg.AssetSpec(
    ["market", "raw_bars"],
    description=(
        "The vendor's file of a month: 1-second bars of ES.FUT as zstd-compressed DBN. "
        "Observed by `market_month_sensor`."
    ),
    group_name=GROUP,
    kinds={"databento"},
    partitions_def=months,
)


def _spec(
    table: TableName,
    reads: list[dg.AssetKey],
    description: str,
    kinds: set[str],
    schema: Mapping[str, Any] | None,
) -> dg.AssetSpec:
    columns = [dg.TableColumn(name, str(kind)) for name, kind in (schema or {}).items()]
    return dg.AssetSpec(
        ASSET_KEYS[table],
        deps=reads,
        description=description,
        group_name=GROUP,
        kinds=kinds,
        code_version=CODE_VERSION,
        partitions_def=months,
        skippable=True,
        freshness_policy=_IN_THE_FIRST_WEEK,
        metadata={"dagster/column_schema": dg.TableSchema(columns)} if columns else {},
    )


SPECS = (
    _spec(
        "session_bars",
        [raw_bars.key],
        "A row for every second of every session: one contract each, session seconds only, gaps filled.",
        {"parquet", "polars"},
        session_bars.SCHEMA,
    ),
    _spec(
        "training_table",
        [ASSET_KEYS["session_bars"]],
        "session_bars with six bracket labels, six sample weights and 43 features, to train classifiers on.",
        {"parquet", "polars", "numba"},
        training_table.SCHEMA,
    ),
    _spec(
        "month_statistics",
        [ASSET_KEYS["session_bars"], ASSET_KEYS["training_table"]],
        "Counts, win rates, contract rolls, fill shares and feature ranges of a month, as JSON.",
        {"json"},
        None,
    ),
)


@dg.multi_asset(
    name="market_month",
    specs=SPECS,
    check_specs=CHECK_SPECS,
    can_subset=True,
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def market_month(
    context: dg.AssetExecutionContext, config: MarketMonthConfig, object_store: ObjectStore
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Make the selected tables of the run's months, judge each month, and replace its objects if it holds.

    Months are worked in parallel and recorded as they finish; a month that fails does not stop the others.
    """
    with translated_failures(context):
        checks = context.op_execution_context.selected_asset_check_keys
        tables = frozenset[TableName](
            table for table, key in ASSET_KEYS.items() if key in context.selected_asset_keys
        )
        if not tables:
            yield from _judge_newest_month(context, object_store, checks)
            return
        # A retried step leaves alone what its last attempt has finished.
        skip_unchanged = config.skip_unchanged or context.retry_number > 0
        recipe = config.recipe()
        requests = {
            month: MonthRequest(month, recipe, tables, skip_unchanged) for month in context.partition_keys
        }
        recorder = _MonthRecorder(context, object_store)
        progress = Progress(len(requests))
        verdicts: dict[str, tuple[Verdict, ...]] = {}
        failures: dict[str, Exception] = {}
        workers = config.months_at_a_time()
        for month, outcome in run_each(partial(make_month, object_store), requests, workers=workers):
            if isinstance(outcome, MonthOutcome):
                verdicts[month] = outcome.verdicts
            failure = _failure(outcome)
            if failure is not None:
                failures[month] = failure
                # A foreseen failure says it all in its sentence; a defect needs its traceback.
                defect = None if isinstance(failure, QuintetFailure | OSError) else failure
                context.log.error(progress.step(month, f"failed: {_sentence(failure)}"), exc_info=defect)
            elif isinstance(outcome, MonthOutcome):
                yield from recorder.record(outcome)
                context.log.info(progress.step(month, _line(outcome)))
        yield from check_results(verdicts, checks)
        _raise_for(failures, of=len(requests))


def _failure(outcome: MonthOutcome | Exception) -> Exception | None:
    """What went wrong with a month, broken blocking claims included."""
    if isinstance(outcome, PreconditionFailed):  # S3 and GCS keep no older bytes of a file being replaced.
        return TransientFailure(str(outcome))
    if isinstance(outcome, Exception):
        return outcome
    return outcome.refusal


def _raise_for(failures: Mapping[str, Exception], *, of: int) -> None:
    """End the step if months failed: with the error of the only month of the run, else with a list."""
    if not failures:
        return
    if of == 1:
        raise next(iter(failures.values()))
    kind = (
        TransientFailure
        if all(isinstance(failure, _WORTH_A_RETRY) for failure in failures.values())
        else PermanentFailure
    )
    lines = [f"{month}: {_sentence(failure)}" for month, failure in sorted(failures.items())]
    raise kind(
        "\n".join([f"{len(failures)} of {of} months failed, the others are finished and recorded:", *lines])
    )


def _sentence(failure: Exception) -> str:
    return (
        str(failure)
        if isinstance(failure, QuintetFailure | OSError)
        else f"{type(failure).__name__}: {failure}"
    )


def _judge_newest_month(
    context: dg.AssetExecutionContext, store: ObjectStore, checks: Set[dg.AssetCheckKey]
) -> Iterator[dg.AssetCheckResult]:
    """Checks launched without their assets carry no partition: judge what was published last."""
    made = [context.instance.get_materialized_partitions(key) for key in ASSET_KEYS.values()]
    common = set.intersection(*map(set, made))
    if not common:
        raise PermanentFailure(
            "There is no month with all three tables to judge; materialise the assets of a month first"
        )
    month = max(common)
    context.log.info("judging %s, the newest month that has been materialised", month)
    yield from check_results({month: judge_published(store, month, frozenset(TABLES))}, checks)


class _MonthRecorder:
    """Records the assets of finished months with what a person wants to see of them."""

    def __init__(self, context: dg.AssetExecutionContext, store: ObjectStore) -> None:
        self._recorder = Recorder(context)
        self._store = store
        # In a range an unchanged month that is recorded already needs no event: each one costs up to 45 ms.
        self._recorded: dict[dg.AssetKey, set[str]] = {}
        if len(context.partition_keys) > 1:
            self._recorded = {
                key: context.instance.get_materialized_partitions(key) for key in ASSET_KEYS.values()
            }

    def record(self, outcome: MonthOutcome) -> Iterator[dg.MaterializeResult]:
        for table, stored in outcome.objects.items():
            key = ASSET_KEYS[table]
            if outcome.is_unchanged and outcome.month in self._recorded.get(key, ()):
                continue
            metadata = _metadata(table, outcome, self._store)
            yield from self._recorder.record(key, outcome.month, metadata=metadata, data_version=stored.etag)


def _metadata(table: TableName, outcome: MonthOutcome, store: ObjectStore) -> dict[str, Any]:
    key = OBJECT_KEYS[table](outcome.month)
    stored = outcome.objects[table]
    metadata: dict[str, Any] = {
        "object": dg.MetadataValue.path(store.uri(BUCKET, key)),
        "size_bytes": stored.size,
        "state": "unchanged, nothing was written" if outcome.is_unchanged else "written",
    }
    if outcome.report is None:
        return metadata
    metadata["seconds"] = round(sum(outcome.seconds.values()), 2)
    metadata["peak_mebibytes"] = round(outcome.peak_bytes / 2**20)
    return metadata | _report(table, outcome.report)


def _report(table: TableName, report: MonthReport) -> dict[str, Any]:
    if table == "session_bars":
        return {
            "dagster/row_count": report.rows,
            "filled_share": round(report.filled_share, 4),
            "sessions": as_table([_session_row(session) for session in report.sessions]),
            "picture": dg.MetadataValue.md(report.session_picture),
        }
    if table == "training_table":
        picture = {"picture": dg.MetadataValue.md(report.label_picture)} if report.label_picture else {}
        return {"dagster/row_count": report.rows, "win_rates": _win_rates(report), **picture}
    return {"win_rates": _win_rates(report)}


def _win_rates(report: MonthReport) -> Any:
    return as_table([{"mode": mode, "win_rate": round(rate, 4)} for mode, rate in report.win_rates.items()])


def _session_row(session: SessionSummary) -> Mapping[str, Scalar]:
    return {
        "session_date": session.session_date,
        "contract": session.contract,
        "close_ct": session.close_ct,
        "rows": session.rows,
        "filled_share": round(session.added_rows / session.rows, 4),
    }


def _line(outcome: MonthOutcome) -> str:
    if outcome.is_unchanged or outcome.report is None:
        return "unchanged, skipped"
    return f"{outcome.report.rows:,} rows in {sum(outcome.seconds.values()):.1f} s"

"""What the tests of the market pipeline share: tiny vendor files, and the pipeline on a store of its own.

A tiny file holds one contract that trades in the last minutes of one session only. The seconds before a first
trade are absent, so its month has 1,500 rows instead of 600,000, and takes a tenth of a second.

Not here: vendor files of whole months (`scripts.sample_data.market`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import dagster as dg
import numpy as np

from assets.market.checks import ASSET_KEYS
from assets.market.claims import TableName
from assets.market.months import BUCKET, Month, raw_key
from assets.market.published import OBJECT_KEYS
from assets.market.session_calendar import sessions_of_month
from definitions import build_defs
from resources.deployments import resources_for
from resources.object_store import ObjectStore
from scripts.sample_data.dbn_writer import SymbolInterval, compress, empty_records, encode

TICK = 250_000_000
TABLES: tuple[TableName, ...] = ("session_bars", "training_table", "month_statistics")
CONTRACT, SPREAD = "ESZ5", "ESZ5-ESH6"


def tiny_file(
    month: str, *, seconds: int = 1500, seed: int = 0, symbol: str = CONTRACT, schema: int = 5
) -> bytes:
    """A whole, valid vendor file whose bars lie in the last `seconds` of the month's last session.

    The price walks by at most six ticks a second, enough for every outcome; each seventh second has no trade.
    """
    parsed = Month.parse(month)
    closes_at = sessions_of_month(parsed.year, parsed.month)[-1].closes_at
    traded = np.array([second for second in range(seconds) if second % 7 != 3])
    random = np.random.default_rng([parsed.ordinal, seed])
    close = 26_800 + np.cumsum(random.integers(-3, 4, len(traded)))
    opens = np.concatenate([close[:1], close[:-1]])
    return encoded(
        month,
        (closes_at - seconds + traded).tolist(),
        list(zip(opens, np.maximum(opens, close) + 1, np.minimum(opens, close) - 1, close, strict=True)),
        volumes=(37 * traded % 101 + 1).tolist(),
        symbol=symbol,
        schema=schema,
    )


def encoded(
    month: str,
    seconds: Sequence[int],
    bars: Sequence[Sequence[int]],
    *,
    volumes: Sequence[int] | None = None,
    symbol: str = CONTRACT,
    schema: int = 5,
) -> bytes:
    """A vendor file of bars given as open, high, low and close in ticks, at UTC epoch seconds."""
    parsed = Month.parse(month)
    records = empty_records(len(seconds))
    records["instrument_id"] = 1
    records["ts_event"] = np.array(seconds, np.uint64) * np.uint64(10**9)
    records["volume"] = [1] * len(seconds) if volumes is None else volumes
    for name, ticks in zip(("open", "high", "low", "close"), zip(*bars, strict=True), strict=True):
        records[name] = np.array(ticks, np.int64) * TICK
    first, following = (date(m.year, m.month, 1) for m in (parsed, parsed.plus(1)))
    mappings = {symbol: [SymbolInterval(first, following, 1)]}
    return compress(encode(records, mappings, start=0, end=0, schema=schema))


@dataclass(frozen=True, slots=True)
class Market:
    """The pipeline as a user has it: the assembled definitions, the store they work on, an instance."""

    defs: dg.Definitions
    store: ObjectStore
    instance: dg.DagsterInstance

    def put(self, month: str, data: bytes) -> None:
        """Put a vendor file where it is looked for."""
        self.store.put_bytes(BUCKET, raw_key(month), data)

    def put_tiny(self, *months: str, seed: int = 0) -> None:
        """Put tiny files of these months."""
        for month in months:
            self.put(month, tiny_file(month, seed=seed))

    def run(
        self, first: str, last: str | None = None, *tables: TableName, **config: Any
    ) -> dg.ExecuteInProcessResult:
        """Materialise the tables (all, if none is named) of one month, or of a range in one run."""
        tags = {"dagster/partition": first}
        if last:
            tags = {
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last,
            }
        return self.job.execute_in_process(
            run_config={"ops": {"market_month": {"config": config}}},
            instance=self.instance,
            tags=tags,
            asset_selection=[ASSET_KEYS[table] for table in tables] or None,
            raise_on_error=False,
        )

    @property
    def job(self) -> dg.JobDefinition:
        """The job of the pipeline."""
        return self.defs.resolve_job_def("build_market_month")

    def objects(self, *months: str) -> dict[str, bytes]:
        """The published objects of these months, by key; those that are not there are left out."""
        keys = [OBJECT_KEYS[table](month) for month in months for table in TABLES]
        return {key: self.store.read_bytes(BUCKET, key) for key in keys if self.store.head(BUCKET, key)}

    def recorded(self, table: TableName = "training_table") -> list[str]:
        """The months of a table that Dagster knows of."""
        return sorted(self.instance.get_materialized_partitions(ASSET_KEYS[table]))


@contextmanager
def opened_market(
    store: ObjectStore | None = None, instance: dg.DagsterInstance | None = None
) -> Iterator[Market]:
    """The pipeline on a store and an instance; by default the environment's store, and one in memory."""
    overrides = {"object_store": store} if store else {}
    store = store or cast("ObjectStore", resources_for()["object_store"])
    with nullcontext(instance) if instance else dg.DagsterInstance.ephemeral() as opened:
        yield Market(build_defs(resource_overrides=overrides), store, opened)


def cut(data: bytes) -> bytes:
    """A file whose download broke off."""
    return data[: len(data) // 2]


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """The sentence of the step that failed, as people see it."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    user_failure = event.step_failure_data.user_failure_data
    assert user_failure, event.step_failure_data.error
    assert user_failure.description
    return user_failure.description


def materialisations(
    result: dg.ExecuteInProcessResult,
) -> dict[tuple[TableName, str | None], Mapping[str, dg.MetadataValue]]:
    """The metadata of what a run recorded, by table and month."""
    names: dict[dg.AssetKey, TableName] = {key: table for table, key in ASSET_KEYS.items()}
    events = [
        event.step_materialization_data.materialization
        for event in result.all_events
        if event.is_step_materialization
    ]
    return {(names[event.asset_key], event.partition): event.metadata for event in events}


def evaluations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """What the checks of a run said, by claim."""
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}

"""How a step records what it has finished, key by key, whether its run covers one partition key or many.

In a run of many keys Dagster takes one yielded result for all of them, the failed ones included, and only at
the end. There each finished key is therefore logged by hand, at once: what is finished stays recorded when a
later key fails or the run is killed. In a run of one key the result is yielded as usual. `Recorder` hides the
difference from asset bodies; `Progress` words the line that goes with each key.

Not here: check results (yield them after the last key), failed keys (raise at the end, naming them).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg

from assets.durations import rate, span

# Dagster exports no names for the tags by which it tells that an asset is out of date.
CODE_VERSION_TAG = "dagster/code_version"
DATA_VERSION_TAG = "dagster/data_version"
DATA_VERSION_GIVEN_TAG = "dagster/data_version_is_user_provided"
INPUT_EVENT_TAG = "dagster/input_event_pointer/{}"
INPUT_VERSION_TAG = "dagster/input_data_version/{}"


class Recorder:
    """Records the finished keys of one step; make it first thing in the body, before any input is read.

    It remembers which version of each input was the newest then: an input that changes while the step works
    makes the result out of date in the web UI, as it should.
    """

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        self._keys = frozenset(context.partition_keys)
        inputs = frozenset[dg.AssetKey]().union(*context.assets_def.asset_deps.values())
        self._inputs_before = {key: self._newest_event(key) for key in inputs - context.selected_asset_keys}

    def record(
        self,
        asset_key: dg.AssetKey,
        partition_key: str,
        *,
        metadata: Mapping[str, Any],
        data_version: str,
    ) -> Iterator[dg.MaterializeResult]:
        """Record one asset of one finished key: `yield from` this, upstream assets first.

        An asset that the run did not select is left alone.

        Raises:
            ValueError: the run does not cover this key; Dagster would record the result under another.
        """
        if partition_key not in self._keys:
            raise ValueError(f"{partition_key!r} is none of this run's {len(self._keys)} partition keys.")
        if asset_key not in self._context.selected_asset_keys:
            return
        if len(self._keys) == 1:
            yield dg.MaterializeResult(
                asset_key=asset_key, metadata=metadata, data_version=dg.DataVersion(data_version)
            )
            return
        event = dg.AssetMaterialization(
            asset_key, partition=partition_key, metadata=metadata, tags=self._tags(asset_key, data_version)
        )
        self._context.log_event(event)

    def _tags(self, asset_key: dg.AssetKey, data_version: str) -> dict[str, str]:
        """Return the tags that Dagster gives to a yielded result.

        All or none: without its inputs a result counts as out of date at once, and without any tag a new
        code version or a new observation of an input never makes it so.
        """
        code_version = self._context.assets_def.get_asset_spec(asset_key).code_version
        tags = {
            CODE_VERSION_TAG: code_version or self._context.run.run_id,
            DATA_VERSION_TAG: data_version,
            DATA_VERSION_GIVEN_TAG: "true",
        }
        for key in self._context.assets_def.asset_deps[asset_key]:
            inside = key in self._context.selected_asset_keys
            event = self._newest_event(key) if inside else self._inputs_before[key]
            name = key.to_user_string()
            tags[INPUT_EVENT_TAG.format(name)] = str(event.storage_id) if event else "NULL"
            tags[INPUT_VERSION_TAG.format(name)] = _data_version(event)
        return tags

    def _newest_event(self, asset_key: dg.AssetKey) -> dg.EventLogRecord | None:
        """Return the newest materialisation, else the newest observation, of any partition."""
        instance = self._context.instance
        for fetch in (instance.fetch_materializations, instance.fetch_observations):
            records = fetch(asset_key, limit=1).records
            if records:
                return records[0]
        return None


def _data_version(event: dg.EventLogRecord | None) -> str:
    """Return the data version that an event carries; `INITIAL` is Dagster's word for none."""
    tags = (event.event_log_entry.tags if event else None) or {}
    return tags.get(DATA_VERSION_TAG, "INITIAL")


class Progress:
    """Words one log line per finished key: how many are done, at what rate, how long the rest will take."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._done = 0
        self._clock = clock
        self._started = clock()

    def step(self, key: str, detail: str) -> str:
        """Count one more key and return its line: `3/12 2025-03: 41 rows; 2.4 a minute, 3 min 45 s left`."""
        self._done += 1
        elapsed = self._clock() - self._started
        line = f"{self._done}/{self._total} {key}: {detail}"
        if self._done >= self._total:
            return f"{line}; all done in {span(elapsed)}"
        left = elapsed / self._done * (self._total - self._done)
        return f"{line}; {rate(self._done, elapsed)}, {span(left)} left"

"""The partitions of discovery: the items of a job, one definition for each job.

Their keys are those of the ledger (`keys.partition_key`), so they always satisfy the rule for dynamic keys.
What Dagster is told about items goes through `PartitionCatalogue`; not here: which items, and when
(`mirroring`).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import dagster as dg

from assets.discovery.checks import items_key
from assets.discovery.credentials import shown
from assets.discovery.ledger.mirror import DoneItem

SEQUENCE: Final = "ledger_sequence"
"""The metadata that says which time of being done a materialisation is of."""


def partitions_name(job_name: str) -> str:
    """The name under which Dagster keeps the items of a job."""
    return f"discovery_{job_name}"


def item_partitions(job_name: str) -> dg.DynamicPartitionsDefinition:
    """The items of a job: a key for each of the newest live ones, up to its `mirror_limit`."""
    return dg.DynamicPartitionsDefinition(name=partitions_name(job_name))


class PartitionCatalogue:
    """The items of a job as Dagster knows them (a `mirroring.Catalogue`).

    Materialisations are events of the step's run, so that people find the run behind each; written outside of
    any run they would cost the same 8 ms. They carry no data version: what is stale is the ledger's to say.
    """

    def __init__(self, context: dg.OpExecutionContext | dg.AssetExecutionContext, job_name: str) -> None:
        self._context, self._instance = context, context.instance
        self._asset_key, self._name = items_key(job_name), partitions_name(job_name)

    def registered(self) -> Sequence[str]:
        """The keys that there are, the first registered first."""
        return self._instance.get_dynamic_partitions(self._name)

    def register(self, keys: Sequence[str]) -> None:
        """Add keys."""
        self._instance.add_dynamic_partitions(self._name, keys)

    def remove(self, keys: Sequence[str]) -> None:
        """Take keys away; their materialisations stay in the event log."""
        for key in keys:
            self._instance.delete_dynamic_partition(self._name, key)

    def recorded(self, keys: Collection[str]) -> Mapping[str, int]:
        """The ledger's sequence number in the latest materialisation of each of these partitions."""
        latest = self._instance.get_latest_storage_id_by_partition(
            self._asset_key, dg.DagsterEventType.ASSET_MATERIALIZATION, set(keys)
        )
        if not latest:
            return {}
        chosen = dg.AssetRecordsFilter(self._asset_key, storage_ids=list(latest.values()))
        records = self._instance.fetch_materializations(chosen, limit=len(latest)).records
        found: dict[str, int] = {}
        for record in records:
            event = record.asset_materialization
            sequence = event.metadata.get(SEQUENCE) if event else None
            if record.partition_key is not None and isinstance(sequence, dg.IntMetadataValue):
                found[record.partition_key] = sequence.value or 0
        return found

    def record(self, item: DoneItem) -> None:
        """Log the materialisation of an item."""
        self._context.log_event(
            dg.AssetMaterialization(self._asset_key, partition=item.partition_key, metadata=_metadata(item))
        )


def _metadata(item: DoneItem) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "key": shown(item.key),
        "revision": item.revision,
        "versions": dict(item.versions),
        "attempts": item.attempts,
        "duration_s": item.duration_ms / 1000,
        "cost_usd": item.cost_micros / 1e6,
        SEQUENCE: item.sequence,
    }
    if item.url:
        url = shown(item.url)
        is_link = url.startswith(("http://", "https://"))
        metadata["url"] = dg.MetadataValue.url(url) if is_link else url
    return metadata

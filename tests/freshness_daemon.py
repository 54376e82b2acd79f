"""Dagster's freshness daemon over definitions of this process, at any time of the clock."""

from datetime import datetime
from typing import Any, cast

import dagster as dg
from dagster._core.loader import LoadingContextForTest
from dagster._core.test_utils import freeze_time
from dagster._core.workspace.context import IWorkspaceProcessContext
from dagster._daemon.freshness import FreshnessDaemon


class FreshnessWorld:
    """An instance on which assets are made, and judged by the daemon, at given times."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.definitions, self.instance = definitions, instance
        self._graph = definitions.resolve_asset_graph()

    def make(self, name: str, at: datetime, partition: str | None = None) -> None:
        """Record that an asset was made."""
        with freeze_time(at):
            self.instance.report_runless_asset_event(
                dg.AssetMaterialization(dg.AssetKey.from_user_string(name), partition=partition)
            )

    def judge(self, at: datetime) -> dict[str, str]:
        """Let the daemon look once; the verdict on each asset that has a policy."""
        with freeze_time(at):
            list(FreshnessDaemon().run_iteration(cast("IWorkspaceProcessContext", self)))
        keys = [key for key in self._graph.get_all_asset_keys() if self._graph.get(key).freshness_policy]
        records = self.instance.get_freshness_state_records(keys)
        return {key.to_user_string(): record.freshness_state.value for key, record in records.items()}

    def create_request_context(self) -> LoadingContextForTest:
        """What the daemon asks a workspace for: the assets, and the records of the instance."""
        context: Any = LoadingContextForTest(self.instance)
        context.asset_graph = self._graph
        return context

"""dwh in a cloud on this machine: its deployment over buckets of the emulators, and what a run leaves there.

The inputs are the sample day, so a local run of the same day says what to expect. What two runs of one day
cannot share (run ids, times, the scheme of addresses, bytes of compressed files) `comparable` takes out.
"""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from assets.dwh.paths import Location
from definitions import build_defs
from resources.object_store import ObjectStore
from resources.warehouse import Warehouse
from scripts.sample_data.dwh import SIZES, Size, write_inputs
from tests.assets.dwh.dwh_deployments import DAY, key, place

BUCKET: Final = "dwh-data"
SIZE: Final = SIZES["small"]
LOAD_TIMES: Final = ("dwcreatedat", "etl_created_at")

_RUN: Final = re.compile(r"(transform|filter|promos)-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")
_OF_ONE_RUN: Final = {"created_at", "completed_at", "timing", "bytes_written"}
_CONNECT_SERVER: Final = """
import sys
from pysail.spark import SparkConnectServer
server = SparkConnectServer(port=0)
server.start(background=True)
print(server.listening_address[1], flush=True)
sys.stdin.read()
server.stop()
"""


@dataclass(frozen=True)
class Cloud:
    """A deployment as `build_defs` makes it out of the environment, with its resources and an instance."""

    defs: dg.Definitions
    store: ObjectStore
    warehouse: Warehouse
    instance: dg.DagsterInstance

    def run(
        self, *assets: str, config: Mapping[str, Mapping[str, Any]] | None = None, **tags: str
    ) -> dg.ExecuteInProcessResult:
        """Materialise assets of the sample day."""
        ops = {f"dwh__{asset}": {"config": dict(keys)} for asset, keys in (config or {}).items()}
        return self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={"ops": ops},
            partition_key=DAY.isoformat(),
            tags=tags,
            instance=self.instance,
            asset_selection=[key(asset) for asset in assets],
            raise_on_error=False,
        )

    def objects(self) -> dict[str, bytes]:
        """All objects of the bucket, by key."""
        return {found: self.store.read_bytes(BUCKET, found) for found in self.store.list_keys(BUCKET, "")}

    @property
    def pointer(self) -> bytes:
        return self.store.read_bytes(BUCKET, f"filtered_images/{place(DAY)}/_manifests/latest.json")

    def current(self) -> dict[str, bytes]:
        """What the pointer names: the objects of the run's folder."""
        folder = Location.parse(json.loads(self.pointer)["output"]["path"])
        keys = self.store.list_keys(folder.bucket, f"{folder.key}/")
        return {found: self.store.read_bytes(folder.bucket, found) for found in keys}

    def rows(self) -> list[tuple[Any, ...]]:
        """The rows that an analyst reads, as `Deployment.rows` has those of a local run."""
        frame = pl.concat([pl.read_parquet(io.BytesIO(content)) for content in self.current().values()])
        return sorted(frame.drop("_source_run_id").unnest("data").rows(), key=repr)

    def promotions(self) -> pl.DataFrame:
        return self.warehouse.rows("dw_core.d_promotion_3_0", order_by=["promotionid"]).drop(LOAD_TIMES)


@contextmanager
def opened_cloud(
    deployment: str, inputs: Path, size: Size = SIZE, overrides: Mapping[str, object] | None = None
) -> Iterator[Cloud]:
    """The deployment with the sample day in its bucket, which has been made; `inputs` is a new folder."""
    defs = build_defs(deployment=deployment, resource_overrides=overrides)
    store, warehouse = (_resource(defs, name) for name in ("object_store", "warehouse"))
    give_inputs(store, inputs, size)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Cloud(defs, store, warehouse, instance)


def give_inputs(store: ObjectStore, folder: Path, size: Size) -> None:
    """The sample day, also written to a new folder."""
    write_inputs(folder, size, day=DAY)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        store.put_bytes(BUCKET, path.relative_to(folder).as_posix(), path.read_bytes())


def _resource(defs: dg.Definitions, name: str) -> Any:
    return (defs.resources or {})[name]


@contextmanager
def connect_server(environ: Mapping[str, str]) -> Iterator[str]:
    """The address of a Sail server in a process of its own, which has nothing of ours but the environment."""
    server = subprocess.Popen(
        [sys.executable, "-c", _CONNECT_SERVER],
        env={**environ, "RUST_LOG": "error"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin
    assert server.stdout
    try:
        port = server.stdout.readline().strip()
        assert port.isdecimal(), "the Spark Connect server did not start"
        yield f"sc://127.0.0.1:{port}"
    finally:
        server.stdin.close()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        server.stdout.close()


def layout(objects: Mapping[str, bytes]) -> list[str]:
    """The keys, where a run id is only the kind of its run."""
    return sorted(_RUN.sub(r"\1-run", found) for found in objects)


def documents(objects: Mapping[str, bytes]) -> dict[str, Any]:
    """The JSON documents of the runs, by their keys without run ids, in comparable form."""
    return {
        _RUN.sub(r"\1-run", found): comparable(json.loads(content))
        for found, content in objects.items()
        if found.endswith(".json") and "/_" in found and "/_dropped/" not in found
    }


def comparable(document: Any) -> Any:
    """A document or metrics without what differs between two runs of one day."""
    match document:
        case dict():
            return {name: comparable(value) for name, value in document.items() if name not in _OF_ONE_RUN}
        case list():
            return [comparable(value) for value in document]
        case str():
            return _RUN.sub(r"\1-run", document).replace("gs://", "s3://")
        case _:
            return document


def schemes(objects: Mapping[str, bytes]) -> set[str]:
    """The schemes of all addresses in the documents of the runs."""
    texts = (
        content.decode()
        for found, content in objects.items()
        if "/_manifests/" in found or "/_late/" in found
    )
    return {found for text in texts for found in re.findall(r"\"(\w+)://", text)}

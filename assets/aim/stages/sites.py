"""Where a run works: which settings hold, which folders hold its files, which file its tables.

A launch from Dagster works on the resources of its deployment, the command line on those of `AIM_MODE`; both
are put together here. Not here: the settings themselves (`configuration`), and what is done there.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from assets.aim.configuration import ConfigFile, Configuration, ConfigurationError, read_configuration
from assets.aim.stages.places import Folder, file_at
from assets.aim.stages.run import Places
from resources.object_store import FolderObjectStore, LocalObjectStore, ObjectStore
from resources.warehouse import DuckDBWarehouse, Warehouse

CONFIG_FILE: Final = "config/aim-config.json"
WAREHOUSE_FILE: Final = "warehouse.duckdb"
BUCKET: Final = "aim"
"""The bucket of an embedded object store that holds the files of aim."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where settings come from, besides the JSON configuration; see `read_configuration`."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    dotenv: str | None = None
    flags: Mapping[str, str] = field(default_factory=dict)

    def read(self, config: ConfigFile | None = None) -> Configuration:
        """All settings; raises ConfigurationError."""
        return read_configuration(self.environ, dotenv=self.dotenv, config=config, flags=self.flags)


@dataclass(frozen=True, slots=True)
class Site:
    """The settings of a run, the places of its files, and its warehouse, which only reads in a dry run."""

    configuration: Configuration
    places: Places
    warehouse: Warehouse

    @property
    def mode(self) -> str:
        """`local` where the files lie in a folder, `cloud` where they lie in a bucket."""
        return "local" if isinstance(self.places.files.store, FolderObjectStore) else "cloud"


def site_of(sources: Sources, store: ObjectStore, warehouse: Warehouse) -> Site:
    """The site of a run on an object store and a warehouse.

    Raises:
        ConfigurationError: a setting is not allowed, or one that the store needs is missing.
        AccessRefused: a symbolic link leads out of the folder.
    """
    settings = sources.read().settings
    files = _files(settings.bucket, settings.prefix, store)
    is_folder = isinstance(store, FolderObjectStore)
    if is_folder:
        _refuse_links_of_the_warehouse(store)
    folder, path = files, CONFIG_FILE
    if settings.config_uri and not is_folder:
        folder, path = file_at(store, settings.config_uri)
    content = None if settings.ignore_config else folder.read(path)
    configuration = sources.read(ConfigFile(path, content) if content is not None else None)
    settings = configuration.settings
    places = Places(
        files=files,
        feeds=files if is_folder else Folder(store, settings.feed_bucket or files.bucket),
        runlist=(
            file_at(store, settings.runlist_uri)
            if settings.runlist_uri and not is_folder
            else (files, settings.runlist_path)
        ),
    )
    return Site(configuration, places, warehouse.reading() if settings.dry_run else warehouse)


def deployed_site(sources: Sources, store: ObjectStore, warehouse: Warehouse) -> Site:
    """The site of a launch from Dagster, on the resources of its deployment.

    Embedded ones are moved to `AIM_LOCAL_ROOT`. Without that the files lie in the bucket `aim` of the local
    object store, and the tables beside them instead of in the file that all pipelines share; a warehouse in
    any other file stays there.
    """
    root = sources.environ.get("AIM_LOCAL_ROOT", "").strip()
    if isinstance(warehouse, DuckDBWarehouse):
        warehouse = _embedded_warehouse(warehouse, root)
    return site_of(sources, deployed_store(store, sources.environ), warehouse)


def deployed_store(store: ObjectStore, environ: Mapping[str, str]) -> ObjectStore:
    """The store of a deployment as aim uses it: an embedded one is the one folder of aim."""
    if not isinstance(store, LocalObjectStore):
        return store
    root = environ.get("AIM_LOCAL_ROOT", "").strip()
    return folder_store(root or str(Path(store.root) / BUCKET))


@cache
def folder_store(root: str) -> FolderObjectStore:
    """The one store of a folder in this process, so that what it knows of its files is kept."""
    return FolderObjectStore(root=root)


def _refuse_links_of_the_warehouse(store: FolderObjectStore) -> None:
    """Raise AccessRefused where one leads the tables, or what DuckDB keeps beside them, out of the folder."""
    for ending in ("", ".wal", ".tmp"):
        store.scan_source(BUCKET, f"{WAREHOUSE_FILE}{ending}")


def _embedded_warehouse(warehouse: DuckDBWarehouse, root: str) -> DuckDBWarehouse:
    shared = Path(warehouse.path)
    if root:
        return DuckDBWarehouse(path=str(Path(root) / WAREHOUSE_FILE))
    if shared.parts[-2:] == ("warehouse", "quintet.duckdb"):
        return DuckDBWarehouse(path=str(shared.parents[1] / "storage" / BUCKET / WAREHOUSE_FILE))
    return warehouse


def _files(bucket: str | None, prefix: str, store: ObjectStore) -> Folder:
    if isinstance(store, FolderObjectStore):
        return Folder(store, BUCKET)
    if not bucket:
        raise ConfigurationError("AIM_BUCKET_NAME is not set; name the bucket that holds the files of aim")
    return Folder(store, bucket, prefix)

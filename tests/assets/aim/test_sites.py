"""Where a run works: its settings, the folders of its files, the file of its tables."""

import json
from pathlib import Path

import pytest

from assets.aim.configuration import ConfigurationError
from assets.aim.stages.sites import Site, Sources, deployed_site, deployed_store, site_of
from resources.object_store import AccessRefused, FolderObjectStore, LocalObjectStore
from resources.warehouse import DuckDBWarehouse
from resources.warehouse.errors import ReadOnly

SCHEMA = {"a": "INT64"}
BUCKETS = {"AIM_BUCKET_NAME": "aim-files", "TYRESCORE_BUCKET": "feeds"}


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(path=str(tmp_path / "tables.duckdb"))


@pytest.fixture
def folder(tmp_path: Path) -> FolderObjectStore:
    """What the command line and an embedded deployment have."""
    return FolderObjectStore(root=str(tmp_path / "root"))


@pytest.fixture
def buckets(tmp_path: Path) -> LocalObjectStore:
    """Buckets as a cloud has them."""
    return LocalObjectStore(root=str(tmp_path / "buckets"))


def as_json(**settings: object) -> bytes:
    return json.dumps(settings).encode()


def test_in_a_folder_everything_lies_below_the_root(folder, warehouse):
    # Buckets and addresses are those of a cloud.
    environ = {
        **BUCKETS,
        "AIM_PRIORITY_RUNLIST_GCS_URI": "gs://lists/a.csv",
        "CONFIG_GCS_URI": "gs://c/c.json",
    }
    site = site_of(Sources({**environ, "AIM_RUNLIST_PATH": "lists/mine.csv"}), folder, warehouse)
    assert site.mode == "local"
    places = site.places
    assert places.feeds == places.files == places.runlist[0]
    assert places.runlist[1] == "lists/mine.csv"
    assert places.files.shown("output/a.csv") == str(Path(folder.root) / "output/a.csv")


def test_in_buckets_files_lie_below_the_prefix_and_feeds_and_addresses_elsewhere(buckets, warehouse):
    site = site_of(Sources({**BUCKETS, "AIM_GCS_PREFIX": "daily/"}), buckets, warehouse)
    assert site.mode == "cloud"
    files, feeds, (lists, path) = site.places.files, site.places.feeds, site.places.runlist
    assert (files.bucket, files.prefix) == ("aim-files", "daily")
    assert (feeds.bucket, feeds.prefix) == ("feeds", "")
    assert (lists, path) == (files, "runlist/priority_runlist_current.csv")
    given = {**BUCKETS, "AIM_PRIORITY_RUNLIST_GCS_URI": "gs://lists/of/june.csv"}
    lists, path = site_of(Sources(given), buckets, warehouse).places.runlist
    assert (lists.bucket, lists.prefix, path) == ("lists", "", "of/june.csv")


def test_buckets_need_a_name(buckets, warehouse):
    with pytest.raises(ConfigurationError, match="AIM_BUCKET_NAME is not set; name the bucket"):
        site_of(Sources({}), buckets, warehouse)


def test_the_json_configuration_lies_beside_the_files_or_at_its_address(buckets, warehouse):
    buckets.put_bytes("aim-files", "aim-daily-files/config/aim-config.json", as_json(BATCH_SIZE=7))
    buckets.put_bytes("settings", "aim.json", as_json(BATCH_SIZE=8))
    assert batch_size(site_of(Sources(BUCKETS), buckets, warehouse)) == (7, "json")
    given = {**BUCKETS, "CONFIG_GCS_URI": "gs://settings/aim.json"}
    assert batch_size(site_of(Sources(given), buckets, warehouse)) == (8, "json")
    assert batch_size(site_of(Sources({**given, "IGNORE_GCS_CONFIG": "t"}), buckets, warehouse)) == (
        500, "default",
    )  # fmt: skip


def batch_size(site: Site) -> tuple[int, str]:
    return site.configuration.settings.batch_size, site.configuration.origins["AIM_BATCH_SIZE"]


def test_the_address_of_the_runlist_may_come_from_the_json_configuration(buckets, warehouse):
    key = "aim-daily-files/config/aim-config.json"
    buckets.put_bytes("aim-files", key, as_json(PRIORITY_RUNLIST_GCS_URI="gs://lists/a.csv"))
    lists, path = site_of(Sources(BUCKETS), buckets, warehouse).places.runlist
    assert (lists.bucket, path) == ("lists", "a.csv")


def test_a_configuration_that_is_ignored_is_not_even_read(folder, warehouse, tmp_path):
    (tmp_path / "outside").write_bytes(b"{}")
    config = Path(folder.root) / "config" / "aim-config.json"
    config.parent.mkdir(parents=True)
    config.symlink_to(tmp_path / "outside")
    with pytest.raises(AccessRefused):
        site_of(Sources({}), folder, warehouse)
    site_of(Sources({"IGNORE_GCS_CONFIG": "true"}), folder, warehouse)


def test_a_dry_run_gets_a_warehouse_that_only_reads(folder, warehouse):
    site = site_of(Sources({"DRY_RUN": "true"}), folder, warehouse)
    with pytest.raises(ReadOnly):
        site.warehouse.ensure_tables({"AIM.a": SCHEMA})
    assert not Path(warehouse.path).exists()
    site_of(Sources({}), folder, warehouse).warehouse.ensure_tables({"AIM.a": SCHEMA})


@pytest.mark.parametrize("ending", ["", ".wal", ".tmp"])
def test_a_link_must_not_lead_the_tables_out_of_the_folder(folder, warehouse, tmp_path, ending):
    Path(folder.root).mkdir()
    link = Path(folder.root) / f"warehouse.duckdb{ending}"
    link.symlink_to(tmp_path / "outside")
    with pytest.raises(AccessRefused, match="a symbolic link leads to"):
        site_of(Sources({}), folder, warehouse)
    link.unlink()
    link.symlink_to("inside")
    site_of(Sources({}), folder, warehouse)


def test_a_deployment_with_a_local_root_works_there(tmp_path, buckets):
    environ = {"AIM_LOCAL_ROOT": str(tmp_path / "root")}
    shared = DuckDBWarehouse(path=str(tmp_path / "home" / "warehouse" / "quintet.duckdb"))
    site = deployed_site(Sources(environ), buckets, shared)
    assert site.mode == "local"
    assert site.places.files.shown("a") == str(tmp_path / "root" / "a")
    assert isinstance(site.warehouse, DuckDBWarehouse)
    assert site.warehouse.path == str(tmp_path / "root" / "warehouse.duckdb")
    assert deployed_store(buckets, environ) is site.places.files.store


def test_an_embedded_deployment_keeps_files_and_tables_of_aim_in_one_folder(tmp_path):
    store = LocalObjectStore(root=str(tmp_path / "storage"))
    shared = DuckDBWarehouse(path=str(tmp_path / "warehouse" / "quintet.duckdb"))
    site = deployed_site(Sources({}), store, shared)
    assert site.mode == "local"
    assert site.places.files.shown("a") == str(tmp_path / "storage" / "aim" / "a")
    assert isinstance(site.warehouse, DuckDBWarehouse)
    assert site.warehouse.path == str(tmp_path / "storage" / "aim" / "warehouse.duckdb")


def test_a_deployment_that_names_another_file_for_its_tables_keeps_it(buckets, warehouse):
    site = deployed_site(Sources({}), buckets, warehouse)
    assert site.warehouse is warehouse


def test_settings_of_a_launch_beat_those_of_the_environment(folder, warehouse):
    sources = Sources({"AIM_RUN_MODE": "PER_SEGMENT"}, flags={"AIM_RUN_MODE": "GLOBAL"})
    assert site_of(sources, folder, warehouse).configuration.settings.run_mode == "GLOBAL"

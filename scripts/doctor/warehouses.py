"""Tables: whether the engine answers, and the datasets are there."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from resources.object_store import LocalObjectStore
from resources.warehouse import (
    DuckDBWarehouse,
    SqlFile,
    TableNotFound,
    Warehouse,
    WarehouseUnavailable,
)
from scripts.doctor.findings import Finding, ok, sentence_of, warning
from scripts.doctor.installation import Installation, hurried
from scripts.doctor.machine import folder
from scripts.doctor.probing import Probe

_ONE: Final = SqlFile.from_bytes("the doctor's question", b"SELECT 1 AS one")


def probes(installation: Installation) -> Iterator[Probe]:
    """A probe for the warehouse of each pipeline that has one."""
    for pipeline in installation.pipelines:
        if installation.is_needed_by(pipeline, "warehouse"):
            matter = f"{installation.matter('warehouse')}: {pipeline}"
            yield Probe(matter, partial(look, matter, installation, pipeline))


def look(matter: str, installation: Installation, pipeline: str) -> Iterator[Finding]:
    """Ask for 1; where datasets are made by people, see whether they are there."""
    warehouse = _warehouse_of(installation, pipeline)
    if isinstance(warehouse, DuckDBWarehouse):
        yield from _file(matter, warehouse)
        return
    with warehouse.session():
        warehouse.query(_ONE)
        yield ok(matter, f"SELECT 1 was answered, {_project(installation)}")
        for dataset in _datasets(installation, pipeline):
            yield from _dataset(matter, warehouse, dataset)


def _file(matter: str, warehouse: DuckDBWarehouse) -> Iterator[Finding]:
    """A file of this machine: reading leaves no trace, and makes none."""
    path = Path(warehouse.path)
    if not path.exists():
        yield from folder(matter, path.parent)
        return
    try:
        warehouse.reading().query(_ONE)
    except WarehouseUnavailable as error:
        if "another process" not in str(error):
            raise
        yield warning(matter, sentence_of(error), "run the doctor again when that process has ended")
    else:
        yield ok(matter, f"{path}, SELECT 1 was answered")


def _dataset(matter: str, warehouse: Warehouse, dataset: str) -> Iterator[Finding]:
    question = f"SELECT table_name FROM `{dataset}.INFORMATION_SCHEMA.TABLES` LIMIT 1"  # noqa: S608 - a checked name
    try:
        warehouse.query(SqlFile.from_bytes("the doctor's question", question.encode()))
    except TableNotFound:
        remedy = "make it where it is to lie; a run makes it in the default location"
        yield warning(matter, f"there is no dataset {dataset} yet", remedy)
    else:
        yield ok(matter, f"dataset {dataset} is there")


def _warehouse_of(installation: Installation, pipeline: str) -> Warehouse:
    """The warehouse as a pipeline uses it: an embedded one of aim is a file of its own."""
    warehouse = hurried(installation.resource("warehouse", Warehouse))
    if pipeline != "aim" or not isinstance(warehouse, DuckDBWarehouse):
        return warehouse
    from assets.aim.stages.sites import Sources, deployed_site

    # Where the file lies does not depend on the store; this one asks nobody.
    here = LocalObjectStore(root=str(installation.home / "storage"))
    return deployed_site(Sources(installation.environ), here, warehouse).warehouse


def _datasets(installation: Installation, pipeline: str) -> list[str]:
    from assets.aim.stages.sites import Sources
    from assets.aim.tables import table_names
    from assets.dwh.promotion_tables import PROMOTIONS

    tables = [PROMOTIONS]
    if pipeline == "aim":
        settings = Sources(installation.environ).read().settings
        tables = list(table_names(settings, has_projects=True).values())
    return sorted({table.rpartition(".")[0] for table in tables})


def _project(installation: Installation) -> str:
    project = installation.setting("PROJECT_ID")
    return (
        f"project {project}" if project else "in the project of the credentials, since PROJECT_ID is not set"
    )

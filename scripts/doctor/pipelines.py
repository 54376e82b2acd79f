"""The settings of each pipeline: what its own reader of them says.

Not here: the resources that they lead to, which have probes of their own.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from assets.failures import PermanentFailure
from resources.compute_host import ComputeHost
from resources.dose_engine import DoseEngine
from resources.object_store import ObjectStore
from resources.warehouse import DuckDBWarehouse, Warehouse
from scripts.doctor.findings import Finding, ok, problem, sentence_of, warning
from scripts.doctor.installation import Installation
from scripts.doctor.machine import folder

if TYPE_CHECKING:
    from assets.beams.settings import BeamSettings
    from assets.discovery.job_model import Job


def settings(installation: Installation, pipeline: str) -> Iterator[Finding]:
    """What is to be said of the settings of a pipeline."""
    if pipeline in _READERS:
        yield from _READERS[pipeline](f"{pipeline} settings", installation)


def _aim(matter: str, installation: Installation) -> Iterator[Finding]:
    from assets.aim.configuration import check_cloud
    from assets.aim.stages.sites import Sources, deployed_site

    store = installation.hurried("object_store", ObjectStore)
    warehouse = installation.resource("warehouse", Warehouse)
    sources = Sources(installation.environ)
    if not isinstance(warehouse, DuckDBWarehouse):
        check_cloud(sources.read().settings, range(1, 10))
    site = deployed_site(sources, store, warehouse)
    for sentence in site.configuration.warnings:
        yield warning(matter, sentence)
    place, origins = site.places.files.shown("output"), site.configuration.origins
    root = " (AIM_LOCAL_ROOT)" if origins["AIM_LOCAL_ROOT"] != "default" and site.mode == "local" else ""
    given = sum(origin != "default" for origin in origins.values())
    yield ok(matter, f"accepted, {given} differ from the default; results in {place}{root}")


def _dwh(matter: str, installation: Installation) -> Iterator[Finding]:
    from assets.dwh.partitions import configured_timezone
    from assets.dwh.stages.workplace import DECRYPT_VARIABLE, configured_decryptor

    zone = configured_timezone(installation.environ)
    configured_decryptor(installation.environ)
    function = installation.setting(DECRYPT_VARIABLE)
    form = f"decrypted by {function}" if function else f"in the open form ({DECRYPT_VARIABLE} is not set)"
    yield ok(matter, f"days of {zone}, records {form}")


def _discovery(matter: str, installation: Installation) -> Iterator[Finding]:
    from assets.discovery.jobs_file import jobs_path
    from assets.discovery.roster import Roster

    roster = Roster.load(jobs_path(installation.environ))
    if roster.problem:
        yield problem(matter, sentence_of(roster.problem))
        return
    missing: dict[str, str] = {}
    for job in roster.jobs:
        for sentence in _unresolved(job, installation.environ) if job.enabled else ():
            missing.setdefault(sentence, job.name)
    for sentence, name in missing.items():
        yield problem(matter, f"{name}: {sentence}")
    if not missing:
        yield ok(matter, f"{len(roster.jobs)} jobs in {roster.path}")


def _unresolved(job: "Job", environ: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each part of a job that refers to a variable that is not set."""
    parts = (partial(job.stage_params, stage) for stage in job.chain)
    for part in (job.discovery_params, *parts):
        try:
            part(environ)
        except PermanentFailure as error:
            yield str(error)


def _beams(matter: str, installation: Installation) -> Iterator[Finding]:
    from assets.beams.settings import settings_of, unknown_variables

    for sentence in unknown_variables(installation.environ):
        yield warning(matter, sentence)
    accepted = settings_of(installation.environ, installation.home)
    missing = list(_not_set_of_host(installation, accepted))
    for name in missing:
        yield problem(
            matter, f"{name} is not set, and deployment {installation.deployment} needs it: set {name}"
        )
    if not missing:
        yield ok(matter, f"accepted, days of {accepted.timezone.key}")
    yield from folder("beams output", accepted.output_root)
    root = accepted.scan_root
    if not root.is_dir():
        yield warning(
            "beams input", f"{root} is not there yet", "mount it, or let BEAMS_SCAN_ROOT name the folder"
        )
    elif not os.access(root, os.R_OK | os.X_OK):
        yield problem("beams input", f"{root} cannot be listed", "give this user the right to read it")
    else:
        yield ok("beams input", f"{root}, readable")


def _not_set_of_host(installation: Installation, accepted: "BeamSettings") -> Iterator[str]:
    """What host and engine of the deployment need; of those that variables chose it was said before."""
    if installation.resource("compute_host", ComputeHost).is_remote:
        yield from accepted.missing_for_ssh()
    if installation.resource("dose_engine", DoseEngine).needs_gpu and accepted.moqui_command is None:
        yield "BEAMS_MOQUI_COMMAND"


_READERS: Final[Mapping[str, Callable[[str, Installation], Iterator[Finding]]]] = {
    "aim": _aim,
    "dwh": _dwh,
    "discovery": _discovery,
    "beams": _beams,
}
"""Those that have settings beyond the deployment's; market has none."""

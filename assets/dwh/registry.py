"""The jobs that a command line can name, an allow-list: nothing is ever imported because of a name.

Not here: the factories of the jobs and the wiring of their assets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from assets.dwh.job_settings import FilterImagesConfig, JobConfig, LoadPromosConfig, TransformImagesConfig


@dataclass(frozen=True, slots=True)
class RegisteredJob:
    """A job: its name, the asset whose partition it makes, and what it can be told."""

    name: str
    asset_key: str
    """As text, its parts joined by `/`."""
    config: type[JobConfig]
    description: str

    @property
    def alias(self) -> str:
        """The module that the predecessor imported for this job."""
        return f"dwh.jobs.{self.name}.{self.name}_job_factory"

    @property
    def config_key(self) -> str:
        """The argument that holds the JSON configuration."""
        return self.config.config_key


_JOBS: Final = (
    RegisteredJob(
        "filter_images",
        "dwh/filtered_images",
        FilterImagesConfig,
        "A day's images, deduplicated over all transform outputs.",
    ),
    RegisteredJob(
        "transform_images",
        "dwh/transformed_images",
        TransformImagesConfig,
        "Raw images of a window, decrypted and flattened; dropped ones with their reason.",
    ),
    RegisteredJob(
        "load_promos",
        "dwh/promotions",
        LoadPromosConfig,
        "Promotions of the ingress days, merged into the warehouse.",
    ),
)

REGISTRY: Final[Mapping[str, RegisteredJob]] = MappingProxyType({job.name: job for job in _JOBS})
"""The jobs by name."""

_BY_NAME_OR_ALIAS: Final = {**REGISTRY, **{job.alias: job for job in _JOBS}}


def find_job(module_name: str) -> RegisteredJob:
    """The job of a name or an alias, spelt exactly.

    Raises:
        ModuleNotFoundError: there is none; the message names all that are.
    """
    job = _BY_NAME_OR_ALIAS.get(module_name)
    if job is None:
        known = ", ".join(f"{job.name} ({job.alias})" for job in _JOBS)
        raise ModuleNotFoundError(
            f"No job is called {module_name!r}; the known ones are {known}", name=module_name
        )
    return job


def job_list() -> str:
    """What `--list` prints: a line per job with its name, its alias and its description."""
    names = max(len(job.name) for job in _JOBS)
    aliases = max(len(job.alias) for job in _JOBS)
    return "\n".join(f"{job.name:{names}}  {job.alias:{aliases}}  {job.description}" for job in _JOBS)

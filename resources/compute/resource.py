"""The `compute` resource: which backend a run takes."""

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import dagster as dg
from pydantic import Field

from resources.compute.base import ComputeBackend
from resources.compute.errors import ComputeMisconfigured
from resources.compute.settings import Settings

COMPUTE_TAG: Final = "compute"
"""The run tag that overrides the backend for one run."""


class Compute(dg.ConfigurableResource):
    """Chooses the backend of a run; what the backend needs to know of its platform is in the environment.

    Another name of a platform, another bucket or cluster is another variable of the process, not another
    configuration of the run: `settings.Settings` reads them when the run starts.
    """

    backend: str = Field(default="in_process", description="The backend of runs without the tag `compute`.")

    def for_run(self, tags: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> ComputeBackend:
        """Make the backend that the run's tags name, else that of the deployment.

        Raises:
            ComputeMisconfigured: the name is unknown, or a setting that the backend needs is missing.
        """
        name = tags.get(COMPUTE_TAG, "").strip() or self.backend
        if name not in BACKENDS:
            raise ComputeMisconfigured(
                f"There is no compute backend {name!r}; choose one of {', '.join(BACKENDS)}."
            )
        return BACKENDS[name](Settings(name, environ))


# A client library (boto3, docker, databricks-sdk) is imported when a run takes its backend, and only then.
def _in_process(settings: Settings) -> ComputeBackend:
    from resources.compute.in_process import InProcessBackend

    return InProcessBackend.from_settings(settings)


def _subprocess(settings: Settings) -> ComputeBackend:
    from resources.compute.child_process import SubprocessBackend

    return SubprocessBackend.from_settings(settings)


def _glue(settings: Settings) -> ComputeBackend:
    from resources.compute.glue import GlueBackend

    return GlueBackend.from_settings(settings)


def _emr(settings: Settings) -> ComputeBackend:
    from resources.compute.emr import EmrBackend

    return EmrBackend.from_settings(settings)


def _container(settings: Settings) -> ComputeBackend:
    from resources.compute.container import ContainerBackend

    return ContainerBackend.from_settings(settings)


def _databricks(settings: Settings) -> ComputeBackend:
    from resources.compute.databricks import DatabricksBackend

    return DatabricksBackend.from_settings(settings)


BACKENDS: Final[Mapping[str, Callable[[Settings], ComputeBackend]]] = MappingProxyType(
    {
        "in_process": _in_process,
        "subprocess": _subprocess,
        "glue": _glue,
        "emr": _emr,
        "container": _container,
        "databricks": _databricks,
    }
)
"""Every backend by its name, which is also what `QUINTET_COMPUTE` takes."""

"""The installation that is looked at: a deployment in an environment, its resources, and who needs which.

Not here: any look at it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import dagster as dg

from resources.deployments import RESOURCES, Site
from resources.ledger import Ledger

PIPELINES: Final[tuple[str, ...]] = ("market", "aim", "dwh", "discovery", "beams")

_OF_ALL: Final = "notifier"
"""The resource of the alerts, which belong to every pipeline."""

# A doctor wants the first answer; runs wait for a service that comes back.
_HURRY: Final = {
    "max_attempts": 1,
    "retry_seconds": 5.0,
    "connect_timeout_s": 5.0,
    "command_timeout_s": 5.0,
    "reconnect_s": 0.0,
}

R = TypeVar("R", bound=dg.ConfigurableResource)


@dataclass(frozen=True)
class Installation:
    """A deployment, the environment that it is made from, and the pipelines that are asked about."""

    deployment: str
    environ: Mapping[str, str]
    resources: Mapping[str, Any]
    needs: Mapping[str, AbstractSet[str]]
    """The resources of each pipeline, by its name."""
    pipelines: Sequence[str] = PIPELINES

    @property
    def home(self) -> Path:
        """Quintet's home: in the deployment `test` without `QUINTET_HOME` a folder for the moment."""
        return Path(self.resource("ledger", Ledger).folder).parent

    def setting(self, variable: str) -> str | None:
        """The value of a variable; blank means unset."""
        return Site(self.environ, Path()).setting(variable)

    def is_needed(self, key: str) -> bool:
        """Whether one of the pipelines has this resource."""
        return key == _OF_ALL or any(self.is_needed_by(pipeline, key) for pipeline in self.pipelines)

    def is_needed_by(self, pipeline: str, key: str) -> bool:
        """Whether this pipeline has the resource."""
        return key in self.needs.get(pipeline, ())

    def resource(self, key: str, kind: type[R]) -> R:
        """A resource, as runs have it."""
        found = self.resources[key]
        if not isinstance(found, kind):
            raise TypeError(f"The resource {key} is a {type(found).__name__} and no {kind.__name__}.")
        return found

    def hurried(self, key: str, kind: type[R]) -> R:
        """A resource that soon gives up."""
        return hurried(self.resource(key, kind))

    def matter(self, key: str) -> str:
        """What a resource is called in the findings: its variant, and what chose that."""
        resource, variable = self.resources[key], RESOURCES[key].variable
        variant = getattr(resource, "engine", None) or getattr(resource, "backend", type(resource).__name__)
        chosen = f"by {variable}" if variable and self.setting(variable) else f"of {self.deployment}"
        return f"{key}: {variant}, {chosen}"


def hurried(resource: R) -> R:
    """A resource with the same settings that soon gives up."""
    fields = type(resource).model_fields
    return resource.model_copy(update={name: value for name, value in _HURRY.items() if name in fields})


def needs_of(definitions: dg.Definitions) -> dict[str, frozenset[str]]:
    """The resources that the assets of each group ask for."""
    needs: defaultdict[str, set[str]] = defaultdict(set)
    for asset in definitions.assets or ():
        if isinstance(asset, dg.AssetsDefinition):
            for group in set(asset.group_names_by_key.values()):
                needs[group] |= asset.required_resource_keys
    return {group: frozenset(keys) for group, keys in needs.items()}

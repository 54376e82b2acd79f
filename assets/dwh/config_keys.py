"""JSON objects whose keys are known: what is said of keys that are unknown, missing or wrong.

Not here: the keys of each job (`job_settings`).
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from assets.dwh.arguments import UsageError
from assets.dwh.job_config import shown

_LONGEST_COMPARED: Final = 200  # comparing takes the square of the length
_WORDS: Final = {
    "model_type": "it must be an object with keys of its own",
    "tuple_type": "it must be a list of texts",
}


def _given(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that are neither null nor blank; texts are trimmed."""
    trimmed = {key: value.strip() if isinstance(value, str) else value for key, value in keys.items()}
    return {key: value for key, value in trimmed.items() if value is not None and value != ""}


class Keys(BaseModel):
    """The keys of one JSON object. Those that are null or blank are not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _only_given(cls, keys: Any) -> Any:
        return _given(keys) if isinstance(keys, Mapping) else keys


_Keys = TypeVar("_Keys", bound=Keys)


def read_keys(keys: type[_Keys], name: str, config: Mapping[Any, Any], otherwise: Mapping[str, Any]) -> _Keys:
    """Read the configuration of that name; `otherwise` has values for keys that it does not give.

    Raises:
        UsageError: a ValueError. There are unknown keys (reported first, each with the nearest known one), or
            keys that are missing or have a value that is not allowed.
    """
    refuse_unknown_keys(name, _unknown_keys(keys, config), _known_keys(keys))
    try:
        return keys.model_validate({**otherwise, **_given(config)})
    except ValidationError as error:
        raise UsageError(_sentence(name, error)) from None


def refuse_unknown_keys(name: str, unknown: Iterable[Any], known: Iterable[str]) -> None:
    """Refuse the keys of a configuration that are not known, each with the nearest known one.

    Raises:
        UsageError: there are any.
    """
    candidates = list(known)
    if nearest := [f"{shown(key)} (nearest known key: {_nearest(key, candidates)!r})" for key in unknown]:
        raise UsageError(f"'{name}' has keys that are not known: {', '.join(nearest)}")


def _known_keys(keys: type[Keys], parent: str = "") -> Iterator[str]:
    for name in keys.model_fields:
        yield parent + name
        if inner := _keys_inside(keys, name):
            yield from _known_keys(inner, f"{parent}{name}.")


def _unknown_keys(keys: type[Keys], config: Mapping[Any, Any], parent: str = "") -> Iterator[str]:
    for name, value in config.items():
        if name not in keys.model_fields:
            yield f"{parent}{name}"
        elif (inner := _keys_inside(keys, name)) and isinstance(value, Mapping):
            yield from _unknown_keys(inner, value, f"{parent}{name}.")


def _keys_inside(keys: type[Keys], name: str) -> type[Keys] | None:
    inner = keys.model_fields[name].annotation
    return inner if isinstance(inner, type) and issubclass(inner, Keys) else None


def _nearest(key: str, known: list[str]) -> str:
    """Return the known key of the most similar name; of equals, one beside the key: it may be misplaced."""
    parent, _, name = key[:_LONGEST_COMPARED].lower().rpartition(".")

    def likeness(candidate: str) -> tuple[float, bool]:
        its_parent, _, its_name = candidate.rpartition(".")
        return SequenceMatcher(None, name, its_name).ratio(), its_parent == parent

    return max(known, key=likeness)


def _sentence(name: str, error: ValidationError) -> str:
    """Say everything that is wrong, in the order of the keys."""
    return "; ".join(_clause(name, detail) for detail in error.errors(include_url=False))


def _clause(name: str, detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{key} is required"
    reason = str(detail.get("ctx", {}).get("error") or _WORDS.get(detail["type"], detail["msg"]))
    if isinstance(detail["input"], Mapping) and detail["type"] == "value_error":
        return f"{key} of '{name}': {reason}" if key else reason
    return f"{key} of '{name}' is {shown(detail['input'])}: {reason[0].lower()}{reason[1:]}"

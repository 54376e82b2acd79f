"""What is said of a jobs file that is wrong: every mistake at once, each with its place and the remedy."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from assets.discovery.credentials import shown
from assets.discovery.yaml_text import Path
from assets.failures import PermanentFailure

_LONGEST_COMPARED: Final = 100  # comparing takes the square of the length
_INNER: Final = "keys_of_a_strategy"
_WORDS: Final = {
    "missing": "it is required",
    "dict_type": "it must be an object with keys of its own",
    "model_type": "it must be an object with keys of its own",
    "list_type": "it must be a list",
    "tuple_type": "it must be a list",
    "string_too_short": "it must not be empty",
    "string_type": "it must be a text; put quotes around it",
    "bool_parsing": "it must be true or false",
    "int_parsing": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "float_parsing": "it must be a number",
}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake: where it is, and the rule with the remedy."""

    path: Path
    text: str


class ConfigurationError(PermanentFailure):
    """The configuration is wrong, and nothing was started: exit code 2. One line for each mistake."""

    def __init__(self, sentences: Iterable[str]) -> None:
        self.sentences = tuple(sentences)
        super().__init__("\n".join(self.sentences))


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that looks most like this one; of equals, the first by the alphabet."""
    lowered = word[:_LONGEST_COMPARED].lower()
    return max(sorted(known), key=lambda candidate: SequenceMatcher(None, lowered, candidate.lower()).ratio())


def unknown_word(word: str, kind: str, known: Iterable[str]) -> str:
    """What is said of a name that is none of the known ones."""
    candidates = list(known)
    hint = f"the nearest is {nearest(word, candidates)!r}" if candidates else "there are none"
    return f"unknown {kind} {word!r}; {hint}"


def inner_error(error: ValidationError, model: type[BaseModel]) -> PydanticCustomError:
    """Pass the mistakes of an object that was validated within a validator on to `problems_of`."""
    return PydanticCustomError(_INNER, "see the keys inside", {"details": error.errors(), "model": model})


def problems_of(error: ValidationError, model: type[BaseModel], path: Path = ()) -> Iterator[Problem]:
    """Every mistake that a model found, at its place below `path`."""
    return _problems(error.errors(include_url=False), model, path)


def _problems(details: Iterable[ErrorDetails], model: type[BaseModel], path: Path) -> Iterator[Problem]:
    for detail in details:
        place = (*path, *detail["loc"])
        if detail["type"] == _INNER:
            context = detail.get("ctx", {})
            yield from _problems(context["details"], context["model"], place)
        elif detail["type"] == "extra_forbidden":
            close = nearest(str(place[-1]), known_keys(_model_at(model, detail["loc"])))
            yield Problem(place, f"unknown key {place[-1]!r}; the nearest valid key is {close!r}")
        else:
            yield Problem(place, _sentence(detail))


def known_keys(model: type[BaseModel]) -> list[str]:
    """The keys of an object, as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    """The model of the object that holds the last part of a location."""
    for part in location[:-1]:
        field = next((f for name, f in model.model_fields.items() if part in (name, f.alias)), None)
        model = (field and _model_within(field.annotation)) or model
    return model


def _model_within(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_within(inner))), None)


def _sentence(detail: ErrorDetails) -> str:
    kind = detail["type"]
    reason = str(detail.get("ctx", {}).get("error") or _WORDS.get(kind) or _of_pydantic(detail["msg"]))
    given = detail["input"]
    if kind == "missing" or isinstance(given, Mapping | list | tuple | BaseModel):
        return reason
    return f"{shown(repr(given))[:200]}: {reason}"


def _of_pydantic(message: str) -> str:
    return message.replace("Input should", "it must").replace("String should", "it must")

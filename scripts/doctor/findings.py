"""What the doctor finds, one line each, and how an error becomes one."""

from dataclasses import dataclass
from typing import Final, Literal

State = Literal["ok", "warning", "problem"]

_LONGEST: Final = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """One matter: how it is, what was found, and what to do where that does not say it."""

    state: State
    matter: str
    found: str
    remedy: str = ""


def ok(matter: str, found: str) -> Finding:
    """Nothing is to be done."""
    return Finding("ok", matter, found)


def warning(matter: str, found: str, remedy: str = "") -> Finding:
    """It works, or will; a person may want to know."""
    return Finding("warning", matter, found, remedy)


def problem(matter: str, found: str, remedy: str = "") -> Finding:
    """Runs that need it will fail."""
    return Finding("problem", matter, found, remedy)


def sentence_of(error: BaseException) -> str:
    """What an error says, on one line. Ours are sentences already; before others stands their kind."""
    text = " ".join(str(error).split())
    kind = type(error)
    is_ours = kind is ValueError or kind.__module__.startswith(("assets.", "resources.", "scripts."))
    if not (is_ours and text):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"

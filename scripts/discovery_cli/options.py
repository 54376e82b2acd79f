"""Options that several verbs have: their short forms and what `--help` says of them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from invoke.tasks import Task

SHORT: Final[Mapping[str, str]] = {"job": "j", "key": "k"}

HELP: Final[Mapping[str, str]] = {
    "job": "The name of a job.",
    "key": "An item: its key, id or partition key.",
    "json": "Print exactly one JSON document; messages go to standard error.",
}


class Verb(Task):
    """A task whose short options are those of `SHORT` and no others.

    Invoke would give every option its first free letter, and change it whenever an option is added.

    Args:
        body: the function; its parameters behind the first are the options.
        says: what `--help` says of the options that are its own, by parameter.
        settings: those of Invoke's own tasks.
    """

    def __init__(self, body: Callable[..., None], *, says: Mapping[str, str], **settings: Any) -> None:
        super().__init__(body, auto_shortflags=False, **settings)
        self._says = {**HELP, **says}

    def arg_opts(self, name: str, default: Any, taken_names: set[str]) -> dict[str, Any]:
        """What Invoke makes an option of; `name` is the parameter's."""
        made = super().arg_opts(name, default, taken_names)
        if name in SHORT:
            made["names"] = [*made["names"], SHORT[name]]
        return {**made, "help": self._says[name]}


def verb(name: str | None = None, **says: str) -> Callable[[Callable[..., None]], Verb]:
    """Make a verb of a function; `says` explains the options that are its own."""
    return partial(Verb, name=name, says=says)

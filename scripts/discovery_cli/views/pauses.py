"""pause, unpause, wake."""

from collections.abc import Iterator

from rich.console import RenderableType

from scripts.discovery_cli.verbs.pauses import AtRest, Paused
from scripts.terminal.answers import Answer
from scripts.terminal.layout import sentence


def pause(answer: AtRest) -> Iterator[RenderableType]:
    """Why, and until when."""
    yield sentence(f"{answer.document['job']}: {answer.reason}")


def unpause(answer: Answer[Paused]) -> Iterator[RenderableType]:
    """That it may go on."""
    yield sentence(f"{answer.document['job']} is not paused. Its failed stages stay failed.")


def wake(answer: Answer[Paused]) -> Iterator[RenderableType]:
    """That it is due; the note tells why it is not."""
    if answer.document["changed"]:
        yield sentence(f"{answer.document['job']} is due, and waits for no retry.")

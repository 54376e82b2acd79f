"""What is known of a run while it goes on, and after it failed: requests, tokens, progress, problems."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from resources.waves.values import Answer, Usage

Judge: TypeAlias = Callable[[Sequence[Answer]], Sequence[str | None]]
"""For each answer of a batch: None if it can be used, else the code of what is wrong with it."""


def error_codes(answers: Sequence[Answer]) -> list[str | None]:
    """Take the service's word: an answer is good if its `success` is true."""
    return [_error_code(answer) for answer in answers]


def _error_code(answer: Answer) -> str | None:
    if not isinstance(answer, dict):
        return "INTERNAL_ERROR"
    return None if answer.get("success") is True else str(answer.get("error_code") or "INTERNAL_ERROR")


@dataclass(frozen=True, slots=True)
class Failure:
    """One CAM whose answer is no good. A page that failed knows neither vehicle nor size."""

    vehicle: str | None
    size: str | None
    error_code: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is after one more batch or page, number `finished` of the `batches` of this pass.

    `attempted` and `succeeded` count CAMs since the beginning; the second pass attempts none anew.
    `failures` are those of this batch, in order.
    """

    finished: int
    batches: int
    second_pass: bool
    attempted: int
    succeeded: int
    failures: Sequence[Failure]

    @property
    def failed(self) -> int:
        """CAMs that have no good answer so far."""
        return self.attempted - self.succeeded


def _ignore(_: Progress) -> None:
    """Nobody watches."""


@dataclass
class Journal:
    """Filled while Waves is asked; the caller keeps it, so it can be read when the run has failed too.

    `judge` decides which answers are good; `on_batch` is called after every batch or page, in the caller's
    thread, and ends the run by raising. `requests` counts by (method, path without host and query, status),
    where a network error or time-out has the status None. `problems` counts, by sentence, why batches failed.
    """

    judge: Judge = error_codes
    on_batch: Callable[[Progress], None] = _ignore
    usage: Usage = field(default_factory=Usage)
    surplus_answers: int = 0
    requests: Counter[tuple[str, str, int | None]] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)

    def http_requests(self) -> list[dict[str, Any]]:
        """The requests as the run manifest lists them: sorted, a status of null after the others."""
        ordered = sorted(self.requests.items(), key=lambda item: (*item[0][:2], item[0][2] or 1000))
        return [
            {"method": method, "path": path, "status": status, "count": count}
            for (method, path, status), count in ordered
        ]

"""The nine stages in their order, under their numbers and names, and how they are carried out.

Not here: what each stage does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from assets.aim.stages.loading import load_data
from assets.aim.stages.outcomes import Outcome
from assets.aim.stages.recommending import recommend
from assets.aim.stages.reporting import (
    build_analysis,
    build_output,
    build_token_fact,
    report_merchandising,
    validate_lists,
)
from assets.aim.stages.run import Run
from assets.aim.stages.scoring import score_tyres


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: its display name, as manifest and status have it, and its work."""

    name: str
    work: Callable[[Run], Outcome]


def _nothing(_: Run) -> Outcome:
    """Stage 2 keeps its number, which people's schedules name, and does nothing."""
    return Outcome(0)


STAGES: Final[Mapping[int, Stage]] = {
    1: Stage("Stage 1: Load Data", load_data),
    2: Stage("Stage 2: Placeholder", _nothing),
    3: Stage("Stage 3: TyreScore", score_tyres),
    4: Stage("Stage 4: Batch Recommender", recommend),
    5: Stage("Stage 5: Validation", validate_lists),
    6: Stage("Stage 6: Core Tables", build_analysis),
    7: Stage("Stage 7: Dashboard Tables", build_token_fact),
    8: Stage("Stage 8: Output Core", build_output),
    9: Stage("Stage 9: Dashboard Output", report_merchandising),
}


def perform(run: Run, number: int) -> Outcome:
    """Carry out one stage and enter it into the book."""
    stage = STAGES[number]
    with run.book.stage(number, stage.name) as entry:
        outcome = stage.work(run)
        entry.rows = outcome.rows
    return outcome


def perform_all(run: Run, numbers: Iterable[int], done: Callable[[int, Outcome], None]) -> None:
    """Carry out stages in ascending order, each once; the first that fails ends the run.

    `done` is told of each stage that is done.
    """
    run.book.start()
    with booked(run), run.warehouse.session():
        for number in sorted(set(numbers)):
            done(number, perform(run, number))
    run.book.finish()


@contextmanager
def booked(run: Run) -> Iterator[None]:
    """Keep the book alive while stages work, and enter the failure that ends them."""
    try:
        with run.book.beating():
            yield
    except BaseException as failure:
        try:
            run.book.fail(sentence_of(failure))
        except Exception as unwritten:  # noqa: BLE001 (what ended the run matters more)
            run.log.warning("The end of run %s could not be noted: %s", run.run_id, unwritten)
        raise


def is_interrupt(failure: BaseException) -> bool:
    """Whether a person or the system stopped the run; inside a query DuckDB makes its own error of it."""
    return isinstance(failure, KeyboardInterrupt) or isinstance(failure.__cause__, KeyboardInterrupt)


def sentence_of(failure: BaseException) -> str:
    """What ended a run, as a person reads it: on one line."""
    if is_interrupt(failure):
        return "The run was interrupted; run the date again"
    return " ".join(str(failure).split()) or type(failure).__name__

"""Stage 4, first half: the CAMs that a run asks for, and the answers of the recommendation service.

Not here: what becomes of the answers (`recommending`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from assets.aim.reference import VEHICLE_MAPPING
from assets.aim.results import judge
from assets.aim.runlist import Runlist, read_runlist
from assets.aim.settings import Settings
from assets.aim.sizes import size_keys
from assets.aim.stages.inputs import reference_rows
from assets.aim.stages.run import Run
from assets.aim.tables import SCORES
from assets.aim.vehicles import vehicle_keys
from assets.failures import PermanentFailure
from resources.waves import Cam, Journal, Pace, Parameters, Progress, SegmentPlan

_LOGGED_FAILURES = 3
_LOGGED_REJECTIONS = 20


@dataclass(slots=True)
class Tally:
    """CAMs attempted so far, and how many of them can be published."""

    attempted: int = 0
    succeeded: int = 0


def read_work_list(run: Run) -> Runlist:
    """The CAMs of a run in rank order; says how many rows are not among them, and why."""
    folder, path = run.places.runlist
    with folder.opened(path) as stream:
        if stream is None:
            raise PermanentFailure(f"{folder.shown(path)} does not exist; put the runlist there")
        runlist = read_runlist(stream, path, run.settings.total_overall)
    for line, reason in runlist.rejections[:_LOGGED_REJECTIONS]:
        run.log.warning("%s: line %d was dropped: it %s", path, line, reason)
    run.log.info(
        "%s: %s rows read, %s dropped, %s duplicate, %s cut, %s CAMs to do",
        path, *(f"{count:,}" for count in (runlist.read, runlist.dropped, runlist.duplicate, runlist.cut)),
        f"{runlist.cams.height:,}",
    )  # fmt: skip
    return runlist


def ask(run: Run, cams: pl.DataFrame, known_ids: pl.Series, journal: Journal) -> pl.DataFrame:
    """Ask the service for all CAMs of a run; the journal is filled while it answers.

    The judged answers (see `results.judge`), one row per CAM attempted: in the order of the runlist, or of
    segments and offsets.
    """
    if run.waves is None:
        raise ValueError("This run was made without a recommendation service")
    if run.settings.run_mode == "GLOBAL":
        answers = run.waves.recommend(
            cams_of(cams),
            scores=lambda: score_rows(run),
            parameters=parameters_of(run.settings),
            pace=pace_of(run.settings),
            started=run.started,
            journal=journal,
        )
        return judge(answers, known_ids, cams)
    answers = run.waves.recommend_segments(
        cams_by_segment(run, cams),
        scores=lambda: score_rows(run),
        parameters=parameters_of(run.settings),
        plan=plan_of(run.settings),
        journal=journal,
    )
    return judge(answers, known_ids)


def journal_for(run: Run, known_ids: pl.Series, tally: Tally) -> Journal:
    """A journal that judges as publishing will, and keeps tally and status of the run up to date."""

    def error_codes(answers: Sequence[object]) -> list[str | None]:
        # A CAM of the runlist keeps its own texts, so that what an answer echoes cannot fail it.
        own = pl.DataFrame({"Vehicle": ["-"] * len(answers), "Size": ["-"] * len(answers)})
        cams = own if run.settings.run_mode == "GLOBAL" else None
        return judge(answers, known_ids, cams)["error_code"].to_list()

    def on_batch(progress: Progress) -> None:
        tally.attempted, tally.succeeded = progress.attempted, progress.succeeded
        line = f"Processing batch {progress.finished}/{progress.batches}"
        run.book.progress(progress.attempted, progress.succeeded, line)
        again = " of the second pass" if progress.second_pass else ""
        run.log.info(
            "%s%s: %s attempted, %s succeeded, %s failed",
            line, again, *(f"{n:,}" for n in (progress.attempted, progress.succeeded, progress.failed)),
        )  # fmt: skip
        for failure in progress.failures[:_LOGGED_FAILURES]:
            named = f"{failure.vehicle or ''} {failure.size or ''}".strip() or "A CAM without a name"
            run.log.warning("%s: %s", named, failure.error_code)

    return Journal(judge=error_codes, on_batch=on_batch)


def scored_products(run: Run) -> pl.DataFrame:
    """The products that have a score, with their tier: columns ProductId and TyreScore.

    Empty where nothing was scored yet, and then an answer may name any product.
    """
    if not run.has(SCORES):
        run.log.warning("%s does not exist: product numbers cannot be checked", run.tables[SCORES])
        return pl.DataFrame(schema={"ProductId": pl.Int64, "TyreScore": pl.String})
    return run.query("list_scored_products")


def score_rows(run: Run) -> pl.DataFrame:
    """The score rows with the keys of their vehicles and sizes, for the embedded ranker."""
    run.require("Stage 3", SCORES)
    scores = run.query("read_scores")
    keys = size_keys(scores["SIZE"])["size_key"]
    return scores.with_columns(vehicle_keys(scores["Vehicle"]).alias("vehicle_key"), keys.alias("size_key"))


def cams_of(cams: pl.DataFrame) -> list[Cam]:
    """The CAMs as the service takes them, with their keys."""
    keyed = cams.select("Vehicle", "Size").with_columns(
        vehicle_keys(cams["Vehicle"]).alias("vehicle_key"), size_keys(cams["Size"])["size_key"]
    )
    return [Cam(*row) for row in keyed.iter_rows()]


def cams_by_segment(run: Run, cams: pl.DataFrame) -> dict[str, list[Cam]]:
    """The CAMs whose vehicle maps to each segment of the mapping, in their order."""
    mapping = reference_rows(run, VEHICLE_MAPPING)
    segments = dict(zip(vehicle_keys(mapping["vehicle"]), mapping["Segment"], strict=True))
    grouped: dict[str, list[Cam]] = {segment: [] for segment in segments.values() if segment}
    for cam in cams_of(cams):
        if segment := segments.get(cam.vehicle_key):
            grouped[segment].append(cam)
    return grouped


def parameters_of(settings: Settings) -> Parameters:
    """What the settings say of how lists are made."""
    return Parameters(
        goldilocks_zone_pct=settings.goldilocks_zone_pct,
        price_fluctuation_upper=settings.price_fluctuation_upper,
        price_fluctuation_lower=settings.price_fluctuation_lower,
        brand_enhancer=settings.brand_enhancer,
        model_enhancer=settings.model_enhancer,
        season=settings.season,
        disable_search=settings.disable_search,
    )


def pace_of(settings: Settings) -> Pace:
    """What the settings say of batches."""
    return Pace(settings.batch_size, settings.parallel_batches, settings.request_timeout_s)


def plan_of(settings: Settings) -> SegmentPlan:
    """What the settings say of segments and pages."""
    return SegmentPlan(
        limit_to=settings.limit_segments,
        total_per_segment=settings.total_per_segment,
        page_size=settings.page_size,
        segments_in_flight=settings.parallel_segments,
        pages_in_flight=settings.requests_per_segment,
        timeout_s=settings.request_timeout_s,
    )

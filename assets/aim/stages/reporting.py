"""Stages 5 to 9: the claims about the published lists, and the tables that are made of them."""

from dataclasses import dataclass, field

import polars as pl

from assets.aim.reference import MANUAL_CAMS, PRODUCT_CATALOGUE, VEHICLE_MAPPING
from assets.aim.stages.inputs import refresh_event_items, refresh_published_size_keys, refresh_reference
from assets.aim.stages.outcomes import Outcome
from assets.aim.stages.run import Run
from assets.aim.tables import (
    ANALYSIS,
    MERCHANDISING_REPORT,
    OVERRIDE_FILE,
    RESOLVED_CAMS,
    SCORES,
    SIZE_FILE,
    TOKEN_FACT,
    VALIDATION_REPORT,
)
from assets.failures import PermanentFailure
from resources.warehouse import Typed


@dataclass(frozen=True, slots=True)
class Validated(Outcome):
    """A finished Stage 5: the report, one row per claim."""

    claims: pl.DataFrame = field(default_factory=pl.DataFrame)


class ClaimsBroken(PermanentFailure):
    """A claim of severity `error` does not hold; the report says which, and is written."""

    def __init__(self, outcome: Validated) -> None:
        broken = outcome.claims.filter((pl.col("severity") == "error") & (pl.col("status") == "fail"))
        shown = "; ".join(
            f"{row['claim']} for {row['failing_rows']:,} of {row['total_rows']:,} lists ({row['sample']})"
            for row in broken.iter_rows(named=True)
        )
        super().__init__(
            f"The published lists break these claims: {shown}; see {VALIDATION_REPORT}, and run "
            "Stages 3 to 5 again"
        )
        self.outcome = outcome


def validate_lists(run: Run) -> Validated:
    """Judge the published lists of the run date.

    Raises:
        ClaimsBroken: a claim of severity `error` does not hold.
    """
    _prepare(run)
    run.execute(["validate_lists"], [VALIDATION_REPORT], {"run_date": run.run_date})
    if run.settings.dry_run:
        return Validated(0)
    claims = run.preview(VALIDATION_REPORT, ["claim"], limit=100)
    outcome = Validated(claims.height, {VALIDATION_REPORT: {"claims": claims}}, claims=claims)
    if not claims.filter((pl.col("severity") == "error") & (pl.col("status") == "fail")).is_empty():
        raise ClaimsBroken(outcome)
    return outcome


def build_analysis(run: Run) -> Outcome:
    """The lists of the run date, one row per CAM, for merchandisers."""
    return _build(run, ["build_analysis"], [ANALYSIS])


def build_token_fact(run: Run) -> Outcome:
    """The lists of the run date, one row per filled slot, for dashboards."""
    return _build(run, ["build_token_fact"], [TOKEN_FACT])


def build_output(run: Run) -> Outcome:
    """The override file and the size file of the run date, in one transaction."""
    return _build(run, ["build_override_file", "build_size_file"], [OVERRIDE_FILE, SIZE_FILE])


def report_merchandising(run: Run) -> Outcome:
    """What shoppers saw and bought in the three weeks before the run date."""
    refresh_reference(run, VEHICLE_MAPPING)
    refresh_event_items(run)
    masked = run.settings.masked_dates
    rows = run.execute(
        ["report_merchandising"],
        [MERCHANDISING_REPORT],
        {
            "run_date": run.run_date,
            "masked_from": Typed([days.first for days in masked], "ARRAY<DATE>"),
            "masked_to": Typed([days.last for days in masked], "ARRAY<DATE>"),
        },
    )
    return Outcome(rows[-1]) if rows else Outcome(0)


def _build(run: Run, names: list[str], writes: list[str]) -> Outcome:
    """Resolve the CAMs of the run date and build tables of them, in one transaction."""
    _prepare(run)
    run.execute(["resolve_cams", *names], [RESOLVED_CAMS, *writes], {"run_date": run.run_date})
    if run.settings.dry_run:
        return Outcome(0)
    return Outcome(sum(run.count(table) for table in writes))


def _prepare(run: Run) -> None:
    run.require_lists()
    refresh_reference(run, VEHICLE_MAPPING, PRODUCT_CATALOGUE, MANUAL_CAMS)
    run.make(SCORES)
    refresh_published_size_keys(run)

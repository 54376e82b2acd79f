"""The claims of aim as asset checks, evaluated by the op that makes what they are about.

Check specs and not checks of their own: the validation report is the judgement, and a second reading of the
lists could only disagree with it.
"""

from collections.abc import Iterator, Mapping

import dagster as dg
import polars as pl

from assets.aim.claims import CLAIMS

RECOMMENDATIONS = dg.AssetKey(["aim", "recommendations"])
VALIDATION_REPORT = dg.AssetKey(["aim", "validation_report"])

SUCCESS_RATIO_IS_ENOUGH = dg.AssetCheckSpec(
    "success_ratio_is_enough",
    asset=RECOMMENDATIONS,
    blocking=True,
    description="At least AIM_MIN_SUCCESS_RATIO of the CAMs attempted have a list that may be shown.",
)

CLAIM_CHECKS = tuple(
    dg.AssetCheckSpec(
        claim.name,
        asset=VALIDATION_REPORT,
        blocking=claim.severity == "error",
        description=claim.description,
    )
    for claim in CLAIMS
)


def claim_results(report: pl.DataFrame) -> Iterator[dg.AssetCheckResult]:
    """One result per claim of a validation report."""
    for row in report.iter_rows(named=True):
        yield dg.AssetCheckResult(
            asset_key=VALIDATION_REPORT,
            check_name=row["claim"],
            passed=row["status"] == "pass",
            severity=_severity(row["severity"]),
            metadata={
                "failing_rows": row["failing_rows"],
                "total_rows": row["total_rows"],
                "sample": row["sample"] or "",
            },
        )


def success_ratio_result(
    attempted: int, succeeded: int, limit: float, *, passed: bool, failures: Mapping[str, int]
) -> dg.AssetCheckResult:
    """The result of the publish guard."""
    return dg.AssetCheckResult(
        asset_key=RECOMMENDATIONS,
        check_name=SUCCESS_RATIO_IS_ENOUGH.name,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "attempted": attempted,
            "succeeded": succeeded,
            "ratio": round(succeeded / attempted, 4) if attempted else 0.0,
            "limit": limit,
            "failures_by_error_code": dg.MetadataValue.json(dict(failures)),
        },
    )


def _severity(word: str) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if word == "error" else dg.AssetCheckSeverity.WARN

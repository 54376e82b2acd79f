"""The claims of beams as asset checks, evaluated by the step that makes what they are about.

A claim that is broken by a refused input has its check fail with the codes and sentences of all problems; the
step fails with it, so nothing behind it runs.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from assets.beams.failures import BeamFailure
from assets.beams.states import CheckState
from assets.metadata import as_table

if TYPE_CHECKING:
    from assets.beams.stages.delivery_checks import CheckedDelivery

GROUP: Final = "beams"


def beams_key(name: str) -> dg.AssetKey:
    """The key of an asset of this pipeline."""
    return dg.AssetKey([GROUP, name])


def _claim(asset: str, name: str, description: str, *, blocking: bool = True) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset=beams_key(asset), description=description, blocking=blocking)


EVERY_DELIVERY_MATCHES = _claim(
    "case_manifest",
    "every_delivery_matches_the_plan",
    "Patient, beam, room and time of every delivery are those of the plan, beyond doubt.",
)
EVERY_LAYER_HAS_ITS_LOG = _claim(
    "case_manifest",
    "every_layer_has_its_own_log",
    "PlanRange gives every delivered layer one log, and no log is left over.",
)
CSV_READS_BACK = _claim(
    "log_csv", "csv_reads_back", "Every log is that of its layer, and its CSV reads back to the same numbers."
)
TPS_READS_BACK = _claim(
    "tps_input", "tps_file_reads_back", "By the engine's own rules the file says what was meant."
)
DOSE_IS_POSITIVE = _claim(
    "dose",
    "dose_is_finite_and_positive",
    "The engine gave evidence of its success; its dose has the right size, is finite and positive, and has"
    " its maximum inside the phantom.",
)
RTDOSE_SCALES_BACK = _claim(
    "rtdose",
    "rtdose_scales_back",
    "Read back and scaled, every value is that of the engine within one count.",
)
RTDOSE_REFERENCES_PLAN = _claim(
    "rtdose", "rtdose_references_the_plan", "Patient, study, plan and beam are those of the plan."
)
GAMMA_IS_ENOUGH = _claim(
    "delivery_check",
    "gamma_is_at_least_95_percent",
    "Of every delivery at least 95 % of the points evaluated pass; a warning from 80 to 95 %.",
    blocking=False,
)
MONITORS_AGREE = _claim(
    "delivery_check", "monitors_agree", "The two dose monitors agree within 5 %.", blocking=False
)
METERSET_SHARE_MATCHES = _claim(
    "delivery_check",
    "meterset_share_matches_plan",
    "Every layer has its planned share of the beam's counts, within 5 % of it.",
    blocking=False,
)

_OF_THE_JOIN: Final = frozenset(
    {
        "ptn_missing",
        "ptn_unlisted",
        "layer_number",
        "layer_count",
        "layer_energy",
        "range_code",
        "ptn_length",
        "ptn_empty",
    }
)


def passed(spec: dg.AssetCheckSpec, **metadata: Any) -> dg.AssetCheckResult:
    """The claim holds."""
    return dg.AssetCheckResult(asset_key=spec.asset_key, check_name=spec.name, passed=True, metadata=metadata)


def broken(spec: dg.AssetCheckSpec, failure: BeamFailure) -> dg.AssetCheckResult:
    """The claim does not hold, for the problems of a failure."""
    problems = failure.problems or (failure,)
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=failure.message,
        metadata={
            "code": failure.code,
            "problems": as_table([{"code": one.code, "problem": one.message} for one in problems]),
        },
    )


def manifest_results(failure: BeamFailure | None) -> Iterator[dg.AssetCheckResult]:
    """The two claims of a manifest: what the join refuses has passed every rule before it."""
    if failure is None:
        yield passed(EVERY_DELIVERY_MATCHES)
        yield passed(EVERY_LAYER_HAS_ITS_LOG)
    elif failure.code in _OF_THE_JOIN:
        yield passed(EVERY_DELIVERY_MATCHES)
        yield broken(EVERY_LAYER_HAS_ITS_LOG, failure)
    else:
        yield broken(EVERY_DELIVERY_MATCHES, failure)


def delivery_results(deliveries: "Sequence[CheckedDelivery]") -> Iterator[dg.AssetCheckResult]:
    """The three claims about the deliveries of a beam."""
    short = [delivery for delivery in deliveries if delivery.end.state is not CheckState.PASSED]
    failed = any(delivery.end.state in (CheckState.FAILED, CheckState.ERROR) for delivery in short)
    yield _deliveries(GAMMA_IS_ENOUGH, short, dg.AssetCheckSeverity.ERROR if failed else _WARN)
    for spec, code in ((MONITORS_AGREE, "monitor_disagreement"), (METERSET_SHARE_MATCHES, "meterset_share")):
        yield _deliveries(spec, [delivery for delivery in deliveries if code in delivery.warnings], _WARN)


_WARN: Final = dg.AssetCheckSeverity.WARN


def _deliveries(
    spec: dg.AssetCheckSpec, offending: "Sequence[CheckedDelivery]", severity: dg.AssetCheckSeverity
) -> dg.AssetCheckResult:
    rows = [delivery_row(delivery) for delivery in offending]
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=not offending,
        severity=severity,
        metadata={"deliveries": as_table(rows)} if rows else {},
    )


def delivery_row(delivery: "CheckedDelivery") -> dict[str, str | int | float]:
    """A checked delivery as a row of a table; what is not known is an empty text."""
    end = delivery.end
    return {
        "delivery": delivery.folder,
        "verdict": end.state.value,
        "pass_rate_percent": "" if end.gamma_pass_rate is None else round(end.gamma_pass_rate, 4),
        "gamma_mean": "" if end.gamma_mean is None else round(end.gamma_mean, 4),
        "gamma_max": "" if end.gamma_max is None else round(end.gamma_max, 4),
        "points": end.evaluated_points or 0,
        "warnings": ", ".join(delivery.warnings),
        "reason": "" if end.failure is None else end.failure.message,
    }

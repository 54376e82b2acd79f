"""The claims of market as asset checks, evaluated by the op that makes the tables.

They are check specs of `market_month` and not checks of their own: in a run over many months an output is
never yielded, and Dagster would skip every check op behind it. The op judges each month before it replaces an
object.
"""

from collections.abc import Iterator, Mapping, Sequence, Set

import dagster as dg

from assets.market.claims import Claim, TableName, Verdict
from assets.market.month import CLAIMS

ASSET_KEYS: Mapping[TableName, dg.AssetKey] = {
    "session_bars": dg.AssetKey(["market", "session_bars"]),
    "training_table": dg.AssetKey(["market", "training_table"]),
    "month_statistics": dg.AssetKey(["market", "month_statistics"]),
}

CHECK_SPECS = tuple(
    dg.AssetCheckSpec(
        claim.name, asset=ASSET_KEYS[claim.on], blocking=claim.is_blocking, description=claim.description
    )
    for claim in CLAIMS
)


def check_results(
    verdicts: Mapping[str, Sequence[Verdict]], selected: Set[dg.AssetCheckKey]
) -> Iterator[dg.AssetCheckResult]:
    """One result per selected check over all judged months; none where no month was judged.

    Args:
        verdicts: the verdicts of each judged month.
        selected: the checks that the run was asked for.
    """
    for claim in CLAIMS:
        key = dg.AssetCheckKey(ASSET_KEYS[claim.on], claim.name)
        judged = {
            month: verdict
            for month, found in verdicts.items()
            for verdict in found
            if verdict.claim == claim.name
        }
        if key in selected and judged:
            yield _result(claim, judged)


def _result(claim: Claim, judged: Mapping[str, Verdict]) -> dg.AssetCheckResult:
    broken = {month: verdict for month, verdict in judged.items() if not verdict.holds}
    severity = dg.AssetCheckSeverity.ERROR if claim.is_blocking else dg.AssetCheckSeverity.WARN
    metadata: dict[str, dg.MetadataValue] = {"months_judged": dg.MetadataValue.int(len(judged))}
    if broken:
        metadata["months"] = dg.MetadataValue.text(", ".join(sorted(broken)))
        metadata["breaches"] = dg.MetadataValue.int(sum(verdict.breach_count for verdict in broken.values()))
        metadata["rows"] = dg.MetadataValue.json(
            [
                {"month": month, **breach}
                for month, verdict in sorted(broken.items())
                for breach in verdict.breaches
            ][:_SHOWN_ROWS]
        )
    return dg.AssetCheckResult(
        asset_key=ASSET_KEYS[claim.on],
        check_name=claim.name,
        passed=not broken,
        severity=severity,
        metadata=metadata,
    )


_SHOWN_ROWS = 50

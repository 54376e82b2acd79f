"""What each job shows of its work, and how the claims about its result came out.

Not here: how that is stored (`steps`, the entries), and the pictures (`pictures`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final

from assets.dwh.coverage import Gap
from assets.dwh.days import format_instant
from assets.dwh.metrics import Metrics
from assets.dwh.pictures import drops_picture, duplicates_picture, rows_picture
from assets.dwh.reports import Claim, Report
from assets.dwh.stages.filter_request import FilterOutcome
from assets.dwh.stages.promoting import PromotionsLoaded
from assets.dwh.stages.transforming import TransformOutcome
from assets.facts import Fact, Markdown, Scalar, Table

LONGEST_TABLE: Final = 50
"""Rows of a table in metadata, which lie in the event log for ever."""


def transform_report(outcome: TransformOutcome) -> Report:
    """The report of `transform_images`."""
    manifest = outcome.manifest
    written, dropped = _by_prefix(outcome)
    gaps = manifest.coverage.gaps
    facts: dict[str, Fact] = {
        **_shared(outcome.metrics),
        "dagster/row_count": manifest.records_written,
        "run_id": manifest.run_id,
        "status": manifest.status,
        "records_by_reason": Table(_reasons(outcome.metrics)),
        "rows": Markdown(rows_picture(manifest.day, manifest.timezone, written, dropped, gaps)),
        "dropped_rows": Markdown(drops_picture(manifest.day, manifest.timezone, dropped)),
        "raw_objects": outcome.raw.objects,
        "raw_bytes": outcome.raw.bytes,
        "prefixes": outcome.raw.prefixes,
        "empty_prefixes": outcome.raw.empty_prefixes,
        "late_records": manifest.late_records,
        "early_records": manifest.early_records,
        "drop_rate": outcome.quality.shown_drop_rate,
        **_table("rows_of_other_days", _other_days(outcome)),
        **_table("gaps", _gaps(gaps)),
        **_table("warnings", [{"warning": warning} for warning in outcome.warnings]),
    }
    return Report(outcome.metrics, facts, [_drop_rate(outcome), _accounted(outcome.metrics)])


def filter_report(outcome: FilterOutcome) -> Report:
    """The report of `filter_images`."""
    manifest, output, context = outcome.manifest, outcome.output, outcome.manifest.context
    gaps = manifest.coverage.gaps
    facts: dict[str, Fact] = {
        **_shared(outcome.metrics),
        "dagster/row_count": output.record_count,
        "run_id": manifest.run_id,
        "mode": manifest.input.mode,
        "output": output.path,
        "files": output.files,
        "duplicates_removed": output.duplicates_removed,
        "null_key_records": output.null_key_records,
        "attempts": outcome.attempts,
        **_table("inputs", _inputs(outcome)),
        **_table("gaps", _gaps(gaps)),
    }
    if context.day is not None and context.timezone is not None:
        facts["duplicates"] = Markdown(
            duplicates_picture(
                context.day, context.timezone, outcome.read_by_slot, outcome.kept_by_slot, gaps
            )
        )
    if outcome.quarantined is not None:
        facts["quarantined_records"] = outcome.quarantined.records
    return Report(outcome.metrics, facts, [_unique_keys(outcome), _all_included(outcome), _no_gaps(gaps)])


def promotions_report(outcome: PromotionsLoaded, days: Sequence[date]) -> Report:
    """The report of `load_promos`."""
    staged = outcome.staged
    facts: dict[str, Fact] = {
        **_shared(outcome.metrics),
        "dagster/row_count": outcome.merged,
        "run_id": outcome.metrics.job_run_id,
        "repeats_removed": outcome.repeats_removed,
        "newer_in_table": outcome.newer_in_table,
        "files": len(outcome.extract),
    }
    claims = [
        Claim(
            "extract_has_rows_and_columns",
            holds=outcome.rows_read > 0,
            description=f"{outcome.rows_read:,} rows in {len(outcome.extract)} files, all with an id",
            facts={"rows": outcome.rows_read},
        ),
        Claim(
            "every_promotion_id_is_unique",
            holds=staged.rows == staged.distinct_ids and not staged.null_ids,
            description=f"{staged.rows:,} rows of {staged.distinct_ids:,} promotions were loaded",
            facts={"rows": staged.rows, "promotions": staged.distinct_ids},
        ),
    ]
    *others, _ = (day.isoformat() for day in days)
    return Report(outcome.metrics, facts, claims, others)


def _drop_rate(outcome: TransformOutcome) -> Claim:
    quality, approval = outcome.quality, outcome.manifest.approval
    sentences = ["; ".join(quality.reasons) or f"the drop rate is {quality.shown_drop_rate:.4f}"]
    if quality.status == "RED" and approval is None:
        sentences.append("if the rows may be read, launch again with approve_quality and approve_reason")
    if approval is not None:
        sentences.append(f"approved by {approval.by}: {approval.reason}")
    return Claim(
        "drop_rate_is_acceptable",
        holds=quality.status == "GREEN" or approval is not None,
        description="; ".join(sentences),
        severity="WARN" if quality.status == "YELLOW" else "ERROR",
        facts={
            "status": quality.status,
            "drop_rate": quality.shown_drop_rate,
            "records_by_reason": Table(_reasons(outcome.metrics)),
        },
    )


def _unique_keys(outcome: FilterOutcome) -> Claim:
    rows, keys = outcome.keyed_records, outcome.different_keys
    return Claim(
        "every_key_appears_once",
        holds=rows == keys,
        description=f"{rows:,} rows with a key have {keys:,} different ones",
        facts={"rows": rows, "keys": keys},
    )


def _all_included(outcome: FilterOutcome) -> Claim:
    missing = sorted(outcome.missing_run_ids)
    expected = len(outcome.expected_run_ids)
    sentence = f"{expected - len(missing)} of {expected} inputs are included"
    if missing:
        sentence += f"; not {', '.join(missing)}"
    return Claim(
        "every_transform_output_is_included",
        holds=not missing,
        description=sentence,
        facts={"inputs": expected, **_table("missing", [{"run_id": run_id} for run_id in missing])},
    )


def _no_gaps(gaps: Sequence[Gap]) -> Claim:
    minutes = round(sum((gap.end - gap.start).total_seconds() for gap in gaps) / 60)
    return Claim(
        "day_has_no_gaps",
        holds=not gaps,
        description=f"{minutes:,} minutes in {len(gaps)} gaps were not read",
        severity="WARN",
        facts={"minutes": minutes, **_table("gaps", _gaps(gaps))},
    )


def _accounted(metrics: Metrics) -> Claim:
    read, written, dropped = metrics.records_read, metrics.records_written, metrics.records_dropped
    return Claim(
        "every_record_is_accounted_for",
        holds=read == written + dropped,
        description=f"{read:,} records were read, {written:,} written and {dropped:,} dropped",
        facts={"read": read, "written": written, "dropped": dropped},
    )


def _shared(metrics: Metrics) -> dict[str, Fact]:
    """What is shown of every job."""
    told = {
        name: text
        for name in ("service_provider", "environment", "region", "created_by")
        if (text := getattr(metrics, name))
    }
    counts = ("records_read", "records_written", "records_dropped", "bytes_written")
    return {
        **told,
        "seconds": round(metrics.duration_seconds, 2),
        **{name: getattr(metrics, name) for name in counts},
    }


def _reasons(metrics: Metrics) -> list[dict[str, Scalar]]:
    dropped = [{"reason": entry.reason, "records": entry.count} for entry in metrics.drop_reasons]
    return [{"reason": "written", "records": metrics.records_written}, *dropped]


def _table(name: str, rows: Sequence[Mapping[str, Scalar]]) -> dict[str, Fact]:
    """A table of that name, cut where it gets long; nothing where there are no rows."""
    return {name: Table(rows[:LONGEST_TABLE])} if rows else {}


def _other_days(outcome: TransformOutcome) -> list[dict[str, Scalar]]:
    days = {**outcome.late, **outcome.early}
    return [{"day": day.isoformat(), "rows": rows} for day, rows in sorted(days.items())]


def _inputs(outcome: FilterOutcome) -> list[dict[str, Scalar]]:
    rows: list[dict[str, Scalar]] = [
        {
            "run_id": read.run_id,
            "kind": read.kind,
            "source": format_instant(read.source_timestamp),
            "read": read.records_read,
            "contributed": read.records_contributed,
        }
        for read in outcome.inputs
    ]
    return rows


def _gaps(gaps: Iterable[Gap]) -> list[dict[str, Scalar]]:
    rows: list[dict[str, Scalar]] = [
        {"start": format_instant(gap.start), "end": format_instant(gap.end), "reason": gap.reason}
        for gap in gaps
    ]
    return rows


def _by_prefix(
    outcome: TransformOutcome,
) -> tuple[Mapping[datetime, int], Mapping[str, Mapping[datetime, int]]]:
    """The written rows by prefix, and the dropped ones by reason and prefix."""
    written: Counter[datetime] = Counter()
    dropped: dict[str, Counter[datetime]] = {}
    for count in outcome.by_prefix:
        (written if count.reason is None else dropped.setdefault(count.reason, Counter()))[count.begins] += (
            count.records
        )
    return written, dropped

"""The step `delivery_check`: every delivery of a beam against the plan, each with its record and its page.

One delivery that cannot be judged does not keep the others from it: it ends as `error`, with its reason.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from assets.beams.delivery_check import DeliveryCheck, check_record, checked_delivery
from assets.beams.delivery_report import delivery_page, delivery_pictures
from assets.beams.durable_files import disk_full_named, write_whole
from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.keys import shown
from assets.beams.registry import checks
from assets.beams.registry.checks import CheckEnd
from assets.beams.stages.beam_step import BeamStep, beam_step
from assets.beams.stages.site import Site
from assets.beams.states import CheckState

STEP: Final = "delivery_check"
FOLDER: Final = "Daily_PTN"


@dataclass(frozen=True, slots=True)
class CheckedDelivery:
    """How the check of a delivery ended."""

    folder: str
    end: CheckEnd
    warnings: tuple[str, ...]
    """Codes."""
    pictures: Mapping[str, str]
    """Small ones, as markdown, by name; only of the reference delivery."""


def check_deliveries(site: Site, partition_key: str) -> list[CheckedDelivery]:
    """Check all deliveries of a beam, by time. Raises as `beam_step` does."""
    with beam_step(site, partition_key, STEP, None) as step:
        (step.case.output / FOLDER).mkdir(parents=True, exist_ok=True)
        ends = [_checked(step, entry) for entry in step.case.entries(step.index)]
        step.end(metadata={"deliveries": {end.folder: end.end.state.value for end in ends}})
    return ends


def record_path(case_output: Path, folder: str, treatment_index: int) -> Path:
    """Where the record of a check lies; its page has the same name."""
    return case_output / FOLDER / f"{folder}_beam_{treatment_index}.json"


def _checked(step: BeamStep, entry: dict[str, Any]) -> CheckedDelivery:
    site, delivery_id = step.site, entry["delivery_id"]
    checks.begin(step.connection, step.work, delivery_id, site.clock())
    try:
        with disk_full_named(shown(step.case.output.name)):
            done = _judged(step, entry)
    except BeamFailure as failure:
        _forget(record_path(step.case.output, entry["folder"], step.index))
        done = CheckedDelivery(entry["folder"], CheckEnd(CheckState.ERROR, failure=failure), (), {})
    checks.end(step.connection, step.work, delivery_id, done.end, site.clock())
    site.log(f"{entry['folder']}: {_said(done.end)}")
    return done


def _judged(step: BeamStep, entry: dict[str, Any]) -> CheckedDelivery:
    try:
        check = checked_delivery(step.case.delivery(entry))
    except OSError as error:
        raise _unreadable(entry, error) from error
    path = record_path(step.case.output, entry["folder"], step.index)
    write_whole(path, (json.dumps(check_record(check), indent=1, allow_nan=False) + "\n").encode())
    summary = check.summary
    end = CheckEnd(
        summary.verdict,
        gamma_pass_rate=summary.pass_rate,
        gamma_mean=summary.gamma_mean,
        gamma_max=summary.gamma_max,
        evaluated_points=summary.evaluated_points,
    )
    pictures: Mapping[str, str] = {}
    try:
        page = _write_page(step, entry, check, path.with_suffix(".html"))
        end = replace(end, report_path=str(page.relative_to(step.case.output)))
        if entry["is_reference"]:
            pictures = delivery_pictures(check)
    except BeamFailure as failure:  # A page that cannot be drawn takes nothing from the result.
        end = replace(end, failure=failure)
    return CheckedDelivery(entry["folder"], end, tuple(warning.code for warning in check.warnings), pictures)


def _write_page(step: BeamStep, entry: dict[str, Any], check: DeliveryCheck, page: Path) -> Path:
    page.unlink(missing_ok=True)
    html = delivery_page(
        step.case.key,
        step.case.plan,
        check,
        fraction_index=entry["fraction_index"],
        is_reference=entry["is_reference"],
    )
    write_whole(page, html.encode())
    return page


def _forget(path: Path) -> None:
    """Remove what an earlier check found: it is no longer true."""
    path.unlink(missing_ok=True)
    path.with_suffix(".html").unlink(missing_ok=True)


def _unreadable(entry: dict[str, Any], error: OSError) -> BeamFailure:
    return beam_failure(
        "ptn_missing",
        f"A log of {shown(entry['folder'])} cannot be read ({error.strerror}); restore it, then run"
        " delivery_check again.",
    )


def _said(end: CheckEnd) -> str:
    if end.failure is not None:
        return f"{end.state} ({end.failure.message})"
    if end.gamma_pass_rate is None:
        return end.state.value
    return f"{end.state}, {end.gamma_pass_rate:.2f} % of {end.evaluated_points} points pass"

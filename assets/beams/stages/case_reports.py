"""The step `case_report`: what a case came to, in `Report/`, whether all of its beams have a dose or not."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from assets.beams.aggregation import Outcome, is_warning
from assets.beams.attributes import PARSING_ERRORS
from assets.beams.case_report_page import PAGE_FILE, BeamEvidence, beam_pictures, case_page
from assets.beams.case_results import (
    BeamDose,
    BeamResult,
    CaseResult,
    DeliveryResult,
    Missing,
    PublishedRtdose,
    checked,
    unchecked,
)
from assets.beams.case_warnings import CaseWarning
from assets.beams.delivery_check import DeliveryCheck, checked_delivery
from assets.beams.depth_dose import central_plane, depth_dose
from assets.beams.dose_grid import boundary_warnings
from assets.beams.durable_files import write_whole
from assets.beams.failures import BeamFailure
from assets.beams.keys import require_key_part
from assets.beams.manifested_case import ManifestedCase, manifested_case
from assets.beams.registry import cases, checks, failing, rows, settling
from assets.beams.registry.checks import DeliveryRow
from assets.beams.registry.claiming import claim_report
from assets.beams.registry.rows import Beam
from assets.beams.report_summary import SUMMARY_FILE, summary_json
from assets.beams.rtdose_check import stated_units
from assets.beams.run_records import PublishedDose, digest_of, published_dose
from assets.beams.stages.delivery_checks import record_path
from assets.beams.stages.site import Site
from assets.beams.states import BeamState, CheckState

STEP: Final = "case_report"


@dataclass(frozen=True, slots=True)
class MadeReport:
    """The report of a case."""

    room: str | None
    state: str
    """Of the case, once it is reported."""
    progress: float
    """In percent."""
    beam_rows: list[dict[str, Any]]
    delivery_rows: list[dict[str, Any]]
    warnings: tuple[str, ...]
    """Codes."""
    pictures: Mapping[str, str]
    """Small ones, as markdown, by name."""


@dataclass(frozen=True, slots=True, eq=False)
class _Gathered:
    """A beam as its report needs it."""

    result: BeamResult
    evidence: BeamEvidence
    warnings: tuple[CaseWarning, ...]


def make_report(site: Site, case_key: str) -> MadeReport:
    """Summarise a case whose beams have ended, and say what is missing.

    Raises:
        BeamFailure: `render_failed`: the summary is written, and the page is tried again.
        IllegalTransition: a beam of the case is active, or its manifest is yet to be made.
        NoManifest: the case has none.
    """
    require_key_part(case_key)
    with site.registry() as connection:
        row = rows.case_of(connection, case_key)
        output = site.output_of(case_key, row.room)
        case = manifested_case(case_key, output, site.settings.scan_root, site.settings.rules())
        work = claim_report(connection, case_key, site.run, site.clock())
        gathered = _gathered(connection, case)
        result = _result(connection, case, gathered)
        try:
            pictures = _written(output, result, gathered)
        except BeamFailure as failure:
            failing.fail_case(connection, work, failure, site.clock())
            raise
        codes = _warning_codes(gathered)
        ended = cases.complete(connection, work, codes, site.clock())
    return MadeReport(
        room=row.room,
        state=ended.status,
        progress=ended.progress,
        beam_rows=[_beam_row(beam.result) for beam in gathered],
        delivery_rows=[_delivery_row(delivery) for beam in gathered for delivery in beam.result.deliveries],
        warnings=tuple(json.loads(ended.warnings or "[]")),
        pictures=pictures,
    )


def _written(output: Path, result: CaseResult, gathered: list[_Gathered]) -> Mapping[str, str]:
    """The summary first: a page that cannot be drawn takes nothing from it."""
    page, summary = output / PAGE_FILE, output / SUMMARY_FILE
    summary.parent.mkdir(parents=True, exist_ok=True)
    evidence = {beam.result.beam.treatment_index: beam.evidence for beam in gathered}
    write_whole(summary, summary_json(result))
    page.unlink(missing_ok=True)
    write_whole(page, case_page(result, evidence).encode())
    return beam_pictures(result, evidence)


def _result(connection: sqlite3.Connection, case: ManifestedCase, gathered: list[_Gathered]) -> CaseResult:
    beams = rows.beams_of(connection, case.key)
    warned = bool(case.manifest["warnings"] or _warning_codes(gathered))
    outcome = settling.outcome_of(beams, case_warned=warned)
    return CaseResult(
        key=case.key,
        plan=case.plan,
        outcome=Outcome.ACTIVE if outcome is None else outcome.outcome,
        message=None if outcome is None else outcome.message,
        fractions=tuple(case.manifest["fractions"]),
        warnings=(
            *(CaseWarning(**warning) for warning in case.manifest["warnings"]),
            *(warning for beam in gathered for warning in beam.warnings),
        ),
        beams=tuple(beam.result for beam in gathered),
    )


def _gathered(connection: sqlite3.Connection, case: ManifestedCase) -> list[_Gathered]:
    checked_rows = {row.delivery_id: row for row in checks.deliveries_of(connection, case.key)}
    return [_of_beam(case, beam, checked_rows) for beam in rows.beams_of(connection, case.key)]


def _of_beam(case: ManifestedCase, row: Beam, checked_rows: Mapping[str, DeliveryRow]) -> _Gathered:
    beam = case.beam(row.treatment_index)
    dose, lack = _dose(case, row)
    made: BeamDose | None = None
    if dose is not None:
        rtdose = _rtdose(dose.output.with_name(f"RTDOSE_{row.beam_id}.dcm"))
        lack = (rtdose,) if isinstance(rtdose, Missing) else ()
        made = BeamDose(dose.record, dose.grid.unit, None if isinstance(rtdose, Missing) else rtdose)
    highest = max(layer.energy_mev for layer in beam.layers)
    entries = case.entries(row.treatment_index)
    deliveries = tuple(_delivery(case, entry, checked_rows[entry["delivery_id"]]) for entry in entries)
    return _Gathered(
        result=BeamResult(beam, row.state, made, deliveries, lack),
        evidence=BeamEvidence(
            check=_reference_check(case, row.treatment_index),
            depth_dose=None if dose is None else depth_dose(dose.grid),
            plane=None if dose is None else central_plane(dose.grid),
        ),
        warnings=() if dose is None else boundary_warnings(dose.grid, highest, dose.output.name),
    )


def _dose(case: ManifestedCase, row: Beam) -> tuple[PublishedDose | None, tuple[Missing, ...]]:
    """The dose of a completed beam; of any other what is missing, the root cause in its words."""
    if row.state is not BeamState.COMPLETED:
        code, message = row.failure_code or row.status, row.failure_message or f"The beam is {row.status}."
        return None, (Missing("dose", code, message),)
    try:
        return published_dose(case.output / "Dose" / row.folder), ()
    except BeamFailure as failure:
        return None, (Missing("dose", failure.code, failure.message),)


def _rtdose(path: Path) -> PublishedRtdose | Missing:
    try:
        return PublishedRtdose(path.name, digest_of(path), stated_units(path))
    except (*PARSING_ERRORS, AttributeError):
        return Missing(
            "rtdose",
            "missing_output",
            f"{path.name} is not there or no RTDOSE; materialise rtdose for the beam.",
        )


def _delivery(case: ManifestedCase, entry: dict[str, Any], row: DeliveryRow) -> DeliveryResult:
    status = CheckState(row.ptn_status)
    path = record_path(case.output, entry["folder"], entry["treatment_index"])
    page = path.with_suffix(".html").name if path.with_suffix(".html").is_file() else None
    what = f"check of {entry['folder']}"
    if status in (CheckState.NONE, CheckState.RUNNING, CheckState.ERROR):
        lack = Missing(what, row.failure_code, row.failure_message or "") if row.failure_code else None
        return unchecked(entry, status, lack)
    try:
        return checked(entry, json.loads(path.read_bytes()), page)
    except (OSError, ValueError, LookupError):
        message = f"{path.name} is not there or no record; materialise delivery_check for the beam."
        return unchecked(entry, CheckState.ERROR, Missing(what, "missing_output", message))


def _reference_check(case: ManifestedCase, treatment_index: int) -> DeliveryCheck | None:
    """The check of the reference delivery once more, for its pictures; None where it cannot be made."""
    try:
        return checked_delivery(case.reference(treatment_index))
    except (BeamFailure, OSError):
        return None


def _warning_codes(gathered: list[_Gathered]) -> list[str]:
    """Codes of what the checks and the doses warn of; a delivery that did not pass is a warning, too."""
    codes: list[str] = []
    for beam in gathered:
        codes += [warning.code for warning in beam.warnings]
        for delivery in beam.result.deliveries:
            codes += [warning.code for warning in delivery.warnings]
            if is_warning(delivery.status):
                codes.append(f"delivery_{delivery.status}")
    return list(dict.fromkeys(codes))


def _beam_row(result: BeamResult) -> dict[str, Any]:
    dose = result.dose
    return {
        "treatment_index": result.beam.treatment_index,
        "dicom_number": result.beam.dicom_number,
        "name": result.beam.name,
        "status": result.state.value,
        "engine": "" if dose is None else dose.run.engine,
        "dose_max": "" if dose is None else f"{dose.run.max:.4g} {dose.unit}",
        "rtdose": "" if dose is None or dose.rtdose is None else dose.rtdose.name,
        "missing": "; ".join(f"{lack.code}: {lack.message}" for lack in result.missing),
    }


def _delivery_row(delivery: DeliveryResult) -> dict[str, Any]:
    return {
        "delivery": delivery.folder,
        "fraction": delivery.fraction_index,
        "reference": delivery.is_reference,
        "verdict": delivery.status.value,
        "pass_rate_percent": "" if delivery.pass_rate is None else round(delivery.pass_rate, 4),
        "points": delivery.evaluated_points,
    }

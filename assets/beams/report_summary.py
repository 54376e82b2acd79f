"""`Report/summary.json`: the numbers of a case's report, for programs. Same results, same bytes."""

import json
from dataclasses import asdict
from typing import Any, Final

from assets.beams.case_results import BeamDose, BeamResult, CaseResult, DeliveryResult
from assets.beams.report_page import NOTICE

SUMMARY_FILE: Final = "Report/summary.json"


def summary_json(result: CaseResult) -> bytes:
    """A summary as its file has it.

    Raises:
        ValueError: a number of it is not finite.
    """
    return (json.dumps(case_summary(result), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def case_summary(result: CaseResult) -> dict[str, Any]:
    """What is known of a case, without its patient; numbers are unrounded."""
    return {
        "notice": NOTICE,
        "case": result.key,
        "room": result.plan.room,
        "gantry": result.plan.gantry,
        "plan": {"label": result.plan.label, "sop_instance_uid": result.plan.sop_instance_uid},
        "state": result.outcome.value,
        "message": result.message,
        "fractions": [dict(fraction) for fraction in result.fractions],
        "warnings": [asdict(warning) for warning in result.warnings],
        "beams": [_beam(beam) for beam in result.beams],
    }


def digests(dose: BeamDose) -> dict[str, str]:
    """SHA-256 by what it is of: what the dose was made with, what was made, and every input."""
    made = {
        "engine": dose.run.engine_digest,
        "command": dose.run.command_digest,
        "output": dose.run.output_sha256,
    }
    if dose.rtdose is not None:
        made["rtdose"] = dose.rtdose.sha256
    return made | {f"input {name}": digest for name, digest in sorted(dose.run.input_digests.items())}


def _beam(result: BeamResult) -> dict[str, Any]:
    beam = result.beam
    return {
        "treatment_index": beam.treatment_index,
        "dicom_number": beam.dicom_number,
        "plan_position": beam.plan_position,
        "name": beam.name,
        "folder": beam.folder,
        "status": result.state.value,
        "dose": None if result.dose is None else _dose(result.dose),
        "deliveries": [_delivery(delivery) for delivery in result.deliveries],
        "missing": [asdict(missing) for missing in result.missing],
    }


def _dose(dose: BeamDose) -> dict[str, Any]:
    run, rtdose = dose.run, dose.rtdose
    return {
        "engine": run.engine,
        "primaries": run.primaries,
        "seed": run.seed,
        "host": run.host,
        "max": run.max,
        "mean": run.mean,
        "unit": dose.unit,
        "rtdose": None if rtdose is None else rtdose.name,
        "rtdose_dose_units": None if rtdose is None else rtdose.dose_units,
        "digests": digests(dose),
    }


def _delivery(delivery: DeliveryResult) -> dict[str, Any]:
    return asdict(delivery) | {"status": delivery.status.value}

"""The manifest of a case: everything that was certain when it was judged, as `manifest.json` keeps it.

Later steps take beams, references and logs from it. Before they use a delivery they read it again and refuse
it if it is not what the manifest says (`manifested_case`). Deterministic: same input, same bytes.

Not here: writing it, and the folders that go with it (the step `case_manifest`).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from assets.beams.beam_items import PlanBeam, TreatmentBeam
from assets.beams.case_input import JudgedCase
from assets.beams.failures import one_line
from assets.beams.fractions import Fraction
from assets.beams.join import JoinedDelivery, LayerLog
from assets.beams.keys import layer_file_name
from assets.beams.timestamps import iso_utc
from assets.failures import PermanentFailure

MANIFEST_FILE: Final = "manifest.json"
PLAN_FILE: Final = "Log_csv/plan/RTPLAN.dcm"
LOG_FOLDER: Final = "Log_csv/log"

Manifest = Mapping[str, Any]


class NoManifest(PermanentFailure):
    """A case has no manifest, or one that cannot be read."""


def manifest_of(
    case: JudgedCase, fingerprint: str, case_path: str, room: str | None, plan: bytes
) -> Manifest:
    """What the manifest of a case says.

    Args:
        case: as it was judged.
        fingerprint: of its folder, before and after the judgement.
        case_path: of its folder, relative to the scan root.
        room: the room folder above it, None where there is none.
        plan: the bytes of its plan.
    """
    references = case.references.by_treatment_index
    chosen = {reference.delivery.folder for reference in references.values()}
    fraction_of = {
        delivery.folder: fraction.index for fraction in case.fractions for delivery in fraction.deliveries
    }
    return {
        "case": case.key,
        "case_path": case_path,
        "room": room,
        "gantry": case.plan.gantry,
        "fingerprint": fingerprint,
        "plan": {
            "file": PLAN_FILE,
            "source": case.plan.file.name,
            "sha256": sha256(plan).hexdigest(),
            "sop_instance_uid": case.plan.sop_instance_uid,
            "label": case.plan.label,
        },
        "items": [_item(beam) for beam in case.plan.beams],
        "beams": [_beam(beam) for beam in case.plan.treatment_beams],
        "fractions": [fraction_entry(fraction) for fraction in case.fractions],
        "deliveries": [
            {
                "fraction_index": fraction_of[joined.delivery.folder],
                "is_reference": joined.delivery.folder in chosen,
                **delivery_entry(joined, case.machine.digest(joined.delivery.block)),
            }
            for joined in case.deliveries
        ],
        "references": {
            str(index): {"delivery": reference.delivery.folder, "fraction_index": reference.fraction_index}
            for index, reference in references.items()
        },
        "ignored_folders": list(case.ignored_folders),
        "warnings": [asdict(warning) for warning in case.warnings],
    }


def manifest_bytes(manifest: Manifest) -> bytes:
    """A manifest as its file has it."""
    return (json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_manifest(case_output: Path, case_key: str) -> Manifest:
    """The manifest in the output folder of a case. Raises `NoManifest`."""
    try:
        manifest: Manifest = json.loads((case_output / MANIFEST_FILE).read_bytes())
    except FileNotFoundError:
        raise NoManifest(
            f"Case {case_key} has no {MANIFEST_FILE} in its output folder; materialise beams/case_manifest"
            " for it first."
        ) from None
    except ValueError as error:
        raise NoManifest(
            f"The {MANIFEST_FILE} of case {case_key} cannot be read ({one_line(str(error))}); materialise"
            " beams/case_manifest for it again."
        ) from None
    return manifest


def fraction_entry(fraction: Fraction) -> dict[str, Any]:
    """A fraction as documents name it; `missing` and `duplicate` are DICOM numbers."""
    return {
        "index": fraction.index,
        "status": fraction.status,
        "deliveries": [delivery.folder for delivery in fraction.deliveries],
        "missing": list(fraction.missing),
        "duplicate": list(fraction.duplicate),
    }


def delivery_entry(joined: JoinedDelivery, constants_digest: str) -> dict[str, Any]:
    """A delivery and its logs, from its own folder alone."""
    delivery = joined.delivery
    return {
        "delivery_id": delivery.id,
        "folder": delivery.folder,
        "timestamp": iso_utc(delivery.moment),
        "dicom_number": delivery.beam.dicom_number,
        "treatment_index": delivery.beam.treatment_index,
        "interrupted": delivery.interrupted,
        "constants_sha256": constants_digest,
        "logs": [_log(log) for log in joined.logs],
    }


def csv_names(joined: JoinedDelivery) -> list[str]:
    """The CSVs of a delivery, one for each layer that was delivered."""
    count = len(joined.delivery.beam.layers)
    return [layer_file_name(log.layer.number, log.layer.energy_mev, count) for log in joined.logs]


def _item(beam: PlanBeam) -> dict[str, Any]:
    return {
        "plan_position": beam.plan_position,
        "dicom_number": beam.dicom_number,
        "name": beam.name,
        "folder": beam.folder,
        "is_setup": not isinstance(beam, TreatmentBeam),
    }


def _beam(beam: TreatmentBeam) -> dict[str, Any]:
    return {
        "treatment_index": beam.treatment_index,
        "dicom_number": beam.dicom_number,
        "plan_position": beam.plan_position,
        "name": beam.name,
        "folder": beam.folder,
        "meterset_mu": beam.meterset_mu,
        "layers": [
            {
                "number": layer.number,
                "energy_mev": layer.energy_mev,
                "meterset_weight": layer.meterset_weight,
                "mu": layer.mu,
            }
            for layer in beam.layers
        ],
        "apertures": [asdict(aperture) for aperture in beam.apertures],
        "leaf_positions": [asdict(positions) for positions in beam.leaf_positions],
    }


def _log(log: LayerLog) -> dict[str, Any]:
    return {
        "layer": log.layer.number,
        "energy_mev": log.row.energy_mev,
        "file": log.path.name,
        "samples": log.samples,
        "dose1_range": log.row.dose1_range,
        "dose2_range": log.row.dose2_range,
    }

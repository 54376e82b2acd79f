"""What was published as the CSVs of a beam, `Log_csv/spot_csvs_<beam_id>.json`: whose logs they are.

CSVs carry no identity either. Before the TPS file points to them, and before they are simulated, they are
held against the manifest: the reference delivery of today, its layers, their bytes.

Not here: the conversion (`log_publication`).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from assets.beams.join import JoinedDelivery
from assets.beams.keys import beam_id, shown
from assets.beams.log_publication import SpotCsv, folder_problem
from assets.beams.manifest import csv_names
from assets.beams.manifested_case import ManifestedCase
from assets.beams.tps_file import tps_invalid
from assets.beams.tps_input import tps_file_name


def record_path(case_output: Path, case_key: str, treatment_index: int) -> Path:
    """Where the record of a beam's CSVs lies."""
    return case_output / "Log_csv" / f"spot_csvs_{beam_id(case_key, treatment_index)}.json"


def record_bytes(reference: JoinedDelivery, constants_digest: str, csvs: Sequence[SpotCsv]) -> bytes:
    """The record of the CSVs that were made of a delivery."""
    record = {
        "delivery": reference.delivery.folder,
        "delivery_id": reference.delivery.id,
        "constants_sha256": constants_digest,
        "layers": [asdict(csv) for csv in csvs],
    }
    return (json.dumps(record, indent=1) + "\n").encode()


def require_current_csvs(case: ManifestedCase, treatment_index: int) -> list[dict[str, Any]]:
    """The layers of a beam's record, whose CSVs are those of today's reference delivery.

    Raises:
        BeamFailure: `tps_invalid`: there is no record, it is of another delivery, or a CSV is not the one
            that was written.
    """
    path = record_path(case.output, case.key, treatment_index)
    refused = tps_file_name(case.key, treatment_index)
    reference = case.reference(treatment_index)
    wanted = csv_names(reference)
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        raise tps_invalid(refused, "the beam's logs were not converted; materialise log_csv first") from None
    constants = case.machine.digest(reference.delivery.block)
    if (record["delivery_id"], record["constants_sha256"]) != (reference.delivery.id, constants):
        raise tps_invalid(
            refused,
            f"its CSVs are of {shown(record['delivery'])}, or of other machine constants, and the reference"
            f" delivery is {shown(reference.delivery.folder)}; materialise log_csv again",
        )
    folder = case.log_folder(treatment_index)
    if problem := folder_problem(folder, wanted):
        raise tps_invalid(refused, f"the folder {shown(folder.name)}: {problem}")
    layers: list[dict[str, Any]] = record["layers"]
    for layer in layers:
        if sha256((folder / layer["name"]).read_bytes()).hexdigest() != layer["csv_sha256"]:
            raise tps_invalid(refused, f"{shown(layer['name'])} was changed since it was written")
    return layers

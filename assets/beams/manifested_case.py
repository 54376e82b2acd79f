"""A case by its manifest: plan and deliveries are read again, and are what the manifest says, or refused.

So a step that runs hours after the manifest uses what was judged then, and deliveries that arrived since do
not disturb it. Not here: the judgement itself (`case_input`).
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from assets.beams.beam_items import TreatmentBeam
from assets.beams.case_input import Rules
from assets.beams.deliveries import read_delivery
from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.identity import identified
from assets.beams.join import JoinedDelivery, joined
from assets.beams.keys import is_ignored_name, shown
from assets.beams.machines import Machine
from assets.beams.manifest import (
    LOG_FOLDER,
    MANIFEST_FILE,
    PLAN_FILE,
    Manifest,
    NoManifest,
    delivery_entry,
    read_manifest,
)
from assets.beams.plan import Plan, read_plan

_OF_THE_CASE = ("fraction_index", "is_reference")
"""What an entry of the manifest says that the delivery's own folder cannot."""


@dataclass(frozen=True, slots=True, eq=False)
class ManifestedCase:
    """A case that has a manifest."""

    key: str
    manifest: Manifest
    plan: Plan
    """Of the copy in the output folder."""
    machine: Machine
    folder: Path
    """Its input."""
    output: Path
    """Its folder under the output root."""
    rules: Rules

    def beam(self, treatment_index: int) -> TreatmentBeam:
        """A treatment beam. Raises `NoManifest` where the plan has none of this index."""
        beams = self.plan.treatment_beams
        if not 1 <= treatment_index <= len(beams):
            raise NoManifest(
                f"Case {self.key} has treatment beams 1 to {len(beams)}, not {treatment_index}; use a key as"
                " `scan` lists it."
            )
        return beams[treatment_index - 1]

    def log_folder(self, treatment_index: int) -> Path:
        """Where the CSVs of a beam lie."""
        return self.output / LOG_FOLDER / self.beam(treatment_index).folder

    def reference(self, treatment_index: int) -> JoinedDelivery:
        """The delivery whose logs are simulated for a beam.

        Raises:
            BeamFailure: it is no longer what the manifest says, or one of the codes of `deliveries` and
                `join`.
        """
        folder: str = self.manifest["references"][str(self.beam(treatment_index).treatment_index)]["delivery"]
        return self.delivery(
            next(entry for entry in self.manifest["deliveries"] if entry["folder"] == folder)
        )

    def entries(self, treatment_index: int) -> list[dict[str, Any]]:
        """What the manifest says of every delivery of a beam, by time."""
        return [entry for entry in self.manifest["deliveries"] if entry["treatment_index"] == treatment_index]

    def delivery(self, entry: dict[str, Any]) -> JoinedDelivery:
        """A delivery of the manifest. Raises as `reference` does."""
        folder = self.folder / entry["folder"]
        try:
            record = read_delivery(folder)
        except OSError as error:
            raise self._changed(entry, f"it cannot be read ({error.strerror})") from error
        try:
            delivery = identified(record, self.key, self.plan, self.machine, self.rules.zone)
        except ValueError:
            raise self._changed(entry, "its PlanInfo names no beam of the plan, or no time") from None
        (made,) = joined([delivery])
        found = json.loads(json.dumps(delivery_entry(made, self.machine.digest(delivery.block))))
        said = {key: value for key, value in entry.items() if key not in _OF_THE_CASE}
        if found != said:
            odd = next(key for key in said if found.get(key) != said[key])
            raise self._changed(entry, f"`{odd}` is another")
        return made

    def _changed(self, entry: dict[str, Any], how: str) -> BeamFailure:
        return beam_failure(
            "csv_mismatch",
            f"{shown(entry['folder'])} of case {self.key} is not what its manifest says: {how}; renew the"
            " marker of the case, so that its manifest is made anew.",
        )


def manifested_case(key: str, case_output: Path, scan_root: Path, rules: Rules) -> ManifestedCase:
    """The case of an output folder.

    Raises:
        NoManifest: it has no manifest.
        BeamFailure: `tps_invalid`: the copy of its plan is not that of the manifest, or not alone where the
            engine looks for it; or one of the codes of `plan`.
    """
    manifest = read_manifest(case_output, key)
    copy = case_output / PLAN_FILE
    if not _is_copy(copy, manifest["plan"]["sha256"]):
        raise beam_failure(
            "tps_invalid",
            f"{PLAN_FILE} of case {key} is not the one file, and the one content, that {MANIFEST_FILE} names;"
            " materialise beams/case_manifest for it again.",
        )
    plan = read_plan(copy.parent, room=manifest["room"])
    return ManifestedCase(
        key,
        manifest,
        plan,
        rules.machine_of(plan.gantry),
        scan_root / manifest["case_path"],
        case_output,
        rules,
    )


def _is_copy(copy: Path, digest: str) -> bool:
    if not copy.is_file() or copy.is_symlink():
        return False
    others = [entry for entry in copy.parent.iterdir() if not is_ignored_name(entry.name)]
    return others == [copy] and sha256(copy.read_bytes()).hexdigest() == digest

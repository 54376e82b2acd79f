"""The step `case_manifest`: a case is judged, and what its beams need is made ready in its output folder.

The plan is copied, a folder stands for every item of it, the manifest comes last. A case that is refused or
has to wait leaves what an earlier manifest made as it is.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from assets.beams.case_input import JudgedCase, judge_case
from assets.beams.durable_files import disk_full_named, sync_folder, write_whole
from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.keys import field_key, require_key_part, shown
from assets.beams.listing import CaseFolder, find_case, fingerprint_of
from assets.beams.manifest import (
    LOG_FOLDER,
    MANIFEST_FILE,
    PLAN_FILE,
    Manifest,
    manifest_bytes,
    manifest_of,
)
from assets.beams.registry import cases, failing
from assets.beams.registry.cases import MadeDelivery, PlannedBeam
from assets.beams.registry.claiming import claim_manifest
from assets.beams.stages.site import Site

_TPS_FILES: Final = "moqui_tps_*.in"
_CSV_RECORDS: Final = "spot_csvs_*.json"


@dataclass(frozen=True, slots=True)
class MadeManifest:
    """A case with its manifest."""

    manifest: Manifest
    sha256: str
    field_keys: tuple[str, ...]
    """The partition keys of its treatment beams, by index."""

    @property
    def room(self) -> str | None:
        """The room folder of its input; None where there is none."""
        return self.manifest["room"]


def make_manifest(site: Site, case_key: str) -> MadeManifest:
    """Judge a case and make its manifest; its beams and deliveries are registered then.

    Raises:
        BeamFailure: a pending one changes nothing; any other fails the case.
        PermanentFailure: there is no such case under the scan root.
        StaleWorker, NoAttempt: the case is not this run's to take.
    """
    require_key_part(case_key)
    located = find_case(site.settings.scan_root, case_key)
    judged = _judged(site, located, site.clock())
    if isinstance(judged, BeamFailure) and judged.category == "pending":
        raise judged
    with site.registry() as connection:
        cases.see(connection, case_key, located.room, located.path, site.clock())
        work = claim_manifest(connection, case_key, located.fingerprint, site.run, site.clock())
        try:
            if isinstance(judged, BeamFailure):
                raise judged
            with disk_full_named(shown(case_key)):
                made = _made(site.output_of(case_key, located.room), judged, located)
        except BeamFailure as failure:
            failing.fail_case(connection, work, failure, site.clock())
            raise
        cases.publish_manifest(
            connection,
            work,
            _planned_beams(judged),
            _made_deliveries(judged),
            judged.warning_codes,
            site.clock(),
        )
    return made


def _judged(site: Site, located: CaseFolder, now: datetime) -> JudgedCase | BeamFailure:
    """What a case comes to; one whose files change meanwhile has to wait."""
    judgement = judge_case(located.folder, located.key, site.settings.rules(), room=located.room, now=now)
    failure = judgement.outcome
    if isinstance(failure, BeamFailure) and failure.code == "missing_rtplan" and located.marker is not None:
        age = now - located.marker.modified
        if age <= site.settings.marker_grace:
            return beam_failure("missing_rtplan", failure.message, category="pending")
    if fingerprint_of(located.folder) != located.fingerprint:
        return beam_failure(
            "content_changing",
            f"Files of {shown(located.path)} changed while it was judged; wait until they have all arrived.",
        )
    return judgement.outcome


def _made(output: Path, judged: JudgedCase, located: CaseFolder) -> MadeManifest:
    plan = judged.plan.file.read_bytes()
    manifest = manifest_of(judged, located.fingerprint, located.path, located.room, plan)
    content = manifest_bytes(manifest)
    _copy_plan(output, plan)
    _make_log_folders(output / LOG_FOLDER, [beam.folder for beam in judged.plan.beams])
    indexes = [beam.treatment_index for beam in judged.plan.treatment_beams]
    _remove_strangers(output / "Log_csv", judged.key, indexes)
    write_whole(output / MANIFEST_FILE, content)
    keys = tuple(field_key(judged.key, index) for index in indexes)
    return MadeManifest(manifest, sha256(content).hexdigest(), keys)


def _copy_plan(output: Path, plan: bytes) -> None:
    """The copy is the only file of its folder: the engine takes whatever lies there."""
    copy = output / PLAN_FILE
    copy.parent.mkdir(parents=True, exist_ok=True)
    for entry in copy.parent.iterdir():
        if entry != copy:
            _remove(entry)
    write_whole(copy, plan, staging=copy.parent.parent)


def _make_log_folders(log: Path, folders: Iterable[str]) -> None:
    """One folder for every item of the plan, and nothing else: the engine counts them."""
    wanted = set(folders)
    log.mkdir(parents=True, exist_ok=True)
    for entry in log.iterdir():
        if entry.name not in wanted or not entry.is_dir() or entry.is_symlink():
            _remove(entry)
    for name in wanted:
        (log / name).mkdir(exist_ok=True)
    sync_folder(log)


def _remove_strangers(log_csv: Path, case_key: str, indexes: Iterable[int]) -> None:
    """Remove what an earlier plan left for beams that this one does not have."""
    endings = tuple(f"{case_key}_beam_{index}" for index in indexes)
    for pattern in (_TPS_FILES, _CSV_RECORDS):
        for path in log_csv.glob(pattern):
            if not path.stem.endswith(endings):
                path.unlink()


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()


def _planned_beams(judged: JudgedCase) -> list[PlannedBeam]:
    return [
        PlannedBeam(beam.treatment_index, beam.dicom_number, beam.plan_position, beam.name, beam.folder)
        for beam in judged.plan.treatment_beams
    ]


def _made_deliveries(judged: JudgedCase) -> list[MadeDelivery]:
    references = {reference.delivery.id for reference in judged.references.by_treatment_index.values()}
    return [
        MadeDelivery(
            delivery_id=delivery.id,
            path=delivery.folder,
            moment=delivery.moment,
            fraction_index=fraction.index,
            treatment_index=delivery.beam.treatment_index,
            is_reference=delivery.id in references,
            interrupted=delivery.interrupted,
        )
        for fraction in judged.fractions
        for delivery in fraction.deliveries
    ]

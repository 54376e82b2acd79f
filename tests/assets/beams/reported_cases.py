"""Cases with their results, from samples; doses and engines are made up."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

from assets.beams.aggregation import Outcome
from assets.beams.case_input import JudgedCase, judge_case
from assets.beams.case_results import (
    BeamDose,
    BeamResult,
    CaseResult,
    Missing,
    PublishedRtdose,
    checked,
    missing,
)
from assets.beams.delivery_check import DeliveryCheck, check_record, checked_delivery
from assets.beams.failures import beam_failure
from assets.beams.manifest import delivery_entry, fraction_entry
from assets.beams.run_records import RunRecord
from assets.beams.states import BeamState
from scripts.sample_data.beams import SampleCase, write_case
from tests.assets.beams.delivered_cases import RULES

NO_EVIDENCE = beam_failure("no_evidence", "The engine ended without its last line; look at <engine.log>.")
ENTRY = {
    "delivery_id": "QA0001_delivery_0123456789ab",
    "folder": "2026032010000000",
    "timestamp": "2026-03-20T10:00:00Z",
    "fraction_index": 1,
    "is_reference": True,
    "interrupted": False,
}
"""Of a delivery in a manifest, without its logs."""
RUN = RunRecord(
    engine="mcsquare",
    engine_digest="e" * 64,
    command_digest="c" * 64,
    seed=433038655,
    primaries=20_000,
    salt="1",
    host="local",
    lease_tokens={},
    started_at="2026-03-21T10:00:00Z",
    ended_at="2026-03-21T10:00:20Z",
    exit_code=0,
    completion_line="Total computation time: 20 s",
    output_sha256="0" * 64,
    max=1234.5,
    mean=12.25,
    input_digests={"plan.txt": "2" * 64, "config.txt": "1" * 64},
)


def judged_sample(root: Path, sample: SampleCase) -> JudgedCase:
    folder = write_case(root, sample)
    room = None if folder.parent == root else folder.parent.name
    return judge_case(
        folder, folder.name, RULES, room=room, now=datetime(2027, 1, 1, tzinfo=UTC)
    ).required_case()


def dose_of(case: JudgedCase, treatment_index: int) -> BeamDose:
    name = f"RTDOSE_{case.key}_beam_{treatment_index}.dcm"
    return BeamDose(RUN, "arbitrary", PublishedRtdose(name, "d" * 64, "RELATIVE"))


def checks_of(case: JudgedCase) -> Mapping[str, DeliveryCheck]:
    """The check of every delivery, by its id."""
    return {joined.delivery.id: checked_delivery(joined) for joined in case.deliveries}


def reference_check(
    case: JudgedCase, checks: Mapping[str, DeliveryCheck], treatment_index: int
) -> DeliveryCheck:
    return checks[case.reference_of(treatment_index).delivery.id]


def result_of(
    case: JudgedCase, checks: Mapping[str, DeliveryCheck], *, failed: Collection[int] = ()
) -> CaseResult:
    """The result of a case in which these beams have no dose."""
    fraction_of = {
        delivery.id: fraction.index for fraction in case.fractions for delivery in fraction.deliveries
    }
    beams = []
    for beam in case.plan.treatment_beams:
        index = beam.treatment_index
        reference = case.reference_of(index).delivery.id
        deliveries = []
        for joined in case.deliveries_of(index):
            made = joined.delivery.id
            entry = {"fraction_index": fraction_of[made], "is_reference": made == reference}
            entry |= delivery_entry(joined, "d" * 64)
            page = f"{joined.delivery.folder}_beam_{index}.html"
            deliveries.append(checked(entry, check_record(checks[made]), page))
        lacks: tuple[Missing, ...] = (missing("dose", NO_EVIDENCE),) if index in failed else ()
        beams.append(
            BeamResult(
                beam=beam,
                state=BeamState.FAILED if lacks else BeamState.COMPLETED,
                dose=None if lacks else dose_of(case, index),
                deliveries=tuple(deliveries),
                missing=lacks,
            )
        )
    return CaseResult(
        key=case.key,
        plan=case.plan,
        outcome=Outcome.FAILED if failed else Outcome.COMPLETED,
        message=NO_EVIDENCE.message if failed else None,
        fractions=tuple(fraction_entry(fraction) for fraction in case.fractions),
        warnings=case.warnings,
        beams=tuple(beams),
    )

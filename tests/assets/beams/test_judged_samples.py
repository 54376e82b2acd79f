"""The judgement of samples that know nothing of it: sound ones are ready, a broken one has its code."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from assets.beams.case_input import judge_case
from assets.beams.failures import CODES
from scripts.sample_data.beams import SampleCase, corrupted, write_case
from scripts.sample_data.beams_corruptions import CORRUPTIONS
from scripts.sample_data.beams_fields import Variant
from tests.assets.beams.delivered_cases import RULES

WARNINGS = [
    *("no_beam_meterset", "duplicate_delivery", "range_differs_from_plan"),
    *("mixed_fraction_reference", "interrupted_reference"),
]
PENDING = "fraction_window_open"
PREPARATION = [
    code for code in CORRUPTIONS if code in CODES and CODES[code].phase == "preparation" and code != PENDING
]
SAMPLE = SampleCase(number=1, samples=200)
DURING_THE_LAST_FRACTION = datetime(2026, 3, 21, 10, 30, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def judged_sample(root: Path, case: SampleCase, now: datetime = LATER) -> tuple[str, ...]:
    """The state of a sample, and the code of its failure or the codes of its warnings."""
    folder = write_case(root, case)
    room = None if folder.parent == root else folder.parent.name
    judgement = judge_case(folder, folder.name, RULES, room=room, now=now)
    if judgement.state == "ready":
        return ("ready", *judgement.required_case().warning_codes)
    code = getattr(judgement.outcome, "code", "")
    return (judgement.state, code)


@pytest.mark.parametrize("variant", [None, *Variant])
def test_a_sound_sample_is_ready_without_a_warning(tmp_path: Path, variant: Variant | None) -> None:
    case = SampleCase(number=1, samples=200, variants=frozenset([variant] if variant else []))
    assert judged_sample(tmp_path, case) == ("ready",)


@pytest.mark.parametrize("code", PREPARATION)
def test_a_sample_with_one_thing_wrong_has_the_code_of_that(tmp_path: Path, code: str) -> None:
    assert judged_sample(tmp_path, corrupted(SAMPLE, code)) == ("failed", code)


@pytest.mark.parametrize("code", WARNINGS)
def test_a_sample_with_something_remarkable_is_ready_with_that_warning(tmp_path: Path, code: str) -> None:
    assert judged_sample(tmp_path, corrupted(SAMPLE, code)) == ("ready", code)


def test_a_sample_that_is_still_being_delivered_waits(tmp_path: Path) -> None:
    case = corrupted(SAMPLE, PENDING)
    assert judged_sample(tmp_path, case, DURING_THE_LAST_FRACTION) == ("waiting", PENDING)
    assert judged_sample(tmp_path, case) == ("ready",)

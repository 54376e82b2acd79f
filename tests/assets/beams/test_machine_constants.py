"""The constants of the gantries, their dated blocks, and what their files may not say."""

from datetime import UTC, date, datetime

import pytest
import yaml

from assets.beams.machines import GANTRIES, machine, machine_from_yaml
from assets.failures import PermanentFailure

SAME = {
    "sad_x": 2419,
    "sad_y": 2026,
    "range_full_scale_na": {1: 160, 2: 470, 3: 1400, 4: 4200, 5: 12600},
    "base_range_code": 2,
    "count_divisor": 1,
    "settling_threshold_mm": 0.5,
    "settling_samples": 10,
    "protons_per_count": None,
}
G1 = {
    "x_offset": 16384,
    "y_offset": 16384,
    "x_gain": 0.010959,
    "y_gain": 0.0116412,
    "time_gain": 0.0600745,
    "alignment_y": 571.0,
    **SAME,
}
G2 = {
    "x_offset": 24580,
    "y_offset": 32772,
    "x_gain": 0.00726,
    "y_gain": 0.0071411,
    "time_gain": 0.06,
    "alignment_y": -232.0,
    **SAME,
}


def block(valid_from: object = date(2026, 3, 1), **constants: object) -> dict[str, object]:
    return {
        "valid_from": valid_from,
        "approved_by": "a physicist",
        "reason": "new chamber",
        "constants": G2 | constants,
    }


def text_of(*blocks: dict[str, object]) -> str:
    return yaml.safe_dump(list(blocks), sort_keys=False)


def noon(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T12:00:00").replace(tzinfo=UTC)


@pytest.mark.parametrize(("gantry", "constants"), [(1, G1), (2, G2)])
def test_the_constants_are_those_of_the_contract_since_2000(
    gantry: int, constants: dict[str, object]
) -> None:
    first = machine(gantry).blocks[0]
    assert first.valid_from == date(2000, 1, 1)
    assert first.constants.model_dump() == constants


@pytest.mark.parametrize("gantry", GANTRIES)
def test_no_two_blocks_of_a_gantry_have_one_date(gantry: int) -> None:
    dates = [block.valid_from for block in machine(gantry).blocks]
    assert len(set(dates)) == len(dates)
    assert machine(gantry).room == f"G{gantry}"


@pytest.mark.parametrize(
    ("day", "offset"),
    [("2026-02-28", 1), ("2026-03-01", 2), ("2026-03-31", 2), ("2026-04-01", 3), ("2099-01-01", 3)],
)
def test_the_block_of_the_latest_date_not_after_the_delivery_is_in_force(day: str, offset: int) -> None:
    unsorted = text_of(
        block(date(2026, 4, 1), x_offset=3), block(date(2000, 1, 1), x_offset=1), block(x_offset=2)
    )
    assert machine_from_yaml(2, unsorted, "G2.yaml").block_at(noon(day)).constants.x_offset == offset


def test_a_block_is_in_force_from_the_first_moment_of_its_day() -> None:
    g2 = machine_from_yaml(2, text_of(block(date(2000, 1, 1), x_offset=1), block(x_offset=2)), "G2.yaml")
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    assert g2.block_at(midnight).constants.x_offset == 2
    assert g2.block_at(midnight.replace(month=2, hour=23, minute=59)).constants.x_offset == 1


def test_a_delivery_before_the_first_block_has_no_constants() -> None:
    g2 = machine_from_yaml(2, text_of(block()), "G2.yaml")
    with pytest.raises(PermanentFailure, match=r"G2 has no constants for 2026-02-28.* 2026-03-01"):
        g2.block_at(noon("2026-02-28"))


def without(key: str) -> dict[str, object]:
    made = block()
    made["constants"] = {name: value for name, value in G2.items() if name != key}
    return made


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (text_of(block(), block(x_offset=2)), "two blocks have the date 2026-03-01"),
        (text_of(block(x_ofset=2)), "0.constants.x_ofset"),
        (text_of(without("time_gain")), "0.constants.time_gain"),
        (text_of(without("protons_per_count")), "0.constants.protons_per_count"),
        (text_of(block() | {"aproved_by": "x"}), "0.aproved_by"),
        (text_of(block() | {"reason": ""}), "0.reason"),
        (text_of(block("2026-03-01")), "0.valid_from"),
        (text_of(block(x_gain="0.00726")), "0.constants.x_gain"),
        (text_of(block(x_gain=0.0)), "0.constants.x_gain"),
        (text_of(block(x_gain=float("nan"))), "0.constants.x_gain"),
        (text_of(block(alignment_y=float("inf"))), "0.constants.alignment_y"),
        (text_of(block(x_offset=True)), "0.constants.x_offset"),
        (text_of(block(base_range_code=6)), "0.constants.base_range_code"),
        (text_of(block(range_full_scale_na={1: 160, 2: 470, 3: 1400, 4: 4200})), "0.constants.range_full_sc"),
        (text_of(block()).replace("y_offset:", "x_offset:"), "x_offset stands twice"),
        ("[]", "at least 1"),
        ("- [", "while parsing"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused_and_the_key_named(text: str, named: str) -> None:
    with pytest.raises(PermanentFailure) as refusal:
        machine_from_yaml(2, text, "G2.yaml")
    assert "G2.yaml" in str(refusal.value)
    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_digest_names_what_a_block_says_and_not_how_it_is_written() -> None:
    written = block()
    scales = {5: 12600, 4: 4200, 3: 1400, 2: 470, 1: 160.0}
    turned = {name: written[name] for name in reversed(written)} | {
        "constants": dict(reversed((G2 | {"sad_x": 2419.0, "range_full_scale_na": scales}).items()))
    }
    one = machine_from_yaml(2, text_of(written), "a.yaml")
    same = machine_from_yaml(2, text_of(turned), "b.yaml")
    assert one.digest(one.blocks[0]) == same.digest(same.blocks[0])
    assert len(one.digest(one.blocks[0])) == 64


@pytest.mark.parametrize(
    "other", [block(x_offset=2), block() | {"reason": "another"}, block(date(2026, 3, 2))], ids=str
)
def test_another_block_has_another_digest(other: dict[str, object]) -> None:
    one = machine_from_yaml(2, text_of(block()), "G2.yaml")
    changed = machine_from_yaml(2, text_of(other), "G2.yaml")
    assert one.digest(one.blocks[0]) != changed.digest(changed.blocks[0])
    assert machine(1).digest(one.blocks[0]) != one.digest(one.blocks[0])

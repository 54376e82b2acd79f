"""The constants of the two gantries: versioned data in `machines/<gantry>.yaml`, dated block by dated block.

The block in force at a delivery's timestamp applies to that delivery, and its digest stands in the manifest.
Constants are never changed in place: a new block with a later date says who approved it and why.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from assets.failures import PermanentFailure

GANTRIES: Final = (1, 2)
RANGE_CODES: Final = (1, 2, 3, 4, 5)

_FOLDER: Final = Path(__file__).with_name("machines")
_STRICT: Final = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
_RangeCode = Annotated[int, Field(ge=1, le=5)]
_Positive = Annotated[float, Field(gt=0)]
_Text = Annotated[str, Field(min_length=1)]


class MachineConstants(BaseModel):
    """What turns the words of a log into millimetres, milliseconds and counts, for one nozzle."""

    model_config = _STRICT

    x_offset: Annotated[int, Field(ge=0, le=65535)]
    """Raw value, in counts, of the axis; so is `y_offset`."""
    y_offset: Annotated[int, Field(ge=0, le=65535)]
    x_gain: _Positive
    """Millimetres per count; so is `y_gain`."""
    y_gain: _Positive
    time_gain: _Positive
    """Milliseconds per sample."""
    sad_x: _Positive
    """Distance from the virtual source to the axis, in mm; so is `sad_y`."""
    sad_y: _Positive
    range_full_scale_na: Mapping[int, _Positive]
    """Full scale of the electrometer, in nA, by monitor range code; all of 1 to 5."""
    base_range_code: _RangeCode
    """The range code whose counts are the unit of all counts."""
    count_divisor: _Positive
    alignment_y: float
    """Where y rests before the beam is steered to its first point, in mm."""
    settling_threshold_mm: _Positive
    settling_samples: Annotated[int, Field(ge=1)]
    protons_per_count: _Positive | None
    """Absolute calibration; without one, dose is relative."""

    @field_validator("range_full_scale_na")
    @classmethod
    def _has_every_code(cls, scales: Mapping[int, float]) -> Mapping[int, float]:
        if tuple(sorted(scales)) != RANGE_CODES:
            raise ValueError("it must have exactly the codes 1 to 5")
        return scales


class ConstantsBlock(BaseModel):
    """The constants from a day on, until the day of the next block."""

    model_config = _STRICT

    valid_from: date
    """The first day by the machine's own clock."""
    approved_by: _Text
    reason: _Text
    constants: MachineConstants


class Machine:
    """A gantry and its blocks, the earliest first."""

    def __init__(self, gantry: int, blocks: tuple[ConstantsBlock, ...]) -> None:
        self.gantry: Final = gantry
        self.blocks: Final = blocks

    @property
    def room(self) -> str:
        """The room of the gantry: `G1` or `G2`."""
        return f"G{self.gantry}"

    def block_at(self, moment: datetime) -> ConstantsBlock:
        """The block in force at a moment of the machine's clock, such as the timestamp of a delivery.

        The clock is that of `BEAMS_TIMEZONE`: convert a moment of another zone first.

        Raises:
            PermanentFailure: the moment lies before the first block.
        """
        day = moment.date()
        for block in reversed(self.blocks):
            if block.valid_from <= day:
                return block
        raise PermanentFailure(
            f"{self.room} has no constants for {day}: its first block begins on {self.blocks[0].valid_from};"
            f" add an earlier block to machines/{self.room}.yaml, or correct the clock of the machine."
        )

    def digest(self, block: ConstantsBlock) -> str:
        """What a manifest names a block by: 64 hex digits over the gantry and all that the block says."""
        said = json.dumps(block.model_dump(mode="json"), sort_keys=True)
        return sha256(f"{self.room}\n{said}".encode()).hexdigest()


@cache
def machine(gantry: int) -> Machine:
    """The machine of gantry 1 or 2, with the constants that ship with this package.

    Raises:
        PermanentFailure: its file breaks a rule.
    """
    file = _FOLDER / f"G{gantry}.yaml"
    return machine_from_yaml(gantry, file.read_text("utf-8"), file.name)


def machine_from_yaml(gantry: int, text: str, file_name: str) -> Machine:
    """A machine as a text of YAML describes it.

    Raises:
        PermanentFailure: it is no YAML, a key is unknown, missing or doubled, a value is out of range, or two
            blocks have one date. Names the file and the key.
    """
    try:
        blocks = _BLOCKS.validate_python(yaml.load(text, Loader=_StrictLoader))  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise _refused(file_name, " ".join(str(error).split())) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise _refused(file_name, f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}") from None
    blocks = sorted(blocks, key=lambda block: block.valid_from)
    for earlier, later in pairwise(blocks):
        if earlier.valid_from == later.valid_from:
            raise _refused(file_name, f"two blocks have the date {later.valid_from}")
    return Machine(gantry, tuple(blocks))


_BLOCKS: Final = TypeAdapter(Annotated[list[ConstantsBlock], Field(min_length=1)])


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, which would otherwise let the last of two equal keys win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.YAMLError(f"line {node.start_mark.line + 1}: the key {name} stands twice")
        return super().construct_mapping(node, deep)


def _refused(file_name: str, problem: str) -> PermanentFailure:
    return PermanentFailure(f"The machine constants of {file_name} are refused: {problem}; correct the file.")

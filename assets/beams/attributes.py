"""One attribute of a DICOM data set, as a value or as a refusal that says where it stands.

pydicom converts a value when it is asked for, and raises whatever the conversion raises. Here every value
that is none of its kind becomes `rtplan_parse_failed`. Texts that are longer than their type allows are read
without a warning: the names of treatment machines often are.

Not here: what the attributes of a plan mean (`plan`, `beam_items`, `layers`, `spot_maps`, `apertures`).
"""

import math
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.valuerep import PersonName

from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.keys import shown

PARSING_ERRORS: Final = (
    BytesLengthException,
    InvalidDicomError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom raises on bytes that are no DICOM, or not of their type; a fuzz test holds the list."""

EXPORT_AGAIN: Final = "export the plan again from the planning system"


@dataclass(frozen=True, slots=True)
class Item:
    """A data set of the plan, and the words that say where it stands."""

    dataset: Dataset
    where: str

    def text(self, keyword: str) -> str:
        """A text without the blanks around it; several values as one text; empty where there is none."""
        return self._joined(keyword, str, "text")

    def name(self, keyword: str) -> str:
        """The name of a person with its parts, by the rules of `text`."""
        return self._joined(keyword, PersonName, "name")

    def required_text(self, keyword: str) -> str:
        """A text that must be there."""
        return self.text(keyword) or self._missing(keyword)

    def number(self, keyword: str) -> float | None:
        """A finite number, or None where there is none."""
        value = self._value(keyword)
        return None if value is None else self._finite(keyword, [value])[0]

    def required_number(self, keyword: str) -> float:
        """A finite number that must be there."""
        value = self.number(keyword)
        return self._missing(keyword) if value is None else value

    def whole_number(self, keyword: str) -> int | None:
        """A whole number, or None where there is none."""
        value = self.number(keyword)
        if value is not None and value != int(value):
            raise self.refused(f"{keyword} {value} is no whole number")
        return None if value is None else int(value)

    def numbers(self, keyword: str) -> tuple[float, ...] | None:
        """Finite numbers, or None where there are none. A single one comes without a list in DICOM."""
        value = self._value(keyword)
        values = value if isinstance(value, list | MultiValue) else [value]
        return None if value is None or not values else self._finite(keyword, values)

    def items(self, keyword: str, called: str) -> tuple["Item", ...]:
        """The items of a sequence, each `called` so and counted from 1; none where there is no sequence."""
        value = self._value(keyword)
        if value is None:
            return ()
        if not isinstance(value, Sequence):
            raise self.refused(f"{keyword} is no sequence")
        return tuple(
            Item(item, f"{self.where}, {called} {place}") for place, item in enumerate(value, start=1)
        )

    def refused(
        self, problem: str, *, code: str = "rtplan_parse_failed", remedy: str = EXPORT_AGAIN
    ) -> BeamFailure:
        """The failure of this item."""
        return beam_failure(code, f"{self.where}: {problem}; {remedy}.")

    def _joined(self, keyword: str, kind: type[str] | type[PersonName], called: str) -> str:
        value = self._value(keyword)
        parts = value if isinstance(value, MultiValue) else [value] if value else []
        if not all(isinstance(part, kind) for part in parts):
            raise self.refused(f"{keyword} is no {called}")
        return "\\".join(map(str, parts)).strip(" \0\t\r\n")

    def _value(self, keyword: str) -> Any:
        try:
            with disable_value_validation():
                value = self.dataset.get(keyword)
        except PARSING_ERRORS as error:
            raise self.refused(f"{keyword} cannot be read ({error})") from None
        return None if isinstance(value, str) and not value.strip(" \0") else value

    def _finite(self, keyword: str, values: Iterable[Any]) -> tuple[float, ...]:
        try:
            numbers = tuple(float(value) for value in values)
        except PARSING_ERRORS:
            held = shown("\\".join(str(value) for value in values))
            raise self.refused(f"{keyword} {held} is no number") from None
        if not all(math.isfinite(number) for number in numbers):
            raise self.refused(f"{keyword} holds a number that is not finite")
        return numbers

    def _missing(self, keyword: str) -> Any:
        raise self.refused(f"it has no {keyword}")

"""Which gantry a plan was made for, from the names of its treatment machines.

Not here: the constants of a gantry (`machines`).
"""

import re
from typing import Final

# Not part of a longer word or number: `MGTR02`, `G10` and `PROTEUS235` name no gantry.
_GANTRY: Final = re.compile(r"(?<![A-Za-z])(?:GANTRY|GTR|G)[ _-]?([12])(?![0-9])", re.ASCII | re.IGNORECASE)


def gantries_named(machine_name: str) -> tuple[int, ...]:
    """The gantries, 1 or 2, that a TreatmentMachineName names: none, one, or both, in ascending order."""
    return tuple(sorted({int(number) for number in _GANTRY.findall(machine_name)}))

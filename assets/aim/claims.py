"""What is claimed of the published lists of a run date. `sql/validate_lists.sql` judges the claims.

Not here: what a broken claim leads to (`stages.reporting`), and the checks that show it (`checks`).
"""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim about every published list; broken, one of severity `error` stops all later stages."""

    name: str
    severity: Literal["error", "warn"]
    description: str


CLAIMS: Final = (
    Claim("every_row_has_four_hotboxes", "error", "HB1 to HB4 are filled in every list."),
    Claim("no_sku_appears_twice_in_a_row", "error", "No list shows a product twice, hotboxes included."),
    Claim("every_cell_is_an_id_or_a_dash", "error", "Every slot holds 7 or 8 digits, or `-`."),
    Claim("every_sku_is_a_scored_product", "error", "Every product shown has a score."),
    Claim("hb1_is_never_budget", "warn", "The first hotbox shows no Budget tyre."),
    Claim("every_vehicle_is_mapped", "warn", "The vehicle mapping knows the Vehicle of every list."),
    Claim("every_size_is_parsable", "warn", "The Size of every list holds a tyre size."),
)

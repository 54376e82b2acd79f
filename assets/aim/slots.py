"""The 24 slots of a published list: four hotboxes, then twenty list slots.

Whatever counts slots or names them takes it from here.
"""

from typing import Final

HOTBOXES: Final = tuple(f"HB{number}" for number in range(1, 5))
LIST_SLOTS: Final = tuple(f"SKU{number}" for number in range(1, 21))

SLOTS: Final = HOTBOXES + LIST_SLOTS
"""By slot position: HB1..HB4 are 1..4, SKU1..SKU20 are 5..24."""

EMPTY: Final = "-"
"""What an empty slot holds."""

PRODUCT_ID: Final = r"^[0-9]{7,8}$"
"""A product number, in the syntax of Python and of Polars."""

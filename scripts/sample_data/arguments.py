"""What the sub-commands take as arguments."""

import argparse
from collections.abc import Callable
from datetime import date


def whole_number(text: str) -> int:
    """A whole number from 0 on."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number; give a whole number from 0 on")
    return int(text)


def date_from(first: date, name: str) -> Callable[[str], date]:
    """An argument type: a date that is not before `first`, which messages call by this name."""

    def day(text: str) -> date:
        try:
            given = date.fromisoformat(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is no date; give it as YYYY-MM-DD") from None
        if given < first:
            raise argparse.ArgumentTypeError(f"{given} lies before {first}, the {name}; give a later one")
        return given

    return day

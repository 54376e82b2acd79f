"""Facts as the metadata of Dagster's events, which is what the web UI shows.

Not here: the facts themselves (`assets.facts`), and the events (`assets.recording`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from assets.facts import Document, Fact, Facts, Markdown, Scalar, Table


def metadata(facts: Facts) -> dict[str, Any]:
    """Facts as metadata, under their names."""
    return {name: metadata_value(fact) for name, fact in facts.items()}


def metadata_value(fact: Fact) -> Any:
    """A fact as metadata."""
    match fact:
        case Markdown(text):
            return dg.MetadataValue.md(text)
        case Table(rows):
            return as_table(rows)
        case Document(content):
            return dg.MetadataValue.json(dict(content))
        case _:
            return fact


def as_table(rows: Sequence[Mapping[str, Scalar]]) -> Any:
    """Rows as a table of the web UI, where an empty text stands for null; no rows are the text `none`."""
    records = [
        dg.TableRecord({name: "" if cell is None else cell for name, cell in row.items()}) for row in rows
    ]
    return dg.MetadataValue.table(records) if records else "none"

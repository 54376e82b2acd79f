"""What a stage gives back: its rows for the manifest, and what a person wants to see of each table.

Not here: how Dagster or the command line shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import polars as pl

from assets.facts import Fact as PlainFact

Fact: TypeAlias = PlainFact | pl.DataFrame
"""A frame is shown as a table with the types of its columns."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished stage: `rows` as the manifest counts them, facts to show by table (its usual name) and name.

    `line` is what the stage says of itself besides, or empty. A dry run has no facts.
    """

    rows: int
    facts: Mapping[str, Mapping[str, Fact]] = field(default_factory=dict)
    line: str = ""

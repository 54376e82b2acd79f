"""A rule for one row, applied to whole columns: worked out once for every distinct row.

The normalisation rules are Python and its Unicode tables; Polars has others of another Unicode version. So
that both forms agree on every text, the column forms call the scalar ones.
"""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl


def map_distinct(
    inputs: pl.DataFrame, rule: Callable[..., tuple[Any, ...]], schema: Mapping[str, type[pl.DataType]]
) -> pl.DataFrame:
    """Apply a pure rule to every row.

    Args:
        inputs: its columns are the arguments of the rule, in order; nulls come as None.
        rule: gives one value per column of the schema.
        schema: names and types of the result.

    Returns:
        One row for every row of the inputs, in their order.
    """
    arguments = inputs.rename({name: f"argument {number}" for number, name in enumerate(inputs.columns)})
    distinct = arguments.unique()
    results = pl.DataFrame([rule(*row) for row in distinct.iter_rows()], schema, orient="row")
    return arguments.join(
        distinct.hstack(results),
        on=arguments.columns,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    ).select(*schema)

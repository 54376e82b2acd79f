"""Whole tables, or the rows of them that equal given values, as GoogleSQL.

Not here: any other question, which is a SQL file of its pipeline.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from resources.warehouse.columns import split_table
from resources.warehouse.sql_files import SqlFile
from resources.warehouse.values import Parameters, Scalar

_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PARAMETER = "is_"  # A parameter may not have the name of a keyword, a column may.


def rows_of(
    table: str, where: Mapping[str, Scalar], order_by: Sequence[str], limit: int | None
) -> tuple[SqlFile, Parameters]:
    """The statement that selects the rows, and its parameters.

    Raises `ValueError` for what is no table, column or limit.
    """
    order = f"ORDER BY {', '.join(map(_quoted, order_by))}" if order_by else ""
    if limit is not None and limit < 0:
        raise ValueError(f"{table}: {limit} rows cannot be selected; the limit must be 0 or more.")
    return _select("*", table, where, order, "" if limit is None else f"LIMIT {limit:d}")


def count_of(table: str, where: Mapping[str, Scalar]) -> tuple[SqlFile, Parameters]:
    """The statement that counts the rows, and its parameters; raises as `rows_of`."""
    return _select("COUNT(*) AS row_count", table, where)


def _select(what: str, table: str, where: Mapping[str, Scalar], *clauses: str) -> tuple[SqlFile, Parameters]:
    split_table(table)
    lines = [f"SELECT {what}", f"FROM `{table}`", _condition(where), *clauses]
    text = "\n".join(line for line in lines if line)
    return SqlFile.from_bytes(table, text.encode()), {_PARAMETER + name: where[name] for name in where}


def _condition(columns: Iterable[str]) -> str:
    equalities = [f"{_quoted(name)} = @{_PARAMETER}{name}" for name in columns]
    return f"WHERE {' AND '.join(equalities)}" if equalities else ""


def _quoted(column: str) -> str:
    if not _COLUMN.fullmatch(column):
        raise ValueError(f"{column!r} is no column: write its name in letters, digits and _.")
    return f"`{column}`"

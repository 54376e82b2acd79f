"""Google's own analyser (`zetasql` from PyPI) over declared schemas: names and types, without any data.

It knows more than BigQuery, so what it refuses is wrong there too; what it takes is not proven to run.
Starting it compiles its WebAssembly, about 9 s, once in a process.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from resources.warehouse.columns import Schema, Schemas, fields_of, split_table


class Refused(AssertionError):
    """The analyser does not accept a statement; its sentence with line and column is the message."""


def analyse(
    sql_text: str, schemas: Schemas, parameters: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """Resolve every statement of a script against the tables of `schemas`, with types.

    `parameters` are the types of the named ones. Gives, for each statement, the columns that it answers with
    and their types, which is nothing for one that changes rows. Raises `Refused`.
    """
    from zetasql.api import Analyzer
    from zetasql.core.exceptions import ZetaSQLError
    from zetasql.types import AnalyzerOptions, ErrorMessageMode, ParseResumeLocation

    options = AnalyzerOptions(
        language_options=language_options(),
        error_message_mode=ErrorMessageMode.ERROR_MESSAGE_ONE_LINE,
        query_parameters=[
            AnalyzerOptions.QueryParameter(name=name, type=google_type_of(kind))
            for name, kind in (parameters or {}).items()
        ],
    )
    analyser = Analyzer(options, catalogue(schemas))
    location = ParseResumeLocation(input=sql_text, byte_position=0)
    answers = []
    while sql_text.encode()[location.byte_position or 0 :].strip():
        try:
            answers.append(columns_of(analyser.analyze_next_statement(location)))
        except ZetaSQLError as error:
            raise Refused(str(error)) from error
    return answers


def columns_of(statement: Any) -> dict[str, str]:
    listed = getattr(statement, "output_column_list", None) or []
    # The analyser's own word for FLOAT64.
    return {column.name: re.sub(r"\bDOUBLE\b", "FLOAT64", str(column.column.type)) for column in listed}


@cache
def language_options() -> Any:
    """The language as BigQuery speaks it: its names for types, and every feature that can be switched on."""
    from zetasql.types import LanguageOptions, ProductMode

    options = LanguageOptions.maximum_features()
    options.product_mode = ProductMode.PRODUCT_EXTERNAL
    options.supported_statement_kinds = list(statement_kinds())
    return options


def statement_kinds() -> Iterator[Any]:
    """Questions and changes of rows; no statement that makes or alters anything else."""
    from zetasql.types import ResolvedNodeKind

    for word in ("QUERY", "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE"):
        yield getattr(ResolvedNodeKind, f"RESOLVED_{word}_STMT")


def catalogue(schemas: Schemas) -> Any:
    """All tables under both spellings that BigQuery takes: one pair of quotes, or two."""
    from zetasql.api import CatalogBuilder
    from zetasql.types import SimpleCatalog, ZetaSQLBuiltinFunctionOptions

    builder = CatalogBuilder("warehouse")
    builder.with_builtin_functions(ZetaSQLBuiltinFunctionOptions(language_options=language_options()))
    datasets: dict[str, Any] = {}
    for table, schema in schemas.items():
        dataset, name = split_table(table)
        builder.add_table(table_of(table, schema))
        datasets.setdefault(dataset, SimpleCatalog(name=dataset)).table.append(table_of(name, schema))
    made = builder.build()
    made.catalog.extend(datasets.values())
    return made


def table_of(name: str, schema: Schema) -> Any:
    from zetasql.api import TableBuilder

    builder = TableBuilder(name)
    for column, kind in schema.items():
        builder.add_column(column, google_type_of(kind))
    return builder.build()


def google_type_of(kind: str) -> Any:
    from zetasql.api.type_factory import TypeFactory
    from zetasql.types import TypeKind

    outer, inner = fields_of(kind)
    if outer == "ARRAY":
        return TypeFactory.create_array_type(google_type_of(inner[0][1]))
    if outer == "STRUCT":
        return TypeFactory.create_struct_type([(name, google_type_of(part)) for name, part in inner])
    word = {"FLOAT64": "DOUBLE"}.get(outer, outer)
    return TypeFactory.create_simple_type(getattr(TypeKind, f"TYPE_{word}"))

"""The SQL of the reports of stages 5 to 8 through the official BigQuery client, on a few random worlds.

What their rules are in full is tested on the embedded warehouse (`tests/assets/aim`).
"""

from collections.abc import Callable, Sequence
from datetime import date

import pytest

from assets.aim.tables import (
    ANALYSIS,
    LIST_HISTORY,
    OVERRIDE_FILE,
    RESOLVED_CAMS,
    SCHEMAS,
    SCORES,
    SIZE_FILE,
    SIZE_KEYS,
    TOKEN_FACT,
    VALIDATION_REPORT,
)
from resources.warehouse import Warehouse
from tests.assets.aim import plain_reports as plain
from tests.assets.aim.published_lists import (
    CATALOGUE,
    DAY,
    MANUAL_CAMS,
    MAPPING,
    Inputs,
    Row,
    all_rows,
    given_inputs,
    random_inputs,
    run,
    unordered,
)

pytestmark = pytest.mark.services

FILES = (
    "validate_lists",
    "resolve_cams",
    "build_analysis",
    "build_token_fact",
    "build_override_file",
    "build_size_file",
)
ORACLES: dict[str, Callable[[Inputs, date], Sequence[Row]]] = {
    VALIDATION_REPORT: plain.validation_report,
    RESOLVED_CAMS: plain.resolved_cams,
    ANALYSIS: plain.analysis,
    TOKEN_FACT: plain.token_fact,
    OVERRIDE_FILE: plain.override_file,
    SIZE_FILE: plain.size_file,
}
"""By table what its rows should be."""


@pytest.mark.parametrize("seed", [1, 3])
def test_six_files_in_one_transaction_leave_the_rows_of_their_oracles(
    bigquery_warehouse: Warehouse, seed: int
) -> None:
    inputs = random_inputs(seed)
    needed = (LIST_HISTORY, MAPPING, CATALOGUE, MANUAL_CAMS, SCORES, SIZE_KEYS, *ORACLES)
    with bigquery_warehouse.session():
        bigquery_warehouse.ensure_tables({table: SCHEMAS[table] for table in needed})
        given_inputs(bigquery_warehouse, inputs)
        run(bigquery_warehouse, *FILES)
        found = {table: all_rows(bigquery_warehouse, table) for table in ORACLES}
    for table, oracle in ORACLES.items():
        expected = unordered(oracle(inputs, DAY))
        assert expected, table
        assert found[table] == expected, table

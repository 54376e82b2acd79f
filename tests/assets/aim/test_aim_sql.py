"""Google's own analyser on every SQL file: names and types against the declared tables."""

from pathlib import Path

import pytest

from assets.aim.tables import EVENTS, GA4_EVENTS, SCHEMAS
from resources.warehouse import read_sql
from tests.resources.warehouse.analyser import analyse

FOLDER = Path(__file__).resolve().parents[3] / "assets" / "aim" / "sql"
FILES = sorted(path.stem for path in FOLDER.glob("*.sql"))
PARAMETERS = {
    "run_date": "DATE",
    "last_modified": "TIMESTAMP",
    "masked_from": "ARRAY<DATE>",
    "masked_to": "ARRAY<DATE>",
}
# The daily tables of a cloud are one here: their columns, and the suffix of their names.
DAILY_EVENTS = "analytics.events_daily"
TABLES = {**SCHEMAS, DAILY_EVENTS: {**SCHEMAS[EVENTS], "_TABLE_SUFFIX": "STRING"}}
QUERIES = ("compare_lists", "count_cam_sku", "count_tiers", "read_scores")


def test_the_pipeline_has_its_sql_files():
    assert {"score_tyres", "publish_lists", "merge_cam_sku", "validate_lists", "report_merchandising"} <= set(
        FILES
    )


@pytest.mark.parametrize("name", FILES)
def test_google_accepts_the_file_over_the_declared_tables(name: str):
    file = read_sql(f"assets/aim/sql/{name}.sql")

    answers = analyse(file.text.replace(GA4_EVENTS, DAILY_EVENTS), TABLES, PARAMETERS)

    is_query = name in QUERIES or name.startswith("list_")
    assert bool(answers[-1]) == is_query, "only the files that are known to ask answer with columns"
    assert file.text.startswith("-- "), "a file begins by saying what it does"

"""Google's own analyser on every SQL file of dwh: names and types against the declared tables."""

from pathlib import Path

import pytest

from assets.dwh.promotion_tables import SCHEMAS
from resources.warehouse import read_sql
from tests.resources.warehouse.analyser import analyse

FOLDER = Path(__file__).resolve().parents[3] / "assets" / "dwh" / "sql"
PARAMETERS = {
    "abandoned_before": "TIMESTAMP",
    "load_id": "STRING",
    "loaded_at": "TIMESTAMP",
    "promotions": "INT64",
}
ANSWERS = {
    "clear_staged_promotions": {},
    "count_promotions": {"promotions": "INT64", "null_ids": "INT64", "distinct_ids": "INT64"},
    "merge_promotions": {},
    "prove_promotions": {"proven": "INT64"},
}


def test_the_pipeline_has_its_sql_files():
    assert sorted(path.stem for path in FOLDER.glob("*.sql")) == sorted(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_google_accepts_the_file_over_the_declared_tables(name: str):
    file = read_sql(f"assets/dwh/sql/{name}.sql")
    assert analyse(file.text, SCHEMAS, PARAMETERS) == [ANSWERS[name]]
    assert file.text.startswith("-- "), "a file begins by saying what it does"

"""That Google's analyser, as the tests of SQL files call it, refuses what BigQuery would refuse."""

import pytest

from tests.resources.warehouse.analyser import Refused, analyse

SCHEMAS = {
    "AIM.aim-analysis-table": {
        "id": "INT64",
        "name": "STRING",
        "day": "DATE",
        "money": "NUMERIC",
        "share": "FLOAT64",
    },
    "AIM.AIMData": {"Vehicle": "STRING", "Size": "STRING"},
    "analytics.events": {"event_date": "STRING", "items": "ARRAY<STRUCT<item_id STRING, price FLOAT64>>"},
}


@pytest.mark.parametrize(
    "table", ["`AIM.aim-analysis-table`", "AIM.`aim-analysis-table`", "`AIM`.`aim-analysis-table`"]
)
def test_columns_and_types_are_resolved(table: str) -> None:
    (columns,) = analyse(f"SELECT id, name, day, money, id / 2 AS half FROM {table}", SCHEMAS)
    assert columns == {"id": "INT64", "name": "STRING", "day": "DATE", "money": "NUMERIC", "half": "FLOAT64"}


def test_nested_columns_are_resolved() -> None:
    (columns,) = analyse(
        "SELECT item.item_id, SUM(item.price) AS total "
        "FROM analytics.events AS e, UNNEST(e.items) AS item GROUP BY 1",
        SCHEMAS,
    )
    assert columns == {"item_id": "STRING", "total": "FLOAT64"}


def test_every_statement_of_a_script_is_resolved() -> None:
    script = """-- A day anew; its rows only.
        DELETE FROM `AIM.aim-analysis-table` WHERE day = @day;
        INSERT INTO `AIM.aim-analysis-table` (id, day)
        SELECT SAFE_CAST(Vehicle AS INT64), @day FROM AIM.AIMData
        WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY Size ORDER BY Vehicle) = 1;
        MERGE AIM.AIMData AS stored USING (SELECT 'a' AS Vehicle) AS incoming
        ON stored.Vehicle = incoming.Vehicle
        WHEN MATCHED THEN UPDATE SET Size = NULL
        WHEN NOT MATCHED THEN INSERT (Vehicle) VALUES (incoming.Vehicle);
    """
    assert analyse(script, SCHEMAS, {"day": "DATE"}) == [{}, {}, {}]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("SELECT nope FROM AIM.AIMData", r"Unrecognized name: nope.*\[at 1:8\]"),
        ("SELECT 1 FROM AIM.missing", "Table not found: AIM.missing"),
        ("SELECT id + name FROM `AIM.aim-analysis-table`", "No matching signature for operator \\+"),
        (
            "SELECT * FROM `AIM.aim-analysis-table` WHERE id = '1x'",
            "for operator = for argument types: INT64, STRING",
        ),
        ("SELECT * FROM `AIM.aim-analysis-table` WHERE id = @day", "for argument types: INT64, STRING"),
        ("SELECT * FROM `AIM.aim-analysis-table` WHERE day = @other", "Query parameter 'other' not found"),
        ("INSERT INTO AIM.AIMData (Vehicle) SELECT id FROM `AIM.aim-analysis-table`", "INT64"),
        ("INSERT INTO AIM.AIMData (Vehicle, Size) VALUES ('a')", "wrong column count"),
        ("SELECT name, SUM(id) FROM `AIM.aim-analysis-table`", "neither grouped nor aggregated"),
        ("SELECT TRY_CAST('1' AS INT64)", "TRY_CAST"),
        ("SELECT FROM AIM.AIMData", "Syntax error"),
        ("CREATE TABLE AIM.more (x INT64)", "not supported"),
        ("SELECT 1; SELECT nope FROM AIM.AIMData", "Unrecognized name: nope"),
    ],
)
def test_a_wrong_name_or_type_is_refused(statement: str, says: str) -> None:
    with pytest.raises(Refused, match=says):
        analyse(statement, SCHEMAS, {"day": "STRING"})

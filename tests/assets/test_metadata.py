"""Facts as metadata of Dagster, each of its kind."""

import dagster as dg
import pytest

from assets.facts import Document, Markdown, Table
from assets.metadata import as_table, metadata, metadata_value


@pytest.mark.parametrize(
    ("fact", "kind"),
    [
        (Markdown("*a*"), dg.MarkdownMetadataValue),
        (Table([{"a": 1, "b": None}]), dg.TableMetadataValue),
        (Document({"a": {"b": [1]}}), dg.JsonMetadataValue),
    ],
)
def test_a_fact_is_metadata_of_its_kind(fact, kind):
    assert isinstance(metadata_value(fact), kind)


def test_an_empty_cell_is_an_empty_text_in_a_table():
    value = as_table([{"a": 1, "b": None}, {"a": None, "b": "x"}])
    assert [dict(record.data) for record in value.records] == [{"a": 1, "b": ""}, {"a": "", "b": "x"}]


def test_a_table_without_rows_is_said_in_a_word():
    assert metadata({"rows": Table([]), "count": 0}) == {"rows": "none", "count": 0}


def test_what_facts_become_is_accepted_by_an_event():
    facts = {"text": "a", "share": 0.5, "is_done": True, "gaps": Table([]), "rows": Table([{"a": 1}])}
    assert dg.AssetMaterialization("a", metadata=metadata(facts)).metadata.keys() == facts.keys()

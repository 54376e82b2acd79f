"""Result processing on answers of every shape, against the rules written cell by cell."""

import re
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from assets.aim.results import ERROR_CODES, judge, publishable
from assets.aim.sizes import size_key
from assets.aim.slots import HOTBOXES, SLOTS
from assets.aim.vehicles import fold

IDS = [10000000 + number for number in range(8)]
KNOWN = pl.Series("ProductId", IDS[:6])
NOTHING_SCORED = pl.Series("ProductId", [], dtype=pl.Int64)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
IDENTIFIERS = st.sampled_from(IDS)
CELLS = (
    IDENTIFIERS | IDENTIFIERS.map(str) | IDENTIFIERS.map(float) | st.sampled_from(["-", "", "Error"]) | JSON
)
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(HOTBOXES, CELLS),
        "Vehicle": st.sampled_from(["FORD FOCUS", "Ford focus", "VW_GOLF", ""]) | JSON,
        "Size": st.sampled_from(["205/55R16", "205/55 ZR16", "unknown"]) | JSON,
        "SKUs": st.lists(CELLS, max_size=23) | JSON,
        "success": st.just(value=True) | JSON,
        "error_code": st.sampled_from(sorted(ERROR_CODES)) | JSON,
    },
)
LISTS = st.lists(ANSWERS | JSON, max_size=6)


def plain_cells(answer: Any, known: set[str] | None) -> list[str]:
    """The 24 cells of an answer by the rules, one after the other."""
    fields = answer if isinstance(answer, dict) else {}
    listed = fields.get("SKUs")
    skus = listed if isinstance(listed, list) else []
    raw = [fields.get(slot) for slot in HOTBOXES] + [*skus, *[None] * 20][:20]
    seen: set[str] = set()
    cells = []
    for value in raw:
        is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
        text = (str(value) if is_text else "").strip().removesuffix(".0")
        is_kept = re.fullmatch("[0-9]{7,8}", text) and (known is None or text in known) and text not in seen
        cells.append(text if is_kept else "-")
        seen.add(text)
    return cells


@given(LISTS, st.booleans())
def test_every_answer_gets_the_cells_that_the_rules_say(answers, is_scored):
    known = {str(product) for product in KNOWN} if is_scored else None
    rows = judge(answers, KNOWN if is_scored else NOTHING_SCORED)
    assert rows.select(SLOTS).rows() == [tuple(plain_cells(answer, known)) for answer in answers]


@given(LISTS)
def test_no_product_comes_twice_in_a_row_and_positions_never_shift(answers):
    for answer, row in zip(answers, judge(answers, KNOWN).select(SLOTS).rows(), strict=True):
        ids = [cell for cell in row if cell != "-"]
        assert len(set(ids)) == len(ids)
        assert set(ids) <= {str(product) for product in KNOWN}
        for slot, cell in zip(HOTBOXES, row, strict=False):
            assert cell == "-" or str(answer[slot]).strip().removesuffix(".0") == cell


@given(LISTS)
def test_only_complete_successes_of_distinct_cams_are_published(answers):
    result = publishable(judge(answers, KNOWN))
    rows = result.rows.rows(named=True)
    assert all(row[slot] != "-" for row in rows for slot in HOTBOXES)
    assert all(row["Vehicle"].strip() and row["Size"].strip() for row in rows)
    cams = [(fold(row["Vehicle"]), size_key(row["Size"]) or fold(row["Size"])) for row in rows]
    assert len(set(cams)) == len(cams)
    assert result.rows.height + result.duplicates + sum(result.failures.values()) == len(answers)
    assert set(result.failures) <= ERROR_CODES


@given(LISTS)
def test_processing_what_was_published_changes_nothing(answers):
    once = publishable(judge(answers, KNOWN)).rows
    again = [
        {**row, "SKUs": [row[slot] for slot in SLOTS[4:]], "success": True} for row in once.rows(named=True)
    ]
    assert publishable(judge(again, KNOWN)).rows.equals(once)

"""What is published changes only together with the code version, so that old months are made again."""

import json

import pytest

from assets.market.recipe import CODE_VERSION
from tests.assets.market import golden_month
from tests.assets.market.golden_month import COMMAND, changes, content, record, recorded


def test_the_content_of_a_month_changes_only_with_the_code_version():
    before = recorded()
    changed = changes(content(), before["digests"])
    if before["code_version"] != CODE_VERSION:
        pytest.fail(
            f"The golden month was recorded for code version {before['code_version']} and the code is at "
            f"{CODE_VERSION}: record it again with `{COMMAND}`.",
            pytrace=False,
        )
    if changed:
        pytest.fail(
            f"What is published has changed ({len(changed)} columns: {', '.join(changed[:10])}) and the code "
            "version has not, so months that are done would stay as they are: raise CODE_VERSION in "
            f"assets/market/recipe.py, then record the golden month again with `{COMMAND}`.",
            pytrace=False,
        )


def test_the_record_is_not_overwritten_with_other_content_of_the_same_code_version(tmp_path, monkeypatch):
    copy = tmp_path / "golden_month.json"
    before = recorded()
    before["digests"]["strict training_table vwap"] = "0000000000000000"
    copy.write_text(json.dumps(before))
    monkeypatch.setattr(golden_month, "RECORD", copy)
    with pytest.raises(ValueError, match=r"1 columns have other content \(strict training_table vwap"):
        record()
    monkeypatch.setattr(golden_month, "CODE_VERSION", "next")
    record()
    assert recorded() == {"code_version": "next", "digests": content()}


def test_every_column_of_both_tables_under_both_rules_is_recorded():
    assert len(recorded()["digests"]) == 2 * (9 + 82 + 1)

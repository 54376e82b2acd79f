"""What the jobs show of their work, and how their claims come out when something is wrong."""

from dataclasses import replace
from datetime import date, timedelta

import dagster as dg
import pytest

from assets.dwh.metrics import PROMOTIONS_LOADED, Counts, metrics_of
from assets.dwh.quality import QualityRules
from assets.dwh.reports import Claim, Report
from assets.dwh.stages.promoting import PromotionsLoaded
from assets.dwh.stages.promotion_table import IdCounts
from assets.dwh.stages.reports import (
    LONGEST_TABLE,
    filter_report,
    promotions_report,
    transform_report,
)
from assets.dwh.stages.transforming import ApprovalGiven, TransformOutcome
from assets.dwh.steps import check_result
from assets.facts import Document, Markdown, Table
from assets.pictures import PICTURE_CAP
from resources.object_store import LocalObjectStore
from tests.assets.dwh.filter_days import image, open_day
from tests.assets.dwh.promotion_loads import NOON, RUN
from tests.assets.dwh.raw_line_samples import line
from tests.assets.dwh.transform_runs import DAY, hour
from tests.assets.dwh.transform_workplaces import workplace_of

STAGED = IdCounts(rows=4, null_ids=0, distinct_ids=4)
LINES = b"\n".join([line("m1"), line("m2"), line("m3", updated="2025-01-12T12:00:00Z"), b"{"])


@pytest.fixture
def place(spark, spark_resource, tmp_path):
    store = LocalObjectStore(root=str(tmp_path / "storage"))
    with workplace_of(spark, spark_resource, store) as place:
        place.put(hour(0), LINES)
        yield place


@pytest.fixture
def filtered(spark, spark_resource, tmp_path):
    """The outcome of a filter run over two inputs, with a duplicate and a row without a key."""
    with open_day(tmp_path, spark_resource, spark) as day:
        day.transformed("r1", [image("A"), image("B"), image(None)], end=12)
        day.transformed("r2", [image("B", "w")], start=12)
        yield day.filter()


def transformed(place, **changes) -> TransformOutcome:
    return place.transform(rules=QualityRules(0.9, 0.95), **changes)


def claims(report: Report) -> dict[str, Claim]:
    return {claim.name: claim for claim in report.claims}


def test_a_transform_shows_its_counts_reasons_and_other_days(place):
    report = transform_report(transformed(place))
    facts = report.facts
    assert (facts["records_read"], facts["records_written"], facts["records_dropped"]) == (4, 3, 1)
    assert facts["records_by_reason"] == Table(
        [{"reason": "written", "records": 3}, {"reason": "extract_corrupt_json", "records": 1}]
    )
    assert facts["rows_of_other_days"] == Table([{"day": "2025-01-12", "rows": 1}])
    assert (facts["late_records"], facts["early_records"], facts["drop_rate"]) == (1, 0, 0.25)
    assert (facts["raw_objects"], facts["raw_bytes"], facts["prefixes"], facts["empty_prefixes"]) == (
        1,
        len(LINES),
        12,
        11,
    )
    assert not report.blocks
    assert report.other_partitions == ()


def test_pictures_are_within_their_cap(place):
    facts = transform_report(transformed(place)).facts
    for name in ("rows", "dropped_rows"):
        picture = facts[name]
        assert isinstance(picture, Markdown)
        assert 0 < len(picture.text.encode()) <= PICTURE_CAP


def test_what_there_is_nothing_of_has_no_table(place):
    place.put(hour(0), line("m1"))
    facts = transform_report(transformed(place)).facts
    assert facts.keys().isdisjoint({"rows_of_other_days", "warnings"})


def test_a_long_table_is_cut(place):
    outcome = transformed(place)
    days = {date(2024, 1, 1) + timedelta(days=after): 1 for after in range(LONGEST_TABLE + 7)}
    shown = transform_report(replace(outcome, late=days)).facts["rows_of_other_days"]
    assert isinstance(shown, Table)
    assert [row["day"] for row in shown.rows] == [day.isoformat() for day in days][:LONGEST_TABLE]


def test_a_warning_of_a_run_is_shown(place):
    first = transformed(place)
    sentence = "The window of run r1 partly overlaps this one"
    shown = transform_report(replace(first, warnings=(sentence,))).facts["warnings"]
    assert shown == Table([{"warning": sentence}])


@pytest.mark.parametrize(
    ("rules", "holds", "severity", "blocks"),
    [
        (QualityRules(0.3, 0.4), True, "ERROR", False),
        (QualityRules(0.25, 0.4), False, "WARN", False),
        (QualityRules(0.1, 0.25), False, "ERROR", True),
        (QualityRules(0.3, 0.4, min_records=4), False, "ERROR", True),
    ],
)
def test_the_drop_rate_warns_or_blocks(place, rules, holds, severity, blocks):
    report = transform_report(place.transform(rules=rules))
    claim = claims(report)["drop_rate_is_acceptable"]
    assert (claim.holds, claim.severity, claim.blocks) == (holds, severity, blocks)
    assert report.blocks is blocks


def test_an_approved_drop_rate_holds_and_says_who_approved_it_and_why(place):
    approval = ApprovalGiven("known", "ann")
    report = transform_report(place.transform(rules=QualityRules(0.1, 0.2), approval=approval))
    claim = claims(report)["drop_rate_is_acceptable"]
    assert claim.holds
    assert claim.description.endswith("; approved by ann: known")
    assert "launch again" not in claim.description


@pytest.mark.parametrize("change", [{"records_written": 2}, {"records_dropped": 2}, {"records_read": 5}])
def test_records_that_are_not_accounted_for_block(place, change):
    outcome = transformed(place)
    assert claims(transform_report(outcome))["every_record_is_accounted_for"].holds
    wrong = replace(outcome, metrics=outcome.metrics.model_copy(update=change))
    claim = claims(transform_report(wrong))["every_record_is_accounted_for"]
    assert claim.blocks
    assert str(next(iter(change.values()))) in claim.description


def test_a_filter_shows_its_counts_and_its_inputs(filtered):
    report = filter_report(filtered)
    facts = report.facts
    assert (facts["records_read"], facts["dagster/row_count"], facts["duplicates_removed"]) == (4, 3, 1)
    assert (facts["null_key_records"], facts["attempts"], facts["mode"]) == (1, 1, "recompute")
    inputs = facts["inputs"]
    assert isinstance(inputs, Table)
    assert [(row["run_id"], row["read"], row["contributed"]) for row in inputs.rows] == [
        ("r1", 3, 2),
        ("r2", 1, 1),
    ]
    assert facts["output"] == filtered.manifest.output.path
    assert isinstance(facts["duplicates"], Markdown)
    assert "quarantined_records" not in facts
    assert {name: claim.holds for name, claim in claims(report).items()} == {
        "every_key_appears_once": True,
        "every_transform_output_is_included": True,
        "day_has_no_gaps": True,
    }


@pytest.mark.parametrize("keys", [1, 3])
def test_keys_that_are_there_more_than_once_block(filtered, keys):
    claim = claims(filter_report(replace(filtered, different_keys=keys)))["every_key_appears_once"]
    assert claim.blocks
    assert claim.description == f"2 rows with a key have {keys} different ones"


def test_an_input_that_is_not_in_the_lineage_blocks_and_is_named(filtered):
    wrong = replace(filtered, expected_run_ids=filtered.expected_run_ids | {"r3", "r4"})
    claim = claims(filter_report(wrong))["every_transform_output_is_included"]
    assert claim.blocks
    assert claim.description == "2 of 4 inputs are included; not r3, r4"
    assert claim.facts["missing"] == Table([{"run_id": "r3"}, {"run_id": "r4"}])


def test_a_gap_warns_and_does_not_block(spark, spark_resource, tmp_path):
    with open_day(tmp_path, spark_resource, spark) as day:
        day.transformed("r1", [image("A")], end=23.5)
        report = filter_report(day.filter())
    claim = claims(report)["day_has_no_gaps"]
    assert (claim.holds, claim.severity, report.blocks) == (False, "WARN", False)
    assert claim.description == "30 minutes in 1 gaps were not read"
    assert report.facts["gaps"] == claim.facts["gaps"]


def loaded(rows: int = 5, *, staged: IdCounts = STAGED, merged: int = 3) -> PromotionsLoaded:
    counts = Counts(records_read=rows, records_written=merged)
    metrics = metrics_of(RUN, "SUCCESS", NOON, counts=counts, payload=PROMOTIONS_LOADED)
    return PromotionsLoaded(metrics, (), rows, staged, merged)


def test_promotions_show_what_was_read_repeated_and_newer_in_the_table():
    report = promotions_report(loaded(), [DAY])
    shown = {name: report.facts[name] for name in ("records_read", "dagster/row_count", "repeats_removed")}
    assert shown == {"records_read": 5, "dagster/row_count": 3, "repeats_removed": 1}
    assert report.facts["newer_in_table"] == 1
    assert not report.blocks


@pytest.mark.parametrize("days", [1, 2, 4])
def test_the_last_day_is_the_step_s_own_partition_and_the_others_are_named(days):
    all_days = [DAY + timedelta(days=after) for after in range(days)]
    others = promotions_report(loaded(), all_days).other_partitions
    assert list(others) == [day.isoformat() for day in all_days[:-1]]


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        (loaded(0, staged=IdCounts(0, 0, 0), merged=0), "extract_has_rows_and_columns"),
        (loaded(staged=IdCounts(4, 0, 3)), "every_promotion_id_is_unique"),
        (loaded(staged=IdCounts(4, 1, 4)), "every_promotion_id_is_unique"),
    ],
)
def test_promotions_that_are_not_as_claimed_block(outcome, name):
    wrong = [claim.name for claim in promotions_report(outcome, [DAY]).claims if claim.blocks]
    assert wrong == [name]


def test_a_report_shows_the_metrics_document_with_its_facts(place):
    report = transform_report(transformed(place))
    document = report.all_facts["metrics"]
    assert isinstance(document, Document)
    assert document.content == report.metrics.model_dump(mode="json")
    assert report.all_facts.keys() - report.facts.keys() == {"metrics"}


@pytest.mark.parametrize("severity", ["WARN", "ERROR"])
def test_a_claim_is_a_check_result(severity):
    claim = Claim("a_claim", holds=False, description="why", severity=severity, facts={"rows": 2})
    result = check_result(claim)
    assert (result.check_name, result.passed, result.description) == ("a_claim", False, "why")
    assert result.severity == dg.AssetCheckSeverity[severity]
    assert result.metadata["rows"].value == 2

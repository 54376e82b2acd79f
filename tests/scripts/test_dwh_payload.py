"""What a job on a platform reports is what a step in the same process would record."""

from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster_pipes import PipesContext

from assets.dwh.checks import PROMOTION_CHECKS, PROMOTIONS
from assets.dwh.metrics import PROMOTIONS_LOADED, JobRun, metrics_of
from assets.dwh.partitions import local_days
from assets.dwh.registry import REGISTRY
from assets.dwh.reports import OTHER_PARTITIONS, Claim, Report
from assets.dwh.stages.promoting import ExtractRefused
from assets.dwh.steps import Results, recorded
from assets.facts import Document, Markdown, Table
from resources.compute.payload import Payload, open_payload
from scripts.dwh_payload import run_reported, tell

DAY = "2025-03-09"
NOW = datetime(2025, 3, 10, tzinfo=UTC)
METRICS = metrics_of(JobRun("load_promos", "promos-1", NOW), "SUCCESS", NOW, payload=PROMOTIONS_LOADED)
FACTS = {
    "dagster/row_count": 47,
    "rate": 0.25,
    "is_new": True,
    "source": "s3://b/promotions_raw",
    "picture": Markdown("**47**"),
    "days": Table([{"day": DAY, "rows": 47, "note": None}, {"day": "2025-03-10", "rows": 0, "note": "none"}]),
    "table": Document({"name": "dw_core.d_promotion_3_0", "ids": [1, 2]}),
}
CLAIMS = [
    Claim("extract_has_rows_and_columns", True, "47 rows", facts={"rows": 47}),
    Claim("every_promotion_id_is_unique", False, "two are equal", "WARN", {"ids": Table([{"id": "a"}])}),
]


@pytest.fixture(autouse=True)
def first_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """dagster_pipes opens one report per process, and these tests are one."""
    monkeypatch.setattr(PipesContext, "_instance", None)


def made_by(body: Callable[[dg.AssetExecutionContext], Results]) -> dg.ExecuteInProcessResult:
    """A run of the asset whose step is this."""

    @dg.asset(key=PROMOTIONS, partitions_def=local_days, check_specs=PROMOTION_CHECKS)
    def promotions(context: dg.AssetExecutionContext) -> Results:
        yield from body(context)

    return dg.materialize([promotions], partition_key=DAY, raise_on_error=False)


def over_pipes(work: Callable[[Payload], object], messages: list[object]) -> dg.ExecuteInProcessResult:
    """A run whose step gets the report of work that is done for it."""

    def body(context: dg.AssetExecutionContext) -> Results:
        with dg.open_pipes_session(
            context, dg.PipesTempFileContextInjector(), dg.PipesTempFileMessageReader()
        ) as session:
            payload = open_payload(["entry"], session.get_bootstrap_env_vars())
            assert payload
            with payload:
                work(payload)
        messages.extend(session.get_custom_messages())
        yield from session.get_results(implicit_materializations=False)

    return made_by(body)


def materialised(result: dg.ExecuteInProcessResult) -> dict[str, dg.MetadataValue]:
    (made,) = [
        event.materialization
        for event in result.get_asset_materialization_events()
        if event.materialization.partition == DAY
    ]
    return {name: value for name, value in made.metadata.items() if not name.startswith("dagster_pipes")}


def test_a_report_over_pipes_is_stored_as_that_of_a_step():
    report = Report(METRICS, FACTS, CLAIMS)
    messages: list[object] = []
    there = over_pipes(lambda payload: tell(payload, report), messages)
    here = made_by(lambda context: recorded(context, report))
    assert there.success
    assert here.success
    assert materialised(there) == materialised(here)
    checks_there, checks_here = (
        {check.check_name: check for check in result.get_asset_check_evaluations()}
        for result in (there, here)
    )
    assert checks_there.keys() == checks_here.keys() == {claim.name for claim in CLAIMS}
    for name, check in checks_here.items():
        other = checks_there[name]
        assert (other.passed, other.severity) == (check.passed, check.severity)
        assert other.metadata.items() >= check.metadata.items()
        assert other.metadata["description"].value == check.description
    assert messages == [METRICS.model_dump(mode="json")]


def test_other_partitions_are_named_in_a_message_of_their_own():
    messages: list[object] = []
    report = Report(METRICS, FACTS, CLAIMS, other_partitions=["2025-03-07", "2025-03-08"])
    assert over_pipes(lambda payload: tell(payload, report), messages).success
    assert messages == [
        {OTHER_PARTITIONS: ["2025-03-07", "2025-03-08"]},
        METRICS.model_dump(mode="json"),
    ]


def test_the_error_of_a_job_goes_on_and_nothing_is_reported_as_made():
    messages: list[object] = []

    def work(payload: Payload) -> None:
        dates = {"start_date": DAY, "end_date": DAY, "created_by": "me"}
        with pytest.raises(ExtractRefused, match="Row Count failed") as refused:
            run_reported(
                REGISTRY["load_promos"], {"load_promos_job": "{}", "has_spark": True, **dates}, payload
            )
        raise refused.value

    result = over_pipes(work, messages)
    assert not result.success
    assert result.get_asset_materialization_events() == []
    assert messages == []

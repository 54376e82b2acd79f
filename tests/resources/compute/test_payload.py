"""The job's side: where its report goes, what is in it, and what is refused before it is sent."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dagster_pipes import PipesContext, encode_param

from resources.compute.payload import open_payload, typed

CONTEXT = {
    "asset_keys": ["dwh/promotions"],
    "code_version_by_asset_key": None,
    "provenance_by_asset_key": None,
    "partition_key": "2025-01-15",
    "partition_key_range": None,
    "partition_time_window": None,
    "run_id": "0c82b9d8",
    "job_name": None,
    "retry_number": 0,
    "extras": {},
}


@pytest.fixture(autouse=True)
def first_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """dagster_pipes opens one report per process, and these tests are one."""
    monkeypatch.setattr(PipesContext, "_instance", None)


def environment(path: Path, context: Mapping[str, Any] | None = None) -> dict[str, str]:
    return {
        "DAGSTER_PIPES_CONTEXT": encode_param(context or {"data": CONTEXT}),
        "DAGSTER_PIPES_MESSAGES": encode_param({"path": str(path)}),
    }


def as_options(environ: Mapping[str, str]) -> dict[str, str]:
    return {f"--{name.lower().replace('_', '-')}": value for name, value in environ.items()}


def sent(text: str) -> list[tuple[str, Any]]:
    messages = [json.loads(line) for line in text.splitlines()]
    return [(message["method"], message["params"]) for message in messages]


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    return tmp_path / "messages"


def test_nobody_waits_for_the_report_of_a_command_that_a_person_typed() -> None:
    assert open_payload(["entry.py", "--module_name", "filter_images"], {"PATH": "/bin"}) is None
    assert open_payload(["entry.py"], {"DAGSTER_PIPES_CONTEXT": " ", "DAGSTER_PIPES_MESSAGES": ""}) is None


def test_the_parameters_may_be_variables(messages: Path) -> None:
    payload = open_payload(["entry.py"], environment(messages))
    assert payload
    with payload:
        assert (payload.partition_key, payload.run_id) == ("2025-01-15", "0c82b9d8")
    assert [method for method, _ in sent(messages.read_text())] == ["opened", "closed"]


@pytest.mark.parametrize("joined", [True, False])
def test_the_parameters_may_be_options_among_others_and_come_first(
    messages: Path, tmp_path: Path, joined: bool
) -> None:
    options = as_options(environment(messages)).items()
    given = [part for name, value in options for part in ([f"{name}={value}"] if joined else [name, value])]
    argv = ["entry.py", "--module_name", "filter_images", *given, "--has_spark", "true"]
    payload = open_payload(argv, environment(tmp_path / "of the environment"))
    assert payload
    with payload:
        pass
    assert messages.exists()
    assert not (tmp_path / "of the environment").exists()


@pytest.mark.parametrize(
    ("missing", "argv"),
    [("DAGSTER_PIPES_MESSAGES", []), ("DAGSTER_PIPES_CONTEXT", ["--dagster-pipes-context"])],
)
def test_one_parameter_without_the_other_is_refused(messages: Path, missing: str, argv: list[str]) -> None:
    environ = environment(messages)
    del environ[missing]
    with pytest.raises(ValueError, match=f"needs --{missing.lower().replace('_', '-')} or {missing} too"):
        open_payload(["entry.py", *argv], environ)


def test_a_context_may_lie_in_a_file(messages: Path, tmp_path: Path) -> None:
    context = tmp_path / "context.json"
    context.write_text(json.dumps(CONTEXT))
    payload = open_payload(["entry.py"], environment(messages, {"path": str(context)}))
    assert payload
    with payload:
        assert payload.partition_key == "2025-01-15"


def test_the_report_says_what_the_job_made_checked_and_counted(messages: Path) -> None:
    payload = open_payload(["entry.py"], environment(messages))
    assert payload
    reasons = typed(
        "table", {"records": [{"reason": "late"}], "schema": [{"name": "reason", "type": "string"}]}
    )
    with payload:
        payload.materialised({"dagster/row_count": 12, "reasons": reasons}, data_version="v1")
        payload.checked("ids_are_unique", passed=False, severity="WARN", metadata={"twice": 2})
        payload.checked("rows_and_columns", passed=True)
        payload.told({"job_status": "SUCCESS"})
    opened, made, warned, passed, told, closed = sent(messages.read_text())
    assert (opened[0], closed) == ("opened", ("closed", {}))
    assert made == (
        "report_asset_materialization",
        {
            "asset_key": "dwh/promotions",
            "data_version": "v1",
            "metadata": {"dagster/row_count": {"raw_value": 12, "type": "__infer__"}, "reasons": reasons},
        },
    )
    assert (warned[1]["check_name"], warned[1]["passed"], warned[1]["severity"]) == (
        "ids_are_unique",
        False,
        "WARN",
    )
    assert (passed[1]["check_name"], passed[1]["passed"], passed[1]["severity"]) == (
        "rows_and_columns",
        True,
        "ERROR",
    )
    assert told == ("report_custom_message", {"payload": {"job_status": "SUCCESS"}})


def test_a_folder_gets_the_messages_in_numbered_chunks(messages: Path) -> None:
    messages.mkdir()
    payload = open_payload(["entry.py"], environment(messages))
    assert payload
    with payload:
        payload.told({"rows": 1})
    text = "\n".join(
        (messages / f"{number}.json").read_text() for number in range(1, len(list(messages.iterdir())) + 1)
    )
    assert [method for method, _ in sent(text)] == ["opened", "report_custom_message", "closed"]


def test_an_exception_is_reported_and_goes_on(messages: Path) -> None:
    payload = open_payload(["entry.py"], environment(messages))
    assert payload
    with pytest.raises(ValueError, match="the sixth row"), payload:
        raise ValueError("the sixth row is a cat")
    method, params = sent(messages.read_text())[-1]
    assert (method, params["exception"]["name"]) == ("closed", "ValueError")


@pytest.mark.parametrize("value", [date(2025, 1, 15), {1, 2}, {"deep": b"bytes"}])
def test_what_is_not_json_is_refused_by_name_and_the_report_goes_on(messages: Path, value: object) -> None:
    payload = open_payload(["entry.py"], environment(messages))
    assert payload
    wrong: Any = {"rows": 1, "day": value}
    with payload:
        for report in (
            payload.materialised,
            payload.told,
            lambda found: payload.checked("a", passed=True, metadata=found),
        ):
            with pytest.raises(TypeError, match="'day' is not JSON"):
                report(wrong)
        payload.materialised({"rows": 1})
    assert [method for method, _ in sent(messages.read_text())] == [
        "opened",
        "report_asset_materialization",
        "closed",
    ]

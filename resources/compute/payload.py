"""The job's side of Dagster Pipes: what a script that a backend started does to report.

    payload = open_payload(sys.argv, os.environ)
    if payload is None:
        ...  # Nobody waits for a report: a person typed the command.
    else:
        with payload:
            ...  # Do the work.
            payload.materialised({"dagster/row_count": 12, "reasons": typed("md", table)})
            payload.checked("drop_rate_is_acceptable", passed=False, severity="WARN")
            payload.told(metrics)

Leaving the block closes the report; an exception is reported with it and goes on. A job that leaves no closed
report has failed, whatever its exit code. Not here: the other side (`base`). Imports no Dagster; boto3 only
when the messages go to S3.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from dagster_pipes import (
    DAGSTER_PIPES_CONTEXT_ENV_VAR,
    DAGSTER_PIPES_MESSAGES_ENV_VAR,
    PipesContext,
    PipesContextLoader,
    PipesDefaultContextLoader,
    PipesDefaultMessageWriter,
    PipesMappingParamsLoader,
    PipesMessageWriter,
    PipesMetadataRawValue,
    PipesMetadataType,
    PipesMetadataValue,
    PipesParams,
    PipesS3ContextLoader,
    PipesS3MessageWriter,
    PipesUnityCatalogVolumesMessageWriter,
    open_dagster_pipes,
)

Metadata = Mapping[str, PipesMetadataRawValue | PipesMetadataValue]

_VARIABLES: Final = (DAGSTER_PIPES_CONTEXT_ENV_VAR, DAGSTER_PIPES_MESSAGES_ENV_VAR)


class Payload:
    """The report of one job, open from `open_payload` to the end of its `with` block."""

    def __init__(self, pipes: PipesContext) -> None:
        self._pipes = pipes

    def __enter__(self) -> Self:
        """Return the report itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what is left, and that this was all."""
        self._pipes.__exit__(kind, error, trace)

    @property
    def partition_key(self) -> str:
        """The partition that the step asks for."""
        return self._pipes.partition_key

    @property
    def run_id(self) -> str:
        """The Dagster run that the step is part of."""
        return self._pipes.run_id

    @property
    def log(self) -> logging.Logger:
        """A logger whose lines show in the run. One line costs an event: not for every row."""
        return self._pipes.log

    def materialised(
        self,
        metadata: Metadata | None = None,
        *,
        data_version: str | None = None,
        asset_key: str | None = None,
    ) -> None:
        """Say that the asset is there. `asset_key` (`dwh/promotions`) if the step has several.

        Raises:
            TypeError: a value is not JSON.
        """
        self._pipes.report_asset_materialization(_plain(metadata), data_version, asset_key)

    def checked(
        self,
        name: str,
        *,
        passed: bool,
        severity: Literal["WARN", "ERROR"] = "ERROR",
        metadata: Metadata | None = None,
        asset_key: str | None = None,
    ) -> None:
        """Say how a check of the asset came out.

        Raises:
            TypeError: a value is not JSON.
        """
        self._pipes.report_asset_check(name, passed, severity, _plain(metadata), asset_key)

    def told(self, document: Mapping[str, Any]) -> None:
        """Hand over a JSON document; the other side reads it with `get_custom_messages`.

        Raises:
            TypeError: a value is not JSON.
        """
        self._pipes.report_custom_message(_plain(document))


def open_payload(argv: Sequence[str], environ: Mapping[str, str]) -> Payload | None:
    """Open the report that a backend waits for; None if none does. Once per process.

    The parameters come from `--dagster-pipes-context` and `--dagster-pipes-messages` (also with `=`), else
    from the variables `DAGSTER_PIPES_CONTEXT` and `DAGSTER_PIPES_MESSAGES`.

    Raises:
        ValueError: only one of the two is given.
    """
    given = {variable: _parameter(variable, argv, environ) for variable in _VARIABLES}
    parameters = {variable: value for variable, value in given.items() if value}
    if not parameters:
        return None
    if len(parameters) < len(_VARIABLES):
        (missing,) = set(_VARIABLES) - set(parameters)
        raise ValueError(
            f"A job of Dagster Pipes needs {_option(missing)} or {missing} too; it has only one."
        )
    loader = PipesMappingParamsLoader(parameters)
    return Payload(
        open_dagster_pipes(
            params_loader=loader,
            context_loader=_context_loader(loader.load_context_params()),
            message_writer=_message_writer(loader.load_messages_params()),
        )
    )


def typed(kind: PipesMetadataType, value: Any) -> PipesMetadataValue:
    """Say how the UI shows a value: `md`, `url`, `json`, `timestamp` (seconds) and more.

    A `table` is `{"records": [{…}], "schema": [{"name": …, "type": …}]}`.
    """
    return {"raw_value": value, "type": kind}


def _parameter(variable: str, argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """The last value of the option, else that of the variable, else nothing."""
    option, value = _option(variable), environ.get(variable, "")
    for place, token in enumerate(argv[1:], start=1):
        if token == option:
            value = argv[place + 1] if place + 1 < len(argv) else ""
        elif token.startswith(f"{option}="):
            value = token.removeprefix(f"{option}=")
    return value.strip()


def _option(variable: str) -> str:
    return "--" + variable.lower().replace("_", "-")


def _context_loader(params: PipesParams) -> PipesContextLoader:
    return PipesS3ContextLoader(_s3()) if "bucket" in params else PipesDefaultContextLoader()


def _message_writer(params: PipesParams) -> PipesMessageWriter:
    """Write as the reader on the other side reads: chunks in a bucket, chunks in a folder, else lines."""
    if "bucket" in params:
        return PipesS3MessageWriter(_s3())
    path = params.get(PipesDefaultMessageWriter.FILE_PATH_KEY)
    if isinstance(path, str) and Path(path).is_dir():
        return PipesUnityCatalogVolumesMessageWriter()
    return PipesDefaultMessageWriter()


def _s3() -> Any:
    import boto3

    return boto3.client("s3")


def _plain(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Copy a document and prove that it is JSON.

    The writers serialise in a thread of their own, which would die of it, and with it the whole report.
    """
    if document is None:
        return None
    for name, value in document.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"What the job reports as {name!r} is not JSON: {error}") from error
    return dict(document)

"""The Dagster instance: its folder and file, its storage, and whether a daemon lives."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from scripts.dagster_home import dagster_home, named_dagster_home
from scripts.doctor.findings import Finding, ok, problem, sentence_of, warning
from scripts.doctor.installation import Installation
from scripts.doctor.machine import folder

if TYPE_CHECKING:
    from dagster import DagsterInstance

_MATTER: Final = "Dagster instance"
_DAEMON: Final = "Dagster daemon"
_SILENT_SECONDS: Final = 120.0
"""A daemon shows itself every 30 s."""


def instance(installation: Installation) -> Iterator[Finding]:
    """The folder, the file in it, its storage and the daemon; nothing is made where there is none."""
    home = dagster_home(installation.environ, installation.home)
    if installation.setting("DAGSTER_HOME") is None:
        found = f"it is not set: our command lines take {home}, and Dagster's own forget what they did"
        yield warning("DAGSTER_HOME", found, f"export DAGSTER_HOME={home}")
    yield from folder("DAGSTER_HOME", home, absent=warning)
    file = home / "dagster.yaml"
    if not file.is_file():
        remedy = "make dev and our command lines copy deploy/dagster.yaml there"
        yield warning(
            _MATTER, f"{home} has no dagster.yaml yet, without which pools and queues have no limit", remedy
        )
        return
    missing = _variables_not_set(file, installation)
    for name in missing:
        yield problem(_MATTER, f"{name} is not set, and {file} refers to it: set {name}")
    if not missing:
        yield from _asked(home, file)


def _variables_not_set(file: Path, installation: Installation) -> list[str]:
    """The variables that an instance file refers to as `{env: NAME}` and that are not set."""
    given = {"DAGSTER_HOME"}  # Whoever opens an instance sets it.
    names = list(dict.fromkeys(_references(yaml.safe_load(file.read_text("utf-8")))))
    return [name for name in names if name not in given and not installation.setting(name)]


def _references(value: Any) -> Iterator[str]:
    match value:
        case {"env": str(name)} if len(value) == 1:
            yield name
        case dict():
            for inner in value.values():
                yield from _references(inner)
        case list():
            for inner in value:
                yield from _references(inner)


def _asked(home: Path, file: Path) -> Iterator[Finding]:
    from dagster import DagsterInstance

    try:
        with named_dagster_home(home), DagsterInstance.from_config(str(home)) as opened:
            kind = type(opened.event_log_storage).__name__
            found = [ok(_MATTER, f"{kind} of {file}, {opened.get_runs_count()} runs"), _daemon(opened)]
    except Exception as error:  # noqa: BLE001 - each storage raises errors of its own.
        # Behind "too many retries" stands why.
        reason = sentence_of(error.__cause__ or error)
        remedy = "correct that file, or see whether its database can be reached with these settings"
        yield problem(_MATTER, f"the instance of {file} cannot be used ({reason})", remedy)
        return
    yield from found


def _daemon(opened: "DagsterInstance") -> Finding:
    beats = opened.get_daemon_heartbeats().values()
    remedy = "make dev, or systemctl start quintet-daemon"
    if not beats:
        return warning(_DAEMON, "none has run yet: what is launched in the web UI stays queued", remedy)
    silent = time.time() - max(beat.timestamp for beat in beats)
    if silent > _SILENT_SECONDS:
        found = (
            f"the last one was seen {silent / 60:.0f} minutes ago: what is launched in the UI stays queued"
        )
        return warning(_DAEMON, found, remedy)
    errors = [error.message for beat in beats for error in beat.errors or ()]
    if errors:
        first = " ".join(errors[0].split())[:200]
        return warning(_DAEMON, f"it lives, and reports: {first}", "look at its log")
    return ok(_DAEMON, f"seen {max(0.0, silent):.0f} s ago")

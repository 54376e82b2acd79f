"""The Dagster instance that a command reads, opened, or a sentence that says why it cannot be.

Not here: making one where there is none (`scripts.dagster_home`). What a command reads must be there: a new,
empty instance has nothing to complain of.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import dagster as dg

_SHOWN_CHARACTERS: Final = 300
# Dagster says it with a stack trace for each variable.
_UNSET: Final = re.compile(r'environment variable "(\w+)" which is not set')


class InstanceUnreadable(Exception):
    """There is no instance to read; the sentence says why, and what to do."""


def opened_instance(environ: Mapping[str, str]) -> dg.DagsterInstance:
    """The instance of `DAGSTER_HOME`, once it answers; whoever opens it closes it.

    Raises:
        InstanceUnreadable: `DAGSTER_HOME` is not set, is no folder, or its storage does not answer.
    """
    home = environ.get("DAGSTER_HOME", "").strip()
    if not home:
        raise InstanceUnreadable("DAGSTER_HOME is not set; export the folder of the instance")
    if not Path(home).is_dir():
        raise InstanceUnreadable(
            f"DAGSTER_HOME is {home}, which is no folder; export the folder of the instance"
        )
    try:
        instance = dg.DagsterInstance.from_config(home)
        instance.get_runs_count()
    except Exception as error:  # Whichever storage it has raises errors of its own.
        raise InstanceUnreadable(
            f"the instance in {home} cannot be read ({_sentence(error)});"
            " `python -m scripts.doctor` says what it lacks"
        ) from error
    return instance


def _sentence(error: Exception) -> str:
    if unset := dict.fromkeys(_UNSET.findall(str(error))):
        return f"{', '.join(unset)} not set"
    return " ".join(str(error).split())[:_SHOWN_CHARACTERS] or type(error).__name__

"""The kinds of values in a jobs file, and the base of every object in it.

Scalars arrive as texts (`yaml_text`); each kind converts its own. Not here: which keys there are
(`job_model`, `strategies.params`), and how mistakes are told (`config_problems`).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from assets.discovery.config_problems import known_keys, nearest
from assets.discovery.yaml_text import plain_values

STAGE_STATUSES: Final = ("pending", "in_progress", "done", "failed", "skipped", "cancelled")
_CRON_FIELDS: Final = 5  # a sixth would be seconds, finer than anything looks
MICROS: Final = 1_000_000
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_LIMITER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_AMOUNT: Final = re.compile(r"(\d{1,12})(?:\.(\d+))?", re.ASCII)


class Keys(BaseModel):
    """An object whose keys are known: any other is refused, and a null counts as not given."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        known = set(known_keys(cls))
        return {name: value for name, value in values.items() if value is not None or name not in known}


def _file_version(version: int) -> int:
    if version != 1:
        raise ValueError("this Quintet reads version 1 of jobs files")
    return version


def _micros(amount: Any) -> int:
    """Micro-USD of an amount in USD, exactly; never by way of a float."""
    text = str(amount) if isinstance(amount, int) and not isinstance(amount, bool) else amount
    matched = _AMOUNT.fullmatch(text) if isinstance(text, str) else None
    if matched is None:
        raise ValueError("it must be an amount in USD, written as decimal text such as 1.50")
    if len(matched[2] or "") > 6:
        raise ValueError("it has more than six decimals; the smallest amount is 0.000001 USD")
    return int(Decimal(text) * MICROS)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        close = nearest(name, available_timezones())
        raise ValueError(f"it is no time zone; the nearest is {close!r}") from None
    return name


def _cron(expression: str) -> str:
    try:
        CronSim(expression, datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(f"it is no cron expression ({str(error).lower()})") from None
    if len(expression.split()) != _CRON_FIELDS:
        raise ValueError("it must have five fields: minute, hour, day of month, month, day of week")
    return expression


def _not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("it must not be empty")
    return values


def _module(path: str) -> str:
    if not _MODULE.fullmatch(path):
        raise ValueError("it is no module; write a bare name or a dotted path")
    return path


def _runnable_alone(path: str) -> str:
    """The module of a job without stages, whose last part names the one stage."""
    name = _module(path).rpartition(".")[2]
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"its stage would be named {name!r}, but a name has only a-z, 0-9 and _; give stages"
        )
    _no_status(name)
    return path


def _no_status(name: str) -> str:
    if name in STAGE_STATUSES:
        raise ValueError(f"a stage must not be named like a status ({', '.join(STAGE_STATUSES)})")
    return name


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("a name has only a-z, 0-9 and _, begins with a letter, and is at most 63 long")
    return text


def _limiter_name(text: str) -> str:
    if not _LIMITER.fullmatch(text):
        raise ValueError("the name of a limiter has only letters, digits, '.', '_' and '-'")
    return text


Name = Annotated[str, AfterValidator(_name)]
"""The name of a job or stage."""
StageName = Annotated[Name, AfterValidator(_no_status)]
LimiterName = Annotated[str, AfterValidator(_limiter_name)]
"""Without `:` and `/`, which name what is no limiter of the file: the breaker of a stage, its own rate."""
Module = Annotated[str, AfterValidator(_module)]
LoneModule = Annotated[str, AfterValidator(_runnable_alone)]
Zone = Annotated[str, AfterValidator(_zone)]
Cron = Annotated[str, AfterValidator(_cron)]
FileVersion = Annotated[int, AfterValidator(_file_version)]
FilledText = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Duration = Annotated[float, Field(ge=0)]
"""Seconds."""
Positive = Annotated[float, Field(gt=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Micros = Annotated[int, BeforeValidator(_micros)]
"""Micro-USD, from an amount in USD."""
NotEmpty = AfterValidator(_not_empty)
"""For lists. (`min_length` does not count entries that are wrong, and would tell a second mistake.)"""
FreeForm = Annotated[dict[str, Any], BeforeValidator(plain_values)]
"""An object that only its handler knows."""
OnChange = Literal["reprocess", "ignore", "new_item"]

"""Where the settings of a run come from: default < environment < JSON configuration < command line.

`read_configuration` is a pure function of texts, called when a run starts and never at import. It does not
know how the run was launched: the command line and a launch from Dagster both give their choices as flags.
Not here: opening the `.env` and the JSON file, and the settings themselves (`settings`).
"""

import io
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from dotenv import dotenv_values
from pydantic import SecretStr

from assets.aim.setting_values import SECRET, DateRange, OutOfRange, shown
from assets.aim.settings import VARIABLES, Settings
from assets.failures import PermanentFailure

Origin = Literal["default", "env", "json", "flag"]

_SOURCES: Final = {"env": "in the environment", "flag": "on the command line"}
_DEFAULTS: Final = Settings()
_BY_JSON_KEY: Final = {variable.json_key: name for name, variable in VARIABLES.items() if variable.json_key}
_FLAGGABLE: Final = {variable.name for variable in VARIABLES.values() if variable.grammar is not SECRET}


class ConfigurationError(PermanentFailure):
    """A setting that is not allowed or missing. Nothing was done yet; the command line exits with 2."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The JSON configuration: how messages call it, and its content."""

    name: str
    content: bytes | str


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, the origin of each by its variable, and a sentence for every value not taken."""

    settings: Settings
    origins: Mapping[str, Origin]
    warnings: tuple[str, ...]

    def effective(self) -> dict[str, tuple[str, Origin]]:
        """By variable the value as text and its origin, to be logged; a secret is `set` or `none`."""
        return {
            variable.name: (_as_text(getattr(self.settings, name)), self.origins[variable.name])
            for name, variable in VARIABLES.items()
        }


class _Taken(NamedTuple):
    """The value of a setting and where it was taken from."""

    value: Any
    origin: Origin


def read_configuration(
    environ: Mapping[str, str],
    *,
    dotenv: str | None = None,
    config: ConfigFile | None = None,
    flags: Mapping[str, str] | None = None,
) -> Configuration:
    """Read all settings. Blank is unset everywhere.

    The place of the JSON file is itself a setting (`AIM_MODE`, `AIM_LOCAL_ROOT`, `CONFIG_GCS_URI`) that no
    JSON file can change: read once without it to find it, and again with it.

    Args:
        environ: the environment.
        dotenv: the text of a `.env` file, which fills variables that are unset there.
        config: the JSON configuration or None; it is not looked at under `IGNORE_GCS_CONFIG`.
        flags: choices of the command line or of a launch, as texts by the name of the variable.

    Raises:
        ConfigurationError: a value of the environment or of a flag is not allowed.
        ValueError: a flag is for no variable, or for a secret.
    """
    if foreign := (flags or {}).keys() - _FLAGGABLE:
        raise ValueError(
            f"No flag can set {', '.join(sorted(foreign))}; use the name of a variable, no secret"
        )
    warnings: list[str] = []
    defaults = {name: _Taken(getattr(_DEFAULTS, name), "default") for name in VARIABLES}
    from_env = _take_texts(_filled(environ, dotenv), "env", warnings)
    from_flags = _take_texts(flags or {}, "flag", warnings)
    is_ignored = (defaults | from_env | from_flags)["ignore_config"].value
    from_json = {} if config is None or is_ignored else _take_json(config, warnings)
    effective = defaults | from_env | from_json | from_flags
    return Configuration(
        Settings(**{name: taken.value for name, taken in effective.items()}),
        {VARIABLES[name].name: taken.origin for name, taken in effective.items()},
        tuple(warnings),
    )


def check_cloud(settings: Settings, stages: Collection[int]) -> None:
    """Raise ConfigurationError, naming the variables, where settings lack what stages need in the cloud."""
    needed = {
        "PROJECT_ID": settings.project_id,
        "AIM_BUCKET_NAME": settings.bucket,
        "AIM_WAVES_URL": settings.waves_url,
        "TYRESCORE_BUCKET": settings.feed_bucket or 1 not in stages,
    }
    if missing := [name for name, value in needed.items() if not value]:
        raise ConfigurationError(
            f"AIM_MODE=cloud needs {', '.join(missing)}; set what is missing, or AIM_MODE=local"
        )


def _present(texts: Mapping[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text and text.strip()}


def _filled(environ: Mapping[str, str], dotenv: str | None) -> dict[str, str]:
    read = dotenv_values(stream=io.StringIO(dotenv), interpolate=False) if dotenv else {}
    return _present(read) | _present(environ)


def _take_texts(
    texts: Mapping[str, str], origin: Literal["env", "flag"], warnings: list[str]
) -> dict[str, _Taken]:
    present = _present(texts)
    taken: dict[str, _Taken] = {}
    for name, variable in VARIABLES.items():
        spelt = variable.name if variable.name in present else variable.older_name
        if spelt not in present:
            continue
        text = present[spelt] if variable.grammar.is_raw else present[spelt].strip()
        if not _is_unicode(text):
            raise ConfigurationError(f"{spelt} {_SOURCES[origin]} is not UTF-8; write it in UTF-8")
        try:
            taken[name] = _Taken(variable.grammar.from_text(text), origin)
        except ValueError as error:
            sentence = f"{spelt} {_SOURCES[origin]}: {error}"
            if not variable.falls_back or not isinstance(error, OutOfRange):
                raise ConfigurationError(sentence) from None
            taken[name] = _Taken(getattr(_DEFAULTS, name), "default")
            warnings.append(f"{sentence}; {taken[name].value:g} is used")
    return taken


def _is_unicode(text: str) -> bool:
    """Whether a text is one: bytes of the environment that are none come as halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _take_json(config: ConfigFile, warnings: list[str]) -> dict[str, _Taken]:
    taken: dict[str, _Taken] = {}
    for key, value in _json_object(config, warnings).items():
        if key not in _BY_JSON_KEY:
            warnings.append(f"{config.name}: the key {shown(key)} is not known and has no effect")
            continue
        name = _BY_JSON_KEY[key]
        if _is_no_value(value, getattr(_DEFAULTS, name)):
            continue
        try:
            taken[name] = _Taken(VARIABLES[name].grammar.from_json(value), "json")
        except ValueError as error:
            warnings.append(f"{config.name}: {key}: {error}; the earlier value stays")
    return taken


def _json_object(config: ConfigFile, warnings: list[str]) -> dict[str, Any]:
    text = config.content
    try:
        parsed = json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except (ValueError, RecursionError) as error:
        warnings.append(f"{config.name} cannot be read as JSON and has no effect: {error}")
        return {}
    if not isinstance(parsed, dict):
        warnings.append(f"{config.name} holds {shown(parsed)} instead of a JSON object and has no effect")
        return {}
    return parsed


def _is_no_value(value: object, default: object) -> bool:
    """Whether a JSON value leaves open what may be open: null, or blank where it does not clear a list."""
    if value is None:
        return default is None or default == ()
    return default is None and isinstance(value, str) and not value.strip()


def _as_text(value: object) -> str:
    match value:
        case None | ():
            return "none"
        case SecretStr():
            return "set"
        case bool():
            return str(value).lower()
        case DateRange():
            return f"{value.first}:{value.last}"
        case tuple():
            return ",".join(_as_text(part) for part in value)
        case _:
            return str(value)

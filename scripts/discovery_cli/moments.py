"""Times as people type them, in milliseconds UTC."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from assets.discovery.config_problems import ConfigurationError


def moment(text: str, zone: str, option: str) -> int:
    """The instant of an ISO date or time; one that names no offset is meant in the time zone `zone`.

    Raises:
        ConfigurationError: the text is no such time; names the option.
    """
    try:
        local = datetime.fromisoformat(text.strip())
        aware = local if local.tzinfo is not None else local.replace(tzinfo=ZoneInfo(zone))
        return round(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ConfigurationError(
            [f"{option} {text!r} is no ISO time; write it like 2026-03-01T09:00 or 2026-03-01T09:00-05:00"]
        ) from None


def moment_ahead(text: str, zone: str, now: int, option: str) -> int:
    """The same, or `+SECONDS` from now; it must be yet to come.

    Raises:
        ConfigurationError: it is neither, or it has passed; names the option.
    """
    seconds = text.strip()
    if seconds.startswith("+"):
        if not (seconds[1:].isascii() and seconds[1:].isdigit()) or len(seconds) > 11:
            raise ConfigurationError([f"{option} {text!r} is no +SECONDS; write it like +3600"])
        at = now + int(seconds[1:]) * 1000
    else:
        at = moment(text, zone, option)
    if at <= now:
        raise ConfigurationError([f"{option} {text!r} is not in the future; give a time that is to come"])
    return at


def day(text: str, option: str) -> date:
    """A calendar day.

    Raises:
        ConfigurationError: the text is none; names the option.
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ConfigurationError([f"{option} {text!r} is no date; write it like 2026-03-01"]) from None

"""How long and how fast, as people read it in a log line or on a page."""

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def span(seconds: float) -> str:
    """A length of time in its two largest units: `2 d 3 h`, `14 min`, `0 s`."""
    left, parts = max(round(seconds), 0), list[str]()
    for size, name in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 s"


def rate(count: int, seconds: float) -> str:
    """How many in a second, minute or hour, the largest of them that gives at least one: `2.4 a minute`."""
    per_second = count / max(seconds, 1e-3)
    for unit, length in (("second", 1), ("minute", 60)):
        if per_second * length >= 1:
            return f"{per_second * length:.1f} a {unit}"
    return f"{per_second * 3600:.1f} an hour"

"""Tyre sizes: the one grammar by which every stage finds a size in a text, writes it and compares it.

A size core is the part of a text that is a size, such as the `205/55R16` of `GOLF205/55R16 91V`. Its
canonical text is what is published, its key is what sizes are joined on. Not here: moving cores between
Vehicle and Size (`cams`).
"""

import re
from typing import Final, NamedTuple

import polars as pl

from assets.aim.columns import map_distinct

# Possessive spaces (`*+`): whatever follows them is no space, so giving some back never helps, and a line of
# a million spaces costs one pass. A backslash is a slash throughout, also as the character before a core.
_CORE: Final = re.compile(
    r"""
    (?<![\d./\\])
    (?:
        ([0-9]{3}) \s*+ [/\\] \s*+ ([0-9]{2})                               # metric: 205/55
      | ([0-9]{2}) \s*+ ([/\\xX]) \s*+ ([0-9]{1,2}\.[0-9]{2} | [0-9]{3,4})  # imperial: 31x10.50, 31/1050
      | ([0-9]{1,2}\.[0-9]{2})                                              # narrow: 7.50
      | ([0-9]{3}) ([0-9]{2})                                               # compact: 20555
    )
    \s*+ ([A-Za-z]{0,2}[Rr][Ff]?) \s*+ ([0-9]{2}[Cc]?)                      # R16, ZR18, RF16, R15C
    (?![^\W_])
    """,
    re.VERBOSE,
)

SIZE_KEY_SCHEMA: Final = {"Width": pl.String, "Profile": pl.String, "Rim": pl.String, "size_key": pl.String}


class SizeKey(NamedTuple):
    """What sizes are compared by: no construction letters, and a `C` is part of the rim.

    `profile` is empty for narrow sizes.
    """

    width: str
    profile: str
    rim: str

    @property
    def text(self) -> str:
        """The three joined, such as `205/55/16`, `31/10.50/15` or `7.50//16`."""
        return f"{self.width}/{self.profile}/{self.rim}"


class SizeCore(NamedTuple):
    """A size as found in a text, from `start` to before `end`; digits as written, letters upper case.

    `separator` is `/`, `x`, or empty for narrow sizes.
    """

    start: int
    end: int
    width: str
    separator: str
    profile: str
    construction: str
    rim: str

    @property
    def canonical(self) -> str:
        """The one way to write this size, such as `205/55 R16`, `31x10.50 R15` or `7.50 R16`."""
        return f"{self.width}{self.separator}{self.profile} {self.construction}{self.rim}"

    @property
    def key(self) -> SizeKey:
        """The key of this size; an imperial profile without a dot gets one before its last two digits."""
        profile = self.profile
        if len(profile) > 2 and "." not in profile:
            profile = f"{profile[:-2]}.{profile[-2:]}"
        return SizeKey(self.width, profile, self.rim)


def find_core(text: str) -> SizeCore | None:
    """The leftmost size core of a text, or None."""
    match = _CORE.search(text)
    if match is None:
        return None
    metric, metric_profile, imperial, mark, imperial_profile, narrow, compact, compact_profile, *tail = (
        match.groups()
    )
    if narrow:
        width, separator, profile = narrow, "", ""
    elif imperial:
        width, separator, profile = imperial, "x" if mark in "xX" else "/", imperial_profile
    else:
        width, separator, profile = metric or compact, "/", metric_profile or compact_profile
    construction, rim = tail
    return SizeCore(*match.span(), width, separator, profile, construction.upper(), rim.upper())


def size_key(text: str) -> SizeKey | None:
    """The key of the size in a text, or None when it holds none."""
    core = find_core(text)
    return core.key if core else None


def size_keys(texts: pl.Series) -> pl.DataFrame:
    """`size_key` of a column of texts: Width, Profile, Rim and the three joined, all null without a core."""
    return map_distinct(texts.to_frame(), _size_key_row, SIZE_KEY_SCHEMA)


def _size_key_row(text: str | None) -> tuple[str | None, ...]:
    key = size_key(text) if text is not None else None
    return (*key, key.text) if key else (None, None, None, None)

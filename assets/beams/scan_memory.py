"""What a scan remembers of each case from the last one: the cursor of the sensor, below 200 bytes per case.

It knows how the content looked and since when, and by which marker it was accepted. What was asked for and
what became of it is not here: that is in the registry and in Dagster's runs. So a lost cursor costs no case
and starts none twice; content that changed meanwhile has to be quiet for a while.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

FORMAT: Final = 1


class Entry(NamedTuple):
    """A case as the last scan saw it."""

    fingerprint: str
    marker: str
    """The digest of the marker by which its content was last accepted."""
    first_seen: int | None
    """When this fingerprint was first seen, in Unix seconds, while it is waited whether it stays; None once
    it is accepted."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The cases by key, and where a scan that ran out of time goes on."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    after: str | None = None
    """The last folder of the first level that was looked at; None when all were."""

    @classmethod
    def read(cls, text: str | None) -> "Memory":
        """Read a cursor; one that is none of ours is empty."""
        try:
            content = json.loads(text or "")
            if content["format"] != FORMAT:
                return cls()
            entries = {str(key): _entry(*values) for key, values in content["cases"].items()}
            after = content["after"]
            return cls(entries, None if after is None else str(after))
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
            return cls()

    def write(self) -> str:
        """The cursor."""
        content = {"format": FORMAT, "after": self.after, "cases": self.entries}
        return json.dumps(content, separators=(",", ":"))


def _entry(fingerprint: str, marker: str, first_seen: int | None) -> Entry:
    return Entry(str(fingerprint), str(marker), None if first_seen is None else int(first_seen))

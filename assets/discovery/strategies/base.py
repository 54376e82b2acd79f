"""What every strategy shares: it asks, identifies what it finds, and counts what has no identity.

Not here: the seventeen strategies (a module each), which of them exist and what they take (`registry`,
`params`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from assets.discovery import urls
from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.keys import data_key, digest, key_text, storable_key, storable_text


class BaseDiscovery:
    """One way of finding candidates. A subclass implements `fetch_items`, normally nothing else."""

    name: ClassVar[str]

    def __init__(self, *, key_field: str | None = None, drop_params: Sequence[str] = ()) -> None:
        self._key_field = key_field
        self._drop_params = tuple(drop_params)

    @property
    def has_key_field(self) -> bool:
        """Whether the job names a field of the data that identifies an item."""
        return self._key_field is not None

    def discover(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield what was found, identified: keys as they are stored, content hashes filled.

        What has no identity is rejected with its position, and the others go on.
        """
        position = 0
        for found in self.fetch_items(ask):
            if isinstance(found, Mark):
                yield found
                continue
            position += 1
            try:
                candidate = self.normalize(found)
            except ValueError as error:
                ask.reject(f"item {position}", str(error))
            else:
                yield candidate

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Read the source lazily, yield what is there and a `Mark` wherever it is safe to go on from.

        Raises:
            QuintetFailure: the source cannot be read; what was marked before stays.
        """
        raise NotImplementedError

    def normalize(self, raw: object) -> Candidate:
        """A candidate with its identity, from one that a strategy made, a JSON object, or a bare scalar.

        Raises:
            ValueError: its key is blank or no key (`UnusableKey`), or its data is no JSON object.
        """
        candidate = _candidate(raw)
        data = dict(candidate.data)
        key, raw_key = storable_key(self._key_of(candidate))
        if raw_key is not None:
            data["raw_key"] = raw_key
        data_digest = digest(data)
        return replace(
            candidate,
            key=key,
            data=data,
            url=_text(candidate.url) or _text(data.get("url")),
            title=_text(candidate.title) or _text(data.get("title")),
            content_hash=candidate.content_hash or data_digest,
        )

    def hash_url(self, url: str) -> str:
        """The hash of the canonical form of a URL, without the parameters that this job drops."""
        return urls.hash_url(url, self._drop_params)

    def _key_of(self, candidate: Candidate) -> str:
        """The source's own id; else the key field; else the link; else the data."""
        if candidate.key is not None:
            return key_text(candidate.key)
        if self._key_field is not None:
            return key_text(candidate.data.get(self._key_field))
        if url := candidate.url or _text(candidate.data.get("url")):
            return f"url:{self.hash_url(url)}"
        return data_key(candidate.data)


def _candidate(raw: object) -> Candidate:
    if isinstance(raw, Candidate):
        return raw
    if isinstance(raw, Mapping):
        return Candidate(None, raw)
    return Candidate(key_text(raw), {"value": raw})


def _text(value: Any) -> str | None:
    """A text field that says something."""
    return storable_text(value.strip()) or None if isinstance(value, str) else None

"""`static_list`: the things that the jobs file itself lists."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.keys import UnusableKey, key_text
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.params import StaticListParams


class StaticList(BaseDiscovery):
    """Every value is a thing: a scalar is its own key, an object has fields. Always a complete listing."""

    name: ClassVar[str] = "static_list"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the values in the order of the file."""
        params = StaticListParams.model_validate(ask.params)
        for number, value in enumerate(params.values, start=1):
            try:
                yield _candidate(value)
            except UnusableKey as error:
                ask.reject(f"value {number}", str(error))
        yield Mark(page=1, complete=True)


def _candidate(value: object) -> Candidate:
    if isinstance(value, Mapping):
        return Candidate(None, value)
    key = key_text(value)
    if not key:
        raise UnusableKey("it is empty, and a thing needs a key; write a value or remove the line")
    return Candidate(key, {"value": value})

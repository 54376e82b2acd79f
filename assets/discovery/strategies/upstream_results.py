"""`upstream_results`: what a stage of another job returned.

`Upstream` is all that this strategy needs of the ledger, and `LedgerUpstream` reads it there. Not here: what
is computed from it, which is the work of this job's own stages.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple, Protocol

import jmespath
from jmespath.exceptions import JMESPathError

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.keys import storable_key
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.marking import USUAL, marks_every
from assets.discovery.strategies.params import UpstreamResultsParams
from assets.failures import PermanentFailure


class Output(NamedTuple):
    """An item whose stage ended: what it returned, or `None` if it was skipped."""

    seq: int
    key: str
    url: str | None
    title: str | None
    published_at: int | None
    output_hash: str
    payload: Mapping[str, Any] | None


class Upstream(Protocol):
    """Where the results of other jobs are."""

    def outputs(self, job: str, stage: str, after_seq: int, most: int) -> Sequence[Output]:
        """The items whose stage is done or skipped with a later sequence number, in the order of those."""
        ...


_OUTPUTS: Final = """
SELECT s.seq, i.key, i.url, i.title, i.published_at, coalesce(r.output_hash, ''), r.payload_json, r.blob_path
FROM item_stages s
JOIN work_items i ON i.id = s.item_id
LEFT JOIN results r
  ON r.item_id = s.item_id AND r.stage = s.stage AND r.superseded_at IS NULL AND s.status = 'done'
WHERE s.job_id = ? AND s.stage = ? AND s.seq > ? AND s.status IN ('done', 'skipped')
ORDER BY s.seq LIMIT ?
"""


class LedgerUpstream:
    """The results in the ledger; `read_blob` gives the text of a payload that is kept in a file."""

    def __init__(self, connection: sqlite3.Connection, read_blob: Callable[[str], str]) -> None:
        self._connection, self._read_blob = connection, read_blob

    def outputs(self, job: str, stage: str, after_seq: int, most: int) -> Sequence[Output]:
        """As `Upstream` says, in one statement."""
        rows = self._connection.execute(_OUTPUTS, (job, stage, after_seq, most)).fetchall()
        return [Output._make((*row[:6], self._payload(*row[6:]))) for row in rows]

    def _payload(self, payload_json: str | None, blob_path: str | None) -> Mapping[str, Any] | None:
        text = self._read_blob(blob_path) if blob_path is not None else payload_json
        return None if text is None else json.loads(text)


class UpstreamResults(BaseDiscovery):
    """Every result of a stage of another job is a thing, or each of several in it (`fan_out`).

    It has the upstream item's key, for parts `key#index` with the index that JMESPath gives them, from 0. It
    changes when the upstream output does; parts that are no more are deleted. The cursor is `{seq}`, the
    ledger sequence of the last result read. Failures and skipped stages give nothing.
    """

    name: ClassVar[str] = "upstream_results"

    def __init__(
        self, *, upstream: Upstream, key_field: str | None = None, drop_params: Sequence[str] = ()
    ) -> None:
        super().__init__(key_field=key_field, drop_params=drop_params)
        self._upstream = upstream

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the results in the order in which they came to be.

        Raises:
            PermanentFailure: `fan_out` cannot be applied to a result.
        """
        params = UpstreamResultsParams.model_validate(ask.params)
        start = last = int((ask.cursor or {}).get("seq", 0))
        number = 0
        while outputs := self._upstream.outputs(params.job, params.stage, last, USUAL):
            for output in outputs:
                yield from _candidates(ask, output, params.fan_out)
                last, number = output.seq, number + 1
                if number % marks_every(ask) == 0:
                    yield Mark({"seq": last}, page=1)
        yield Mark({"seq": last}, page=1) if last > start else Mark(ask.cursor, ask.validators)


def _candidates(ask: Ask, output: Output, fan_out: str | None) -> Iterator[Candidate]:
    if output.payload is None:
        return
    if fan_out is None:
        yield _whole(output, output.payload)
        return
    index = -1
    for index, part in enumerate(_parts(output, fan_out)):
        data = part if isinstance(part, Mapping) else {"value": part}
        yield Candidate(f"{output.key}#{index}", data, content_hash=output.output_hash)
    while ask.is_known(storable_key(f"{output.key}#{index + 1}")[0]):
        index += 1
        yield Candidate(f"{output.key}#{index}", {}, deleted=True)


def _whole(output: Output, payload: Mapping[str, Any]) -> Candidate:
    """The payload as a thing; it is the upstream item's page and title unless it says another."""
    return Candidate(
        output.key,
        payload,
        url=None if isinstance(payload.get("url"), str) else output.url,
        title=None if isinstance(payload.get("title"), str) else output.title,
        published_at=output.published_at,
        content_hash=output.output_hash,
    )


def _parts(output: Output, fan_out: str) -> Sequence[Any]:
    try:
        found = jmespath.search(fan_out, output.payload)
    except JMESPathError as error:
        raise PermanentFailure(
            f"fan_out {fan_out} cannot be applied to the result of {output.key} "
            f"({' '.join(str(error).split())}); correct the expression."
        ) from None
    if found is None:
        return []
    return found if isinstance(found, list) else [found]

"""`items`: the items of a job, newest first, and the one that a person means by a key or an id."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

from assets.discovery.credentials import shown
from assets.discovery.ledger import copies
from assets.discovery.ledger.plans import JobPlan, StagePlan
from assets.failures import PermanentFailure

_IS_BLOCKED: Final = (
    "EXISTS (SELECT 1 FROM item_stages AS f JOIN json_each(:behind) AS b "
    "ON json_extract(b.value, '$[0]') = f.stage JOIN item_stages AS p ON p.item_id = f.item_id "
    "AND p.stage = json_extract(b.value, '$[1]') AND p.status = 'pending' "
    "WHERE f.item_id = w.id AND f.status = 'failed')"
)
_CONDITIONS: Final = {
    "status": "d.derived_status = :status",
    "stage": "(SELECT s.stage FROM item_stages AS s WHERE s.item_id = w.id "
    "AND s.status NOT IN ('done', 'skipped') ORDER BY s.ord LIMIT 1) = :stage",
    "search": "w.key LIKE :search ESCAPE '\\' OR w.title LIKE :search ESCAPE '\\' "
    "OR w.url LIKE :search ESCAPE '\\'",
    "retrying": "(d.next_attempt_at IS NOT NULL) = :retrying",
    "blocked": f"{_IS_BLOCKED} = :blocked",
}
"""What each field of a filter asks; only those that are given are asked."""


class UnknownItem(PermanentFailure):
    """The job has no such item."""


class ListedItem(TypedDict):
    """One item of `items`. `blocked`: a stage of it waits behind one that failed."""

    id: int
    key: str
    partition_key: str
    derived_status: str
    revision: int
    title: str | None
    url: str | None
    n_running: int
    retrying: bool
    blocked: bool


class ItemList(TypedDict):
    """The document of `items`."""

    items: list[ListedItem]


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items; what is `None` is not asked.

    `status` is the derived one. `stage`: the first stage of the item that is neither done nor skipped.
    `search` is a part of its key, title or URL, in any case.
    """

    status: str | None = None
    stage: str | None = None
    search: str | None = None
    retrying: bool | None = None
    blocked: bool | None = None
    limit: int = 50


def items(connection: sqlite3.Connection, job: JobPlan, chosen: ItemFilter) -> ItemList:
    """The document of `items`: up to `limit` items of the job, those found last first."""
    conditions = [f"({_CONDITIONS[name]})" for name in _CONDITIONS if getattr(chosen, name) is not None]
    ids = (
        "SELECT w.id FROM work_items AS w JOIN item_derived_status AS d ON d.item_id = w.id "  # noqa: S608 - of constants
        f"WHERE {' AND '.join(['w.job_id = :job', *conditions])} ORDER BY w.id DESC LIMIT :limit"
    )
    rows = connection.execute(
        "SELECT w.id, w.key, w.partition_key, d.derived_status, w.revision, w.title, w.url, d.n_running, "  # noqa: S608 - of constants
        f"d.next_attempt_at IS NOT NULL, {_IS_BLOCKED} FROM work_items AS w "
        f"JOIN item_derived_status AS d ON d.item_id = w.id WHERE w.id IN ({ids}) ORDER BY w.id DESC",
        {
            "job": job.job_id,
            "behind": json.dumps(_behind(job)),
            "status": chosen.status,
            "stage": chosen.stage,
            "search": None if chosen.search is None else f"%{_escaped(chosen.search)}%",
            "retrying": chosen.retrying,
            "blocked": chosen.blocked,
            "limit": chosen.limit,
        },
    )
    return {"items": [_listed(row) for row in rows]}


def find_item(connection: sqlite3.Connection, job_id: str, text: str) -> int:
    """The id of the item that a person calls `text`: an item of that key, else partition key, else id.

    Raises:
        UnknownItem: the job has none.
    """
    item_id = copies.find_item(connection, job_id, text)
    if item_id is None:
        raise UnknownItem(
            f"The job {job_id} has no item with the key, partition key or id {shown(text)!r}; "
            f"`inv jobs.items -j {job_id} --search TEXT` finds items by a part of their key, title or URL."
        )
    return item_id


def needs_of(stages: Sequence[StagePlan]) -> Mapping[str, frozenset[str]]:
    """Every stage that each one needs, directly or through others."""
    direct = {stage.name: frozenset(stage.needs) for stage in stages}

    def of(name: str) -> frozenset[str]:
        needs = direct.get(name, frozenset())
        return needs.union(*map(of, needs))

    return {stage.name: of(stage.name) for stage in stages}


def _behind(job: JobPlan) -> list[tuple[str, str]]:
    """Pairs of stages of which the second cannot go on without the first."""
    return [(need, stage) for stage, needs in needs_of(job.stages).items() for need in sorted(needs)]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _listed(row: tuple) -> ListedItem:
    id_, key, partition_key, derived_status, revision, title, url, n_running, retrying, blocked = row
    return ListedItem(
        id=id_,
        key=shown(key),
        partition_key=partition_key,
        derived_status=derived_status,
        revision=revision,
        title=None if title is None else shown(title),
        url=None if url is None else shown(url),
        n_running=n_running,
        retrying=bool(retrying),
        blocked=bool(blocked),
    )

"""Work as the engine hands it to a handler."""

from dataclasses import dataclass, field
from typing import Any

from assets.discovery.contract import Work


@dataclass
class Told:
    """What a handler tells while it works."""

    log: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def __call__(self, text: str, **fields: object) -> None:
        self.log.append((text, fields))


def no_cost(
    micros: int | None, provider: str = "", model: str = "", units: dict[str, Any] | None = None
) -> None:
    raise AssertionError("none of the shipped handlers costs anything")


def a_work(**changes: Any) -> Work:
    """One stage of one item, with these changes."""
    standard: dict[str, Any] = {
        "job_id": "shows",
        "item_id": 7,
        "key": "episode-7",
        "revision": 1,
        "data": {},
        "url": None,
        "title": None,
        "published_at": None,
        "stage": "stage",
        "attempt": 1,
        "params": {},
        "inputs": {},
        "idempotency_key": "0" * 64,
        "http": None,
        "add_cost": no_cost,
        "log": Told(),
    }
    return Work(**standard | changes)


def a_document(body: str, kind: str = "text/plain") -> Work:
    """Work on a document that the stage before has read."""
    return a_work(inputs={"fetch": {"type": kind, "body": body, "bytes": len(body), "sha256": "0" * 64}})


def a_text(text: str, **changes: Any) -> Work:
    """Work on a text that the stage before has made."""
    return a_work(inputs={"extract": {"text": text}}, **changes)

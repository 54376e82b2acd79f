"""The pictures of a job fit into the event log, whatever there is to draw."""

import base64
import io

import pytest
from PIL import Image

from assets.discovery.ledger.history import PastDiscovery
from assets.discovery.pictures import discovery_history, funnel
from assets.pictures import PICTURE_CAP

STATUSES = ("done", "skipped", "in_progress", "pending", "failed", "cancelled")
OUTCOMES = ("ok", "failed", "anomalous", "not_modified", None)

FUNNELS = {
    "nothing yet": {},
    "a stage without items": {"fetch": dict.fromkeys(STATUSES, 0)},
    "every status in three stages": {
        name: {status: 10 * n for n, status in enumerate(STATUSES)} for name in ("fetch", "extract", "score")
    },
    "twelve stages": {f"stage_{n}": {"done": 10**6 - n, "failed": n} for n in range(12)},
}
HISTORIES = {
    "nothing yet": [],
    "one": [PastDiscovery(1_772_323_200_000, "ok", 5, 5, 0, 0)],
    "hundreds, of every outcome": [
        PastDiscovery(1_772_323_200_000 + n * 3_600_000, OUTCOMES[n % 5], n % 90, n % 7, n % 3, n % 2)
        for n in range(300)
    ],
}


def pixels(markdown: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(base64.b64decode(markdown.partition("base64,")[2].rstrip(")")))) as image:
        return image.size


@pytest.mark.parametrize("stages", FUNNELS.values(), ids=FUNNELS.keys())
def test_a_funnel_is_a_picture_within_the_cap(stages):
    markdown = funnel("filings", stages)
    assert len(markdown.encode()) <= PICTURE_CAP
    assert min(pixels(markdown)) > 100
    assert "Items of filings" in markdown


@pytest.mark.parametrize("discoveries", HISTORIES.values(), ids=HISTORIES.keys())
def test_a_history_is_a_picture_within_the_cap(discoveries):
    markdown = discovery_history("filings", discoveries, "America/New_York")
    assert len(markdown.encode()) <= PICTURE_CAP
    assert min(pixels(markdown)) > 100


def test_only_the_last_discoveries_are_drawn():
    past = HISTORIES["hundreds, of every outcome"]
    assert discovery_history("x", past, "UTC") == discovery_history("x", past[-60:], "UTC")

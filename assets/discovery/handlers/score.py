"""`score`: how strongly a text speaks of what its job looks for, from 0 to 100.

Parameters: `keywords`, an object of words or phrases and their weights. A negative weight speaks against.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from assets.discovery.config_values import Keys
from assets.discovery.contract import Skip, Work
from assets.discovery.stage_input import checked_params, text_of

HANDLER_VERSION = 1


def _not_blank(keywords: dict[str, float]) -> dict[str, float]:
    if not all(keyword.strip() for keyword in keywords):
        raise ValueError("a keyword must not be blank")
    return keywords


class _Params(Keys, extra="ignore"):
    keywords: Annotated[dict[str, float], Field(min_length=1), AfterValidator(_not_blank)]


def handle(work: Work) -> dict[str, Any] | Skip:
    """Give `score`, the sum of the weights of what occurs, and `matched`, how often each does.

    Occurring twice does not weigh twice. Letter case and white space do not count; words count whole.
    Skips an item without any text.

    Raises:
        PermanentFailure: the params are wrong, or have no keywords.
    """
    weights = checked_params(work, _Params).keywords
    text = text_of(work)
    if text is None:
        return Skip("there is no text to score")
    folded = text.casefold()
    counts = {keyword: _occurrences(keyword, folded) for keyword in weights}
    matched = {keyword: count for keyword, count in counts.items() if count}
    total = sum(weights[keyword] for keyword in matched)
    return {"score": round(min(max(total, 0.0), 100.0), 2), "matched": matched}


def _occurrences(keyword: str, folded: str) -> int:
    phrase = r"\s+".join(re.escape(word) for word in keyword.casefold().split())
    return len(re.findall(rf"(?<!\w){phrase}(?!\w)", folded))

"""`tickers`: which companies and funds a text names, by their symbols at American exchanges.

`$ABC` is always meant as one. `ABC` is if it is in `ticker_symbols.txt` and not in `ticker_words.txt`, the
symbols that are words as well. It takes no parameters.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any, Final

from assets.discovery.contract import Skip, Work
from assets.discovery.stage_input import text_of

HANDLER_VERSION = 1
VERSION_DEPS = (Path("ticker_symbols.txt"), Path("ticker_words.txt"))

# Letters, and perhaps a class of shares (BRK.B, BRK-B), that are no part of a longer word.
_MENTION: Final = re.compile(r"(\$|\b)([A-Z]{1,5})(?:[.-]([A-C]))?\b")


def listed(name: str) -> frozenset[str]:
    """The symbols in a file beside this one; lines that begin with `#` are notes."""
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    return frozenset(symbol for line in lines if not line.startswith("#") for symbol in line.split())


_BARE: Final = listed("ticker_symbols.txt") - listed("ticker_words.txt")


def handle(work: Work) -> dict[str, Any] | Skip:
    """Give `symbols`, the most mentioned first, and `mentions`, how often each is; skips without any text."""
    text = text_of(work)
    if text is None:
        return Skip("there is no text to look for symbols in")
    mentions: Counter[str] = Counter()
    for dollar, letters, share_class in _MENTION.findall(text):
        symbol = f"{letters}.{share_class}" if share_class else letters
        if dollar or symbol in _BARE:
            mentions[symbol] += 1
    ranked = sorted(mentions, key=lambda symbol: (-mentions[symbol], symbol))
    return {"symbols": ranked, "mentions": dict(sorted(mentions.items()))}

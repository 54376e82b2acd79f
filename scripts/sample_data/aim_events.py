"""GA4 events of the aim samples: lines of JSON, block by block.

A block is a cohort of shoppers with all that they did in the 111 days before a date, so the file is not in
order of time, and its blocks do not depend on each other. Not here: the wording of an event
(`aim_event_texts`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scripts.sample_data import aim_event_texts as wording
from scripts.sample_data.aim_draws import Stream, indices, stream, texts
from scripts.sample_data.aim_shop import Shop, first_and_count

DAYS: Final = 111
"""The report's 21 days, and 90 before them."""

BLOCK_EVENTS: Final = 50_000

_EVENTS_OF_A_SESSION: Final = 4
_SESSIONS_OF_A_USER: Final = 2
_SECOND: Final = 1_000_000
_DAY: Final = 86_400 * _SECOND

_KINDS: Final = ("view_item_list", "page_view", "view_item", "add_to_cart", "purchase")
_SHARES_OF_KINDS: Final = (0.80, 0.10, 0.06, 0.04)
_VIEW, _PAGE, _PURCHASE = 0, 1, 4
_ITEMS_OF_A_VIEW: Final = (1, 2, 4)
_SHARES_OF_ITEMS: Final = (0.75, 0.17, 0.08)

_QUANTITIES: Final = {
    ',"quantity":1}': 20,
    ',"quantity":2}': 45,
    ',"quantity":4}': 30,
    "}": 3,
    ',"quantity":null}': 2,
}
_SPECIAL_POSITIONS: Final = 0.13
_TAIL_OF_A_VIEW: Final = ',"quantity":1}'
_NOBODY: Final = (',"user_pseudo_id":""', ',"user_pseudo_id":"  "', ',"user_pseudo_id":null', "")

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def event_lines(shop: Shop, count: int, day: date, seed: int) -> Iterator[pl.Series]:
    """As many events before a date, as blocks of at most `BLOCK_EVENTS` lines of JSON without line ends.

    `str.json_decode(pl.Struct(EVENT_SCHEMA))` makes a block the frame that a reader of the file sees.
    """
    writer = _Writer(shop, day)
    for block, start in enumerate(range(0, count, BLOCK_EVENTS)):
        rng = stream(seed, Stream.EVENTS, day.toordinal(), block)
        yield writer.lines(rng, block, min(BLOCK_EVENTS, count - start))


@dataclass(frozen=True, slots=True)
class _Events:
    """Arrays over the events of a block, sessions one after the other.

    `kind` is a place in `_KINDS`, `product` a row of `Shop.products` (or a strange one after them) for the
    first item, `items` how many there are.
    """

    session: Ints
    kind: Ints
    timestamp: Ints
    product: Ints
    items: Ints


@dataclass(frozen=True, slots=True)
class _Sessions:
    """Arrays over the sessions of a block: a shopper who looks at the tyres of one CAM.

    `cam` and `size` are rows of the shop's frames; `by_size` says that the vehicle is not known.
    """

    user: Ints
    cam: Ints
    size: Ints
    by_size: Flags
    begins: Ints


class _Writer:
    """Writes blocks of events of one shop."""

    def __init__(self, shop: Shop, day: date) -> None:
        self._texts = wording.item_texts(shop)
        self._days = wording.days_before(day, DAYS)
        self._first, self._of_size = first_and_count(shop)
        self._cams = shop.cams.with_row_index("row").drop_nulls("size")
        self._all_cams = shop.cams.height
        self._products = shop.products.height

    def lines(self, rng: np.random.Generator, block: int, count: int) -> pl.Series:
        """As many events."""
        sessions = self._sessions(rng, max(1, count // _EVENTS_OF_A_SESSION))
        events = self._events(rng, sessions, count)
        day = np.searchsorted(self._days.begins, events.timestamp, side="right") - 1
        kinds = pl.Series([f',"event_name":"{kind}"' for kind in _KINDS])
        pieces = [
            self._days.texts.gather(day),
            _numbers(events.timestamp),
            kinds.gather(events.kind),
            self._users(rng, sessions, block).gather(events.session),
            texts(rng, len(sessions.user), wording.COUNTRIES).gather(events.session),
            texts(rng, len(sessions.user), wording.pages()).gather(events.session),
            self._transactions(rng, events, block),
            self._items(rng, sessions, events),
        ]
        return _joined(*pieces, "}").alias("line")

    def _sessions(self, rng: np.random.Generator, count: int) -> _Sessions:
        # Few CAMs have most of the views, more so than of the sales: some of their tyres are seen more than
        # 100 times per order, where the click rate is below its limit.
        cam = indices(rng, count, self._cams["weight"].to_numpy() ** 2)
        day = indices(rng, count, self._days.weights)
        # Most shop around noon, hardly anybody at midnight.
        clock = (rng.triangular(0, 13, 23.9, count) * 3_600 * _SECOND).astype(np.int64)
        return _Sessions(
            user=rng.integers(0, max(1, count // _SESSIONS_OF_A_USER), count),
            cam=self._cams["row"].to_numpy()[cam].astype(np.int64),
            size=self._cams["size"].to_numpy()[cam],
            by_size=rng.random(count) < 0.25,
            begins=self._days.begins[day] + clock,
        )

    def _events(self, rng: np.random.Generator, sessions: _Sessions, count: int) -> _Events:
        session = np.sort(rng.integers(0, len(sessions.user), count))
        place = np.arange(count) - np.searchsorted(session, session)
        kind = indices(rng, count, _SHARES_OF_KINDS)
        buys = (rng.random(count) < 0.08) & (place > 0) & (np.roll(kind, 1) == _VIEW)
        kind[buys] = _PURCHASE
        product = self._drawn_products(rng, sessions.size[session])
        # Who buys buys what was looked at last, but for a few who were never seen looking.
        seen = buys & (rng.random(count) < 0.95)
        product[seen] = np.roll(product, 1)[seen]
        items = np.where(kind == _VIEW, np.array(_ITEMS_OF_A_VIEW)[indices(rng, count, _SHARES_OF_ITEMS)], 1)
        items[kind == _PAGE] = 0
        timestamp = sessions.begins[session] + place * 40 * _SECOND + rng.integers(0, 30 * _SECOND, count)
        return _Events(session, kind, self._in_time(rng, timestamp, buys), product, items)

    def _in_time(self, rng: np.random.Generator, timestamp: Ints, buys: Flags) -> Ints:
        """One purchase in six is days later, unless that is after the last day; no event is."""
        sleeps = buys & (rng.random(len(buys)) < 0.16)
        later = timestamp + np.where(sleeps, rng.integers(1, 26, len(buys)), 0) * _DAY
        end = self._days.begins[-1]
        return np.minimum(np.where(later < end, later, timestamp), end - 1)

    def _drawn_products(self, rng: np.random.Generator, size: Ints) -> Ints:
        """A product of each size, a few of them often; one item in two hundred is none of the shop's."""
        count = self._of_size[size]
        rank = (count * rng.random(len(size)) ** 3).astype(np.int64)
        # Looked at most is not what sells most, but what lies in the middle of the best sellers' list.
        drawn = self._first[size] + (rank + count // 2) % count
        strange = rng.random(len(size)) < 0.005
        return np.where(strange, self._products + rng.integers(0, self._texts.strange, len(size)), drawn)

    def _users(self, rng: np.random.Generator, sessions: _Sessions, block: int) -> pl.Series:
        """The piece that names the user of every session; one in a hundred has none."""
        named = _joined(f',"user_pseudo_id":"u{block}.', _numbers(sessions.user), '"')
        nobody = pl.Series(_NOBODY).gather(rng.integers(0, len(_NOBODY), len(named)))
        return nobody.zip_with(pl.Series(rng.random(len(named)) < 0.01), named)

    def _transactions(self, rng: np.random.Generator, events: _Events, block: int) -> pl.Series:
        """Purchases have a transaction, but for a few; other events say so or say nothing."""
        count = len(events.kind)
        number = _joined(f',"ecommerce":{{"transaction_id":"T{block}-', _numbers(np.arange(count)), '"}')
        none = texts(rng, count, {',"ecommerce":{"transaction_id":null}': 70, "": 29, ',"ecommerce":null': 1})
        has_one = pl.Series((events.kind == _PURCHASE) & (rng.random(count) < 0.98))
        return number.zip_with(has_one, none)

    def _items(self, rng: np.random.Generator, sessions: _Sessions, events: _Events) -> pl.Series:
        """The piece of the items of every event. Events without any lack the key, or have an empty list."""
        journey = texts(rng, len(sessions.user), wording.journey_texts(wording.JOURNEYS)).zip_with(
            pl.Series(~sessions.by_size),
            texts(rng, len(sessions.user), wording.journey_texts(wording.SIZE_JOURNEYS)),
        )
        place = rng.integers(0, wording.SLOTS, len(events.kind))
        slots = []
        for slot in range(max(_ITEMS_OF_A_VIEW)):
            rows = np.flatnonzero(events.items > slot)
            session = events.session[rows]
            product = events.product[rows] if slot == 0 else self._drawn_products(rng, sessions.size[session])
            texts_of_items = self._item(rng, sessions, session, product, journey, place[rows] + slot)
            tail = pl.Series([_TAIL_OF_A_VIEW]).new_from_index(0, len(rows))
            if slot == 0:
                bought = pl.Series(events.kind[rows] == _PURCHASE)
                tail = texts(rng, len(rows), _QUANTITIES).zip_with(bought, tail)
            slots.append(_spread(texts_of_items + tail, rows, len(events.kind)))
        listed = pl.select(pl.concat_str(slots, separator=",", ignore_nulls=True)).to_series()
        none = texts(rng, len(events.kind), {"": 60, ',"items":[]': 35, ',"items":null': 5})
        return _joined(',"items":[', listed, "]").zip_with(pl.Series(events.items > 0), none)

    def _item(
        self,
        rng: np.random.Generator,
        sessions: _Sessions,
        session: Ints,
        product: Ints,
        journey: pl.Series,
        place: Ints,
    ) -> pl.Series:
        plain = self._texts.positions.gather(place % wording.SLOTS)
        special = texts(rng, len(place), wording.POSITIONS)
        cam = sessions.cam[session] + self._all_cams * sessions.by_size[session]
        return _joined(
            self._texts.heads.gather(product),
            special.zip_with(pl.Series(rng.random(len(place)) < _SPECIAL_POSITIONS), plain),
            self._texts.cams.gather(cam),
            journey.gather(session),
            self._texts.prices.gather(product),
        )


def _joined(*pieces: pl.Series | str) -> pl.Series:
    """The pieces of each row as one text; a text is in every row."""
    return pl.select(
        pl.concat_str(pl.lit(piece) if isinstance(piece, str) else piece for piece in pieces)
    ).to_series()


def _numbers(values: Ints) -> pl.Series:
    return pl.Series(values).cast(pl.String)


def _spread(values: pl.Series, rows: Ints, count: int) -> pl.Series:
    """The values at their rows among so many, null in between."""
    places = np.full(count, -1)
    places[rows] = np.arange(len(rows))
    return values.gather(pl.Series(places).set(pl.Series(places < 0), None))

"""The small month in a store: its vendor file, its three objects, and what it takes to make them."""

from functools import cache

from assets.market.claims import TableName
from assets.market.month import TABLES, MonthOutcome, MonthRequest, make_month
from assets.market.months import BUCKET, raw_key, session_bars_key, statistics_key, training_table_key
from assets.market.recipe import Recipe
from tests.assets.market.memory_store import MemoryObject, MemoryStore
from tests.assets.market.small_month import MONTH, small_month

KEYS = [session_bars_key(MONTH), training_table_key(MONTH), statistics_key(MONTH)]
STRICT, COMPAT = Recipe(), Recipe("compat")


class WatchedStore(MemoryStore):
    """Notes what is written, and fails at the keys it is told to."""

    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        super().__init__()
        self.written: list[str] = []
        self.failing: set[str] = set()
        for key, data in (objects or {}).items():
            self.lay(key, data)

    def lay(self, key: str, data: bytes) -> None:
        """Put an object there unnoticed."""
        super().put_bytes(BUCKET, key, data)

    def put_bytes(self, bucket: str, key: str, data: bytes) -> MemoryObject:
        if key in self.failing:
            raise OSError(f"{key}: the disk is full")
        self.written.append(key)
        return super().put_bytes(bucket, key, data)

    def published(self) -> dict[str, bytes]:
        """The three objects, as far as they are there."""
        return {key: data for (_, key), data in self.objects.items() if key in KEYS}


@cache
def vendor_file(shift: int = 0) -> bytes:
    """The vendor file, or one with every price moved."""
    return small_month(shift=shift)


@cache
def objects_of(recipe: Recipe = STRICT) -> dict[str, bytes]:
    """The three objects, made in one go."""
    store = store_to_make()
    make(store, recipe=recipe)
    return store.published()


def store_to_make() -> WatchedStore:
    """A store with the vendor file."""
    return WatchedStore({raw_key(MONTH): vendor_file()})


def store_with_month(recipe: Recipe = STRICT) -> WatchedStore:
    """A store with the vendor file and the three objects."""
    return WatchedStore({raw_key(MONTH): vendor_file(), **objects_of(recipe)})


def make(
    store: MemoryStore, *tables: str, recipe: Recipe = STRICT, skip_unchanged: bool = False
) -> MonthOutcome:
    """Make the month, or some of its tables."""
    chosen = frozenset[TableName](table for table in TABLES if not tables or table in tables)
    return make_month(store, MonthRequest(MONTH, recipe, chosen, skip_unchanged))

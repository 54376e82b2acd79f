"""One month from vendor file to published tables: read, select, fill, label, weigh, compute, judge, publish.

`make_month` is the unit of work: a plain function of an object store and a request, which runs in any process
and gives the same bytes in each. It knows nothing of Dagster; `assets` records what it returns.
"""

import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from assets.failures import PermanentFailure, TransientFailure
from assets.market import published, training_table
from assets.market.blocking_claims import BLOCKING_CLAIMS
from assets.market.claims import JudgedMonth, TableName, Verdict, judge
from assets.market.dbn import VendorFile, read_dbn
from assets.market.features import compute_features
from assets.market.informing_claims import INFORMING_CLAIMS
from assets.market.labels import label_rows
from assets.market.months import BUCKET, Month, raw_key, session_bars_key, statistics_key, training_table_key
from assets.market.published import DECAY_KEY, SUMMARY_KEY, PublishedTable, Store, StoredObject
from assets.market.recipe import CODE_VERSION, Provenance, Recipe
from assets.market.report import MonthReport, report_month
from assets.market.selection import select_bars
from assets.market.session_bars import MonthBars, fill_sessions
from assets.market.statistics import month_statistics, to_json
from assets.market.weights import decay, weigh

TABLES: Final[tuple[TableName, ...]] = ("session_bars", "training_table", "month_statistics")
"""In publishing order."""

CLAIMS: Final = BLOCKING_CLAIMS + INFORMING_CLAIMS


@dataclass(frozen=True, slots=True)
class MonthRequest:
    """What to make of a month; picklable."""

    month: str
    recipe: Recipe
    tables: frozenset[TableName] = frozenset(TABLES)
    skip_unchanged: bool = False


@dataclass(frozen=True, slots=True)
class MonthOutcome:
    """What came of a month; picklable and small, for no table is in it.

    `objects` are the published objects as they are now, none when a blocking claim does not hold. An
    unchanged month was not judged and nothing was written. `seconds` is the wall time of each phase,
    `peak_bytes` the most memory that the process has held so far.
    """

    month: str
    is_unchanged: bool = False
    objects: Mapping[TableName, StoredObject] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    report: MonthReport | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_bytes: int = 0

    @property
    def broken_claims(self) -> list[Verdict]:
        """The blocking claims that do not hold."""
        return [verdict for verdict in self.verdicts if verdict.is_blocking and not verdict.holds]

    @property
    def refusal(self) -> PermanentFailure | None:
        """Why nothing was published, None when the blocking claims hold."""
        if not self.broken_claims:
            return None
        broken = "; ".join(_broken(verdict) for verdict in self.broken_claims)
        return PermanentFailure(
            f"The checks refuse {self.month}, and nothing was replaced: {broken}; check the vendor file, and "
            "report a defect if it is sound"
        )


def make_month(store: Store, request: MonthRequest) -> MonthOutcome:
    """Make the requested tables of a month, judge them, and replace the published objects if they hold.

    Tables that are not requested are read from the store where a requested one needs them.

    Raises:
        PermanentFailure: the vendor file is missing or refused, or a published table does not fit.
        TransientFailure: the vendor file was replaced while it was read.
    """
    if request.skip_unchanged and published.month_state(store, request.month, request.recipe) == "done":
        objects = published.object_infos(store, request.month)
        return MonthOutcome(request.month, is_unchanged=True, objects=objects)
    work = _Work(store, request)
    judged = work.judged_month()
    with work.timed("judge"):
        verdicts = tuple(judge([claim for claim in CLAIMS if claim.on in request.tables], judged))
    outcome = MonthOutcome(request.month, verdicts=verdicts, seconds=work.seconds)
    if outcome.broken_claims:
        return outcome
    with work.timed("report"):
        report = report_month(judged)
    with work.timed("publish"):
        objects = work.publish()
    return replace(outcome, objects=objects, report=report, peak_bytes=_peak_bytes())


def judge_published(store: Store, month: str, tables: frozenset[TableName]) -> tuple[Verdict, ...]:
    """Judge the published tables of a month as they lie in the store.

    Raises:
        PermanentFailure: one of the three objects has not been published.
    """
    bars = published.read_session_bars(store, month)
    table = published.read_training_table(store, month)
    statistics = published.read_statistics(store, month)
    if statistics is None:
        raise PermanentFailure(
            f"{store.uri(BUCKET, statistics_key(month))}: there is no such object; "
            f"materialise market/month_statistics of {month} first"
        )
    judged = JudgedMonth(
        month=month,
        bars=published.session_bars_of(bars),
        session_bars=bars.frame,
        decay_reference_month=table.metadata[DECAY_KEY],
        table=table.frame,
        statistics=statistics,
        neighbours=published.neighbours(store, month),
    )
    return tuple(judge([claim for claim in CLAIMS if claim.on in tables], judged))


def _broken(verdict: Verdict) -> str:
    first = ", ".join(f"{name} {value}" for name, value in verdict.breaches[0].items())
    return f"{verdict.claim} ({verdict.breach_count} breaches, the first: {first})"


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class _Work:
    """The making of one month: the objects to publish, and where the time went."""

    def __init__(self, store: Store, request: MonthRequest) -> None:
        self._store = store
        self._request = request
        self._objects: dict[TableName, bytes] = {}
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[phase] = time.perf_counter() - started

    def judged_month(self) -> JudgedMonth:
        """Make the requested tables, and show the month as it reads back from the bytes to publish."""
        month, tables = self._request.month, self._request.tables
        published_bars = self._session_bars()
        bars = published.session_bars_of(published_bars)
        judged = JudgedMonth(month, bars, published_bars.frame, self._request.recipe.decay_reference(month))
        if tables == {"session_bars"}:
            return judged
        table = self._training_table(bars, published_bars.provenance)
        reference = table.metadata[DECAY_KEY]
        judged = replace(judged, decay_reference_month=reference, table=table.frame)
        if "month_statistics" not in tables:
            return judged
        with self.timed("statistics"):
            statistics = month_statistics(month, table.frame, bars.summary, table.provenance, reference)
            self._objects["month_statistics"] = to_json(statistics)
        return replace(judged, statistics=statistics, neighbours=published.neighbours(self._store, month))

    def publish(self) -> dict[TableName, StoredObject]:
        """Replace the objects, in publishing order."""
        keys = published.OBJECT_KEYS
        return {
            table: self._store.put_bytes(BUCKET, keys[table](self._request.month), self._objects[table])
            for table in TABLES
            if table in self._objects
        }

    def _session_bars(self) -> PublishedTable:
        if "session_bars" not in self._request.tables:
            with self.timed("read"):
                return self._fitting_session_bars()
        with self.timed("read"):
            vendor_file, source = self._read_vendor_file()
        recipe = self._request.recipe
        with self.timed("select and fill"):
            selection = select_bars(vendor_file, Month.parse(self._request.month), recipe)
            bars = fill_sessions(vendor_file, selection, recipe.rules)
        provenance = Provenance(
            vendor_file.name, source.etag, source.size, recipe.rules, recipe.digest, CODE_VERSION
        )
        with self.timed("write session_bars"):
            metadata = provenance.metadata(len(bars)) | {SUMMARY_KEY: bars.summary.to_json()}
            data = training_table.to_parquet(bars.to_frame(), metadata)
            self._objects["session_bars"] = data
            return published.decoded(data)

    def _training_table(self, bars: MonthBars, provenance: Provenance) -> PublishedTable:
        if "training_table" not in self._request.tables:
            with self.timed("read training_table"):
                return self._fitting_training_table(provenance)
        month, recipe = self._request.month, self._request.recipe
        with self.timed("labels"):
            labels = label_rows(bars)
            reference = recipe.decay_reference(month)
            weights = weigh(labels, decay(month, reference))
        with self.timed("features"):
            features = compute_features(bars)
        with self.timed("write training_table"):
            frame = training_table.assemble(bars, labels, weights, features)
            del labels, weights, features  # 250 MB that writing does not need
            made_with = replace(provenance, config_digest=recipe.digest)
            metadata = made_with.metadata(len(bars)) | {DECAY_KEY: reference}
            self._objects["training_table"] = training_table.to_parquet(frame, metadata)
        with self.timed("read back"):
            return published.verified(frame, self._objects["training_table"])

    def _read_vendor_file(self) -> tuple[VendorFile, StoredObject]:
        key = raw_key(self._request.month)
        source = self._store.head(BUCKET, key)
        if source is None:
            raise PermanentFailure(
                f"{self._store.uri(BUCKET, key)}: there is no vendor file of {self._request.month}; "
                f"download it to the key {key} of the bucket {BUCKET}"
            )
        data = self._store.read_bytes(BUCKET, key)
        now = self._store.head(BUCKET, key)
        if now is None or (now.etag, now.size) != (source.etag, source.size):
            raise TransientFailure(
                f"{key}: the vendor file was replaced while it was read; it will be read again"
            )
        return read_dbn(data, key), source

    def _fitting_session_bars(self) -> PublishedTable:
        month, rules = self._request.month, self._request.recipe.rules
        table = published.read_session_bars(self._store, month)
        found = table.provenance
        # The statistics take their rules from the training table.
        wanted = rules if "training_table" in self._request.tables else found.rules
        if (found.rules, found.code_version) != (wanted, CODE_VERSION):
            raise PermanentFailure(
                f"{self._store.uri(BUCKET, session_bars_key(month))}: made with rules '{found.rules}' and "
                f"code version {found.code_version}, wanted are '{wanted}' and {CODE_VERSION}; "
                f"materialise market/session_bars of {month} again"
            )
        return table

    def _fitting_training_table(self, provenance: Provenance) -> PublishedTable:
        month = self._request.month
        table = published.read_training_table(self._store, month)
        found = table.provenance
        if replace(found, config_digest=provenance.config_digest) != provenance:
            raise PermanentFailure(
                f"{self._store.uri(BUCKET, training_table_key(month))}: made from other session_bars than "
                f"the published ones; materialise market/training_table of {month} again"
            )
        return table

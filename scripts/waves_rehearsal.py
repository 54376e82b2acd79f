"""What the rehearsed Waves service answers, as plain values: the ranker behind the service's vocabulary.

Not here: HTTP and logins (`waves_server`), and what is wrong with an answer (`waves_faults`).
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from threading import Lock
from typing import Any

import polars as pl

from assets.aim.sizes import size_key, size_keys
from assets.aim.vehicles import vehicle_key, vehicle_keys
from resources.waves import Cam, Parameters
from resources.waves.ranker import Ranker
from resources.waves.score_index import ScoreIndex
from resources.waves.values import MOST_CAMS_IN_A_BATCH, failed_answer

_NUMBERS = ("goldilocks_zone_pct", "price_fluctuation_upper", "price_fluctuation_lower")
_TEXTS = ("brand_enhancer", "model_enhancer", "season")


class BadRequest(ValueError):
    """What the service answers with 400."""


class WavesRehearsal:
    """Answers batches and pages from a score table; threads may share it.

    The segments are those of the table, and the CAMs of a segment are its vehicles and sizes, those that sell
    most first. `failing` counts by Vehicle how many more times its CAMs are to be an UPSTREAM_ERROR.
    """

    def __init__(self, scores: pl.DataFrame) -> None:
        index = ScoreIndex(with_keys(scores))
        self.scored_products = scores["ProductId"].n_unique()
        self.failing: Counter[str] = Counter()
        self._ranker = lru_cache(maxsize=16)(lambda parameters: Ranker(index, parameters))
        self._cams_by_segment = _cams_by_segment(scores)
        self._lock = Lock()

    def segments(self) -> list[str]:
        """The segments on offer, sorted."""
        return sorted(self._cams_by_segment)

    def batch(self, body: bytes) -> tuple[str, list[Any]]:
        """The run_id and the results for a batch. Raises `BadRequest`."""
        try:
            asked = json.loads(body)
            cams = [(str(item["Vehicle"] or ""), str(item["Size"] or "")) for item in asked["cams"]]
            parameters = _parameters(asked.get("params") or {})
            run_id = str(asked["run_id"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadRequest(f"this is no batch ({error!r})") from error
        if not 1 <= len(cams) <= MOST_CAMS_IN_A_BATCH:
            raise BadRequest(f"a batch has 1 to {MOST_CAMS_IN_A_BATCH} CAMs, not {len(cams)}")
        return run_id, self._results(cams, parameters)

    def page(self, query: Mapping[str, str]) -> list[Any]:
        """The results for a page of a segment. Raises `BadRequest`."""
        try:
            offset, top_n = int(query["offset"]), int(query["top_n"])
            parameters = _parameters(query)
        except (KeyError, ValueError) as error:
            raise BadRequest(f"this is no page ({error!r})") from error
        cams = self._cams_by_segment.get(query.get("segment", ""), [])
        return self._results(cams[offset : offset + top_n], parameters)

    def _results(self, cams: Iterable[tuple[str, str]], parameters: Parameters) -> list[Any]:
        ranker = self._ranker(parameters)
        return [
            failed_answer(vehicle, size, "UPSTREAM_ERROR")
            if self._fails(vehicle)
            else ranker.answer(cam(vehicle, size))
            for vehicle, size in cams
        ]

    def _fails(self, vehicle: str) -> bool:
        with self._lock:
            fails = self.failing[vehicle] > 0
            self.failing[vehicle] -= fails
        return fails


def with_keys(scores: pl.DataFrame) -> pl.DataFrame:
    """Score rows with the keys that the ranker finds them by."""
    return scores.with_columns(
        vehicle_keys(scores["Vehicle"]).alias("vehicle_key"),
        size_keys(scores["SIZE"])["size_key"].alias("size_key"),
    )


def cam(vehicle: str, size: str) -> Cam:
    """A CAM with its keys."""
    key = size_key(size)
    return Cam(vehicle, size, vehicle_key(vehicle), key.text if key else None)


def _cams_by_segment(scores: pl.DataFrame) -> dict[str, list[tuple[str, str]]]:
    if "Segment" not in scores.columns:
        return {}
    cams = (
        scores.with_columns(pl.col("Units").cast(pl.Int64))
        .filter(pl.col("Segment").str.strip_chars() != "", pl.col("Vehicle") != "", pl.col("SIZE") != "")
        .group_by("Segment", "Vehicle", "SIZE")
        .agg(pl.sum("Units"))
        .sort("Segment", "Units", "Vehicle", "SIZE", descending=[False, True, False, False])
    )
    by_segment: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for segment, vehicle, size in cams.select("Segment", "Vehicle", "SIZE").iter_rows():
        by_segment[segment].append((vehicle, size))
    return dict(by_segment)


def _parameters(values: Mapping[str, Any]) -> Parameters:
    given: dict[str, Any] = {name: float(values[name]) for name in _NUMBERS if values.get(name) is not None}
    given |= {name: str(values[name]) for name in _TEXTS if values.get(name) is not None}
    return Parameters(**given)

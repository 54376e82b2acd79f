"""Result processing and the embedded ranker, each next to row-wise pandas that comes to the same lists.

The ranker's baseline works on a part of the CAMs; the two are compared by CAMs per second. Not here: the
baselines (`aim_baseline`), and the ranker behind HTTP (`aim_waves`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from assets.aim.publication import cam_sku_csv, last_modified, results_csv, staged_lists
from assets.aim.results import judge, publishable
from assets.aim.runlist import read_runlist
from assets.aim.settings import Settings
from assets.aim.sizes import size_keys
from assets.aim.slots import HOTBOXES, SLOTS
from assets.aim.vehicles import vehicle_keys
from resources.waves import Answer, Cam, EmbeddedWaves, Journal, Pace, Parameters, Waves
from resources.waves.score_index import ScoreIndex
from scripts.benchmarks.aim_baseline import processed, ranked
from scripts.benchmarks.aim_stages import SCORES_FILE
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part, Stopwatch
from scripts.sample_data.aim_shop import RUN_DATE, Scale
from scripts.waves_rehearsal import with_keys

_STARTED: Final = datetime(2025, 6, 10, 5, tzinfo=UTC)
_WARM_UP: Final = 100
_BASELINE_CAMS: Final = 50
_FIRST_ID: Final = 10_000_000
_BAD_ANSWERS: Final = 0.03
_REPEATED_CELLS: Final = 0.02
_JUNK: Final = ("FormatError", "", None, "99999999", " 10000001.0 ", 10_000_002, "n/a")


def work_list(root: Path, cams: int) -> pl.DataFrame:
    """The CAMs of the runlist, as a run reads them."""
    path = root / Settings().runlist_path
    with path.open("rb") as stream:
        return read_runlist(stream, path.name, cams).cams


def cams_of(work: pl.DataFrame) -> list[Cam]:
    """The CAMs as the service takes them."""
    keys = vehicle_keys(work["Vehicle"]), size_keys(work["Size"])["size_key"]
    return [Cam(*row) for row in zip(work["Vehicle"], work["Size"], *keys, strict=True)]


def scores_of(root: Path) -> pl.DataFrame:
    """The scores as the ranker takes them."""
    return with_keys(pl.read_parquet(root / SCORES_FILE))


def recommended(waves: Waves, cams: Sequence[Cam], pace: Pace, scores: pl.DataFrame) -> list[Answer]:
    """The answers to all CAMs, without enhancers."""
    return waves.recommend(
        cams,
        scores=lambda: scores,
        parameters=Parameters(),
        pace=pace,
        started=_STARTED,
        journal=Journal(),
    )


def measure_results(root: Path, scale: Scale) -> Part:
    """Answers to staged rows and files. Raises `BenchmarkFailed` where the baseline has others."""
    work = work_list(root, scale.cams)
    known = pl.Series(range(_FIRST_ID, _FIRST_ID + scale.products), dtype=pl.Int64)
    known_texts = frozenset(known.cast(pl.String))
    answers, modified = _answers(work, known), last_modified(RUN_DATE)
    # What is made once in a process is made by now.
    _staged_and_files(answers[:_WARM_UP], work.head(_WARM_UP), known)
    processed(answers[:_WARM_UP], work.head(_WARM_UP).rows(), known_texts, modified)
    watch = Stopwatch()
    staged, *files = _staged_and_files(answers, work, known)
    ours = Line("result processing", *watch.lap(), len(answers), "CAMs")
    theirs = processed(answers, work.rows(), known_texts, modified)
    baseline = Line("baseline, pandas row by row", *watch.lap(), len(answers), "CAMs")
    if theirs != (staged.to_dicts(), *files):
        raise BenchmarkFailed("Result processing and its baseline come to other rows; one of them is wrong")
    return Part(
        f"Result processing of {len(answers):,} CAMs x {len(SLOTS)} slots",
        [ours.compared(baseline, "pandas"), baseline],
        [f"{staged.height:,} rows are publishable; those of the baseline, and its files, are the same."],
    )


def measure_ranker(root: Path, scale: Scale) -> Part:
    """Scores and CAMs to answers. Raises `BenchmarkFailed` where the baseline has others."""
    scores, cams = scores_of(root), cams_of(work_list(root, scale.cams))
    recommended(EmbeddedWaves(), cams[:_WARM_UP], Pace(), scores)
    watch = Stopwatch()
    ScoreIndex(scores)
    index = Line("the index alone", *watch.lap(), scores.height, "score rows")
    answers = recommended(EmbeddedWaves(), cams, Pace(), scores)
    ours = Line("ranker", *watch.lap(), len(cams), "CAMs")
    count = min(_BASELINE_CAMS, len(cams))
    sample = [place * len(cams) // count for place in range(count)]
    frame = scores.to_pandas()
    watch = Stopwatch()
    theirs = [ranked(frame, cams[place], Parameters()) for place in sample]
    baseline = Line(
        _of("baseline, pandas per CAM", len(sample), len(cams)), *watch.lap(), len(sample), "CAMs"
    )
    for place, slots in zip(sample, theirs, strict=True):
        if slots != _slots(answers[place]):
            raise BenchmarkFailed(
                f"The ranker and its baseline have other lists for {cams[place].vehicle} {cams[place].size}: "
                f"{_slots(answers[place])} and {slots}; one of them is wrong"
            )
    good = sum(answer["success"] for answer in answers)
    products = scores["ProductId"].n_unique()
    return Part(
        f"Embedded ranker over {products:,} products in {scores.height:,} score rows",
        [ours.compared(baseline, "pandas"), index, baseline],
        [f"{good:,} of {len(cams):,} CAMs got four hotboxes; the lists of the baseline's CAMs are the same."],
    )


def _staged_and_files(
    answers: Sequence[object], work: pl.DataFrame, known: pl.Series
) -> tuple[pl.DataFrame, bytes, bytes]:
    """What Stage 4 does with all answers before a table changes, and the two files."""
    rows = publishable(judge(answers, known, work)).rows
    return staged_lists(rows), results_csv(rows), cam_sku_csv(rows, last_modified(RUN_DATE))


def _answers(work: pl.DataFrame, known: pl.Series) -> list[dict[str, Any]]:
    """An answer for each CAM, with what goes wrong in a bad hour: failures, junk, ids that come twice."""
    rng = np.random.default_rng(0)
    cells = rng.choice(known.cast(pl.String).to_numpy(), (work.height, len(SLOTS))).astype(object)
    listed = cells[:, len(HOTBOXES) :]
    repeated = rng.random(listed.shape) < _REPEATED_CELLS
    listed[repeated] = np.broadcast_to(cells[:, :1], listed.shape)[repeated]
    for row, column in np.argwhere(rng.random(listed.shape) < _REPEATED_CELLS):
        listed[row, column] = _JUNK[(row + column) % len(_JUNK)]
    is_bad = rng.random(work.height) < _BAD_ANSWERS
    return [
        {
            "Vehicle": vehicle,
            "Size": size,
            **dict(zip(HOTBOXES, slots, strict=False)),
            "SKUs": slots[len(HOTBOXES) :],
            "success": not failed,
            "error_code": "UPSTREAM_ERROR" if failed else None,
        }
        for (vehicle, size), slots, failed in zip(
            work.iter_rows(), cells.tolist(), is_bad.tolist(), strict=True
        )
    ]


def _slots(answer: dict[str, Any]) -> list[str]:
    return [*(answer[box] for box in HOTBOXES), *answer["SKUs"]]


def _of(name: str, part: int, whole: int) -> str:
    return f"{name}, {part:,} of {whole:,}" if part < whole else name

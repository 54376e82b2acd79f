"""What must never come out of the pipeline, looked for at its end: in the files and tables of a run.

Each rule has tests of its own beside its module; here it has to hold through all that lies between.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from assets.aim.job_book import JobBook
from assets.aim.settings import VARIABLES
from assets.aim.slots import EMPTY, HOTBOXES, LIST_SLOTS, SLOTS
from assets.aim.stages.order import STAGES, Stage
from assets.aim.stages.outcomes import Outcome
from assets.aim.stages.run import Run
from scripts.waves_faults import Fault
from tests.assets.aim.aim_roots import COST_REPORT, RUNLIST, Root, inputs_in, run_in
from tests.resources.waves.loopback import serving

REPOSITORY = Path(__file__).parents[3]
CELLS = ", ".join(f'"{slot}"' for slot in SLOTS)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Inputs, and nothing else."""
    return inputs_in(tmp_path)


@pytest.fixture
def done(tmp_path: Path) -> Root:
    """A root after a full run."""
    return run_in(tmp_path)


def scored_ids(root: Root) -> list[str]:
    found = root.query("SELECT DISTINCT ProductId FROM nexus_tyrescore.TyreScore_algorithm_output ORDER BY 1")
    return [str(product) for (product,) in found]


def answer(cam: tuple[str, str], ids: list[str], skus: list[Any], **others: Any) -> dict[str, Any]:
    """A result of the service that says it is good."""
    hotboxes = dict(zip(HOTBOXES, ids, strict=False))
    return {"Vehicle": cam[0], "Size": cam[1], **hotboxes, "SKUs": skus, "success": True, **others}


def content(*results: Mapping[str, Any]) -> bytes:
    return json.dumps({"results": results, "usage": {"prompt_token_count": 10}}).encode()


def listed(root: Root) -> list[tuple[str, ...]]:
    """The 24 slots of the published lists, in runlist order."""
    return root.query(f'SELECT {CELLS} FROM AIM."AIMData_history" ORDER BY position')


def slots(*cells: str) -> tuple[str, ...]:
    return cells + (EMPTY,) * (len(SLOTS) - len(cells))


def test_no_junk_of_the_service_reaches_a_table_or_a_file(done):
    """Failed answers, texts, unknown products, repetitions and gaps, all in one batch."""
    cams = done.published_cams()[:5]
    done.give_runlist(cams)
    a, b, c, d, e, f, *_ = ids = scored_ids(done)
    unknown = "99999999"
    assert unknown not in ids
    odd = answer(cams[0], ids, [e, "", e, "Error", unknown, a, f"{f}.0", None, int(ids[6]), *[ids[7]] * 20])
    failed = answer(cams[1], ["Error"] * 4, ["Error"] * 20, success=False, error_code="TIMEOUT")
    half = answer(cams[2], [a, "FormatError", c, d], ids[4:])
    full = answer(cams[3], ids, ids[4:40])
    twice = answer(cams[4], [a, a, c, d], ids[4:])
    good_at_last = answer(cams[1], ids, [])
    with serving() as server:
        server.meet_with(
            Fault(content=content(odd, failed, half, full, twice)),
            Fault(content=content(good_at_last, half, twice)),
        )
        ended = done.stage(4, AIM_WAVES_URL=server.url, AIM_MIN_SUCCESS_RATIO="0.6")
    assert ended.code == 0, ended.err
    assert "warning: FORMAT_ERROR: 2 CAMs are not published" in ended.err
    expected = [
        slots(a, b, c, d, e, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, f, EMPTY, ids[6], ids[7]),
        slots(a, b, c, d),
        slots(*ids[: len(SLOTS)]),
    ]
    assert listed(done) == expected
    assert sorted(done.query(f"SELECT {CELLS} FROM AIM.AIMData")) == sorted(expected)
    assert done.status["progress"] == {"attempted": 5, "succeeded": 3, "failed": 2}
    assert done.status["report"]["usage"]["prompt_token_count"] == 20
    for file in done.file("output").glob(f"*_{done.status['run_id']}.csv"):
        text = file.read_text("utf-8")
        assert not [junk for junk in ("Error", unknown, ".0") if junk in text]


def test_a_service_that_refuses_every_batch_leaves_all_tables_and_its_requests_are_counted(done):
    before = done.tables()
    with serving() as server:
        server.meet_with(*["400"] * 4)
        ended = done.run("--stage=4", "--stage=5", AIM_WAVES_URL=server.url, AIM_BATCH_SIZE="20")
        assert len(server.received) == 4
    assert ended.code == 1
    assert done.tables() == before
    assert done.stages == [(4, "failed", 0)]
    status = done.status
    assert status["state"] == "failed"
    for part in ("published nothing", "a ratio of 0.0", "BATCH_FAILED: 40"):
        assert part in status["error_summary"]
    assert status["progress"] == {"attempted": 40, "succeeded": 0, "failed": 40}
    assert status["report"] == done.json(COST_REPORT)
    assert done.manifest["http_requests"] == [
        {"method": "POST", "path": "/api/recommendations/batch", "status": 400, "count": 4}
    ]


def test_the_service_is_asked_for_each_cam_once_in_order_of_rank(done):
    """Blank rows break no batch, and what stands there twice is not paid twice."""
    first, second, third = cams = done.published_cams()[:3]
    rows = [
        ("30", *third),
        ("", "", ""),
        ("9", *second),
        ("4", "nan", first[1]),
        ("10", second[0].lower(), second[1].replace(" ", "")),
        ("8", *first),
        ("unranked", *first),
        ("5", first[0], " null "),
    ]
    done.give(RUNLIST, "PriorityRank,Vehicle,Size\n" + "".join(f"{','.join(row)}\n" for row in rows))
    ids = scored_ids(done)
    with serving() as server:
        server.meet_with(
            Fault(content=content(*(answer(cam, ids, ids[4:]) for cam in cams[:2]))),
            Fault(content=content(answer(third, ids, ids[4:]))),
        )
        ended = done.stage(4, AIM_WAVES_URL=server.url, AIM_BATCH_SIZE="2", AIM_PARALLEL_BATCHES="1")
        asked = [json.loads(request.body)["cams"] for request in server.received]
    assert ended.code == 0, ended.err
    wanted = [{"Vehicle": vehicle, "Size": size} for vehicle, size in cams]
    assert asked == [wanted[:2], wanted[2:]]
    assert done.published_cams() == cams
    assert "8 rows read, 3 dropped, 2 duplicate, 0 cut, 3 CAMs to do" in ended.out


def test_a_list_has_24_slots_in_every_table_and_file(done):
    """A service that fills all slots with products that the catalogue and the scores know."""
    cams = done.published_cams()[:1]
    done.give_runlist(cams)
    known = [str(sku) for (sku,) in done.query(
        'SELECT SKU FROM Reference_Tables."Product_catalogue" WHERE TRIM(Brand) != \'\''
        " AND SKU IN (SELECT ProductId FROM nexus_tyrescore.TyreScore_algorithm_output) ORDER BY 1 LIMIT 24"
    )]  # fmt: skip
    assert len(known) == len(HOTBOXES) + len(LIST_SLOTS) == 24
    with serving() as server:
        server.meet_with(Fault(content=content(answer(cams[0], known, known[4:]))))
        ended = done.run(*(f"--stage={number}" for number in range(4, 9)), AIM_WAVES_URL=server.url)
    assert ended.code == 0, ended.err
    assert listed(done) == [tuple(known)]
    numbered = [f'"SKU{place}"' for place in range(1, 25)]
    moment = "last_modified = (SELECT MAX(last_modified) FROM CAM_files.CAM_SKU)"
    stored = done.query(f"SELECT {', '.join(numbered)} FROM CAM_files.CAM_SKU WHERE {moment}")
    assert tuple(known) in stored
    one_based = ", ".join(["SKU", *numbered[1:]])
    assert done.query(f'SELECT {one_based} FROM AIM."AIM-override-file"') == [tuple(known)]
    [described] = done.query(f'SELECT {one_based} FROM AIM."aim-analysis-table"')
    assert [text.rsplit("-", 1)[-1] for text in described] == known
    tokens = done.query('SELECT token_position, sku FROM AIM."aim_token_fact" ORDER BY 1')
    assert tokens == [(place, int(sku)) for place, sku in enumerate(known, start=1)]
    [(distinct,)] = done.query('SELECT DISTINCT distinct_sku_count FROM AIM."aim_token_fact"')
    assert distinct == 24
    shown = done.query('SELECT DISTINCT product_id FROM AIM."AIM-override-file-size" ORDER BY 1')
    assert [str(product) for (product,) in shown] == known


def test_a_runlist_in_other_letters_gets_the_lists_of_the_same_vehicles(done):
    """The vehicle filter compares keys: case, blanks and hyphens make no other vehicle."""
    before = listed(done)
    spellings = cycle([str.lower, str.title, lambda text: text.replace(" ", "-"), lambda text: f" {text}  "])
    cams = zip(spellings, done.published_cams(), strict=False)
    done.give_runlist((spell(vehicle), size) for spell, (vehicle, size) in cams)
    assert done.stage(4).code == 0
    assert listed(done) == before
    # What a vehicle bought counts: others get other lists for the same sizes.
    strangers = [(f"stranger {place}", size) for place, (_, size) in enumerate(done.published_cams())]
    done.give_runlist(strangers)
    assert done.stage(4).code == 0
    assert listed(done) != before


def test_the_status_tells_after_every_batch_how_far_the_run_is(done, monkeypatch):
    told: list[tuple[str, dict[str, int]]] = []
    progress = JobBook.progress

    def read_after(book: JobBook, attempted: int, succeeded: int, line: str | None = None) -> None:
        progress(book, attempted, succeeded, line)
        told.append((done.status["last_log_line"], done.status["progress"]))

    monkeypatch.setattr(JobBook, "progress", read_after)
    cams = done.published_cams()[:5]
    done.give_runlist([*cams[:2], ("FORD FOCUS", "999/99 R99"), *cams[2:]])
    assert done.stage(4, AIM_BATCH_SIZE="2", AIM_PARALLEL_BATCHES="1").code == 0
    counts = [(2, 2), (4, 3), (6, 5), (6, 5), (6, 5)]
    lines = [f"Processing batch {batch}" for batch in ("1/3", "2/3", "3/3", "1/1", "1/1")]
    assert told == [
        (line, {"attempted": attempted, "succeeded": good, "failed": attempted - good})
        for line, (attempted, good) in zip(lines, counts, strict=True)
    ]


def test_the_heartbeat_goes_on_while_a_stage_works(root, monkeypatch):
    alive: list[str] = []

    def look(run: Run) -> Outcome:
        alive.extend(thread.name for thread in threading.enumerate() if run.run_id in thread.name)
        return Outcome(0)

    monkeypatch.setitem(STAGES, 2, Stage(STAGES[2].name, look))
    assert root.stage(2).code == 0
    assert alive == [f"heartbeat of {root.status['run_id']}"]
    assert not [thread for thread in threading.enumerate() if thread.name in alive]


def test_a_setting_that_is_not_allowed_does_not_stop_an_import():
    """Settings are read when a run starts; a schedule, a sensor or `--help` needs none of them."""
    wrong = {variable.name: "?" for variable in VARIABLES.values()}
    ended = subprocess.run(
        [sys.executable, "-c", "import assets.aim.assets, jobs.aim, sensors.aim, scripts.aim_job"],
        cwd=REPOSITORY,
        env={**os.environ, **wrong},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr

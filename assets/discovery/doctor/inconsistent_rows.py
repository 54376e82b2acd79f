"""Rows that do not fit the jobs file, or each other: stages, results, and the view over them."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from assets.discovery.doctor.case import Case
from assets.discovery.doctor.findings import Finding, found, to_fix
from assets.discovery.doctor.wording import counted
from assets.discovery.ledger import results
from assets.discovery.ledger.plans import StagePlan

# Rows are unique by item and stage, so what is missing is a difference of counts; a look for each row of each
# item takes ten times as long.
_LIVE_ITEMS: Final = (
    "SELECT job_id, count(*) FROM work_items WHERE gone_at IS NULL AND cancelled_at IS NULL GROUP BY job_id"
)
_LIVE_ROWS: Final = (
    "SELECT job_id, stage, sum(n) FROM ("
    "SELECT job_id, stage, count(*) AS n FROM item_stages GROUP BY job_id, stage UNION ALL "
    "SELECT s.job_id, s.stage, -count(*) FROM work_items AS w CROSS JOIN item_stages AS s "
    "ON s.item_id = w.id WHERE w.gone_at IS NOT NULL OR w.cancelled_at IS NOT NULL GROUP BY 1, 2) "
    "GROUP BY job_id, stage"
)
# Rows without any result are few and found by index alone; from the other side it takes five times as long.
_OUT_OF_ORDER: Final = (
    "WITH p (job, stage, need) AS MATERIALIZED (SELECT json_extract(value, '$[0]'), "
    "json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(?)), "
    "bare AS MATERIALIZED (SELECT item_id, job_id, stage FROM item_stages AS n "
    "WHERE status NOT IN ('skipped', 'cancelled') AND NOT EXISTS "
    "(SELECT 1 FROM results AS r WHERE r.item_id = n.item_id AND r.stage = n.stage)) "
    "SELECT s.job_id, s.stage, bare.stage, count(*), min(s.item_id) FROM bare "
    "JOIN p ON p.job = bare.job_id AND p.need = bare.stage "
    "JOIN item_stages AS s ON s.item_id = bare.item_id AND s.stage = p.stage AND s.status = 'done' "
    "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
)
_RECOUNT: Final = (
    "SELECT d.job_id, count(*), min(d.item_id) FROM item_derived_status AS d LEFT JOIN "
    "(SELECT item_id, CASE WHEN sum(status = 'failed') THEN 'failed' "
    "WHEN sum(status IN ('done', 'skipped')) = count(*) THEN 'done' "
    "WHEN sum(status IN ('done', 'skipped', 'cancelled')) = count(*) THEN 'cancelled' "
    "WHEN sum(status = 'in_progress') THEN 'in_progress' ELSE 'pending' END AS status "
    "FROM item_stages GROUP BY item_id) AS r ON r.item_id = d.item_id "
    "WHERE d.derived_status IS NOT coalesce(r.status, 'pending') GROUP BY d.job_id ORDER BY d.job_id"
)
# In the order of the tables. By job, as `staleness.count_stale` reads them, it takes three times as long.
_BY_ITEM: Final = (
    "SELECT s.item_id, s.job_id, s.stage, s.status, s.input_hash, s.output_hash, s.handler_version, "
    "w.content_hash FROM work_items AS w CROSS JOIN item_stages AS s ON s.item_id = w.id"
)


class _Stage(NamedTuple):
    item_id: int
    job: str
    stage: str
    status: str
    input_hash: str | None
    output_hash: str | None
    version: str | None
    content_hash: str


def missing_stage_rows(case: Case) -> Iterator[Finding]:
    """Live items without a row for a stage of today's jobs file: they would never pass it."""
    live = dict(case.rows(_LIVE_ITEMS))
    present = {(job, stage): n for job, stage, n in case.rows(_LIVE_ROWS)}
    for job in case.jobs:
        items = live.get(job.name, 0)
        missing = {stage.name: items - present.get((job.name, stage.name), 0) for stage in job.plan.stages}
        missing = {stage: n for stage, n in missing.items() if n}
        if missing:
            ((key,),) = case.rows(
                "SELECT key FROM work_items AS w WHERE job_id = ? AND gone_at IS NULL "
                "AND cancelled_at IS NULL AND NOT EXISTS "
                "(SELECT 1 FROM item_stages AS s WHERE s.item_id = w.id AND s.stage = ?) ORDER BY id LIMIT 1",
                job.name,
                next(iter(missing)),
            )
            yield to_fix(
                "missing_stage_rows",
                job.name,
                f"Items of {job.name} have no row for a stage of the jobs file: {_told(Counter(missing))}; "
                f"the first is {key}.",
            )


def orphan_stage(case: Case) -> Iterator[Finding]:
    """Rows that wait or failed in stages that the jobs file no longer has."""
    plans = case.plans
    rows = case.rows(
        "SELECT job_id, stage, count(*), min(item_id) FROM item_stages "
        "WHERE status IN ('pending', 'failed') GROUP BY job_id, stage ORDER BY job_id, stage"
    )
    orphans = [row for row in rows if row[0] in plans and plans[row[0]].stage(row[1]) is None]
    for job, group in groupby(orphans, lambda row: row[0]):
        removed = list(group)
        stages = ", ".join(f"{stage} ({n:,})" for _, stage, n, _ in removed)
        yield to_fix(
            "orphan_stage",
            job,
            f"Items of {job} wait or failed in stages that the jobs file no longer has: {stages}; "
            f"the first is {case.key_of(removed[0][3])}.",
        )


def stage_order(case: Case) -> Iterator[Finding]:
    """Stages that are done although one that they need never had a result, and was not skipped."""
    needs = [
        [job.name, stage.name, need] for job in case.jobs for stage in job.plan.stages for need in stage.needs
    ]
    for job, stage, need, n, item_id in case.rows(_OUT_OF_ORDER, json.dumps(needs)):
        yield found(
            "stage_order",
            job,
            f"Stage {stage} of {counted(n, 'item')} of {job} is done although {need}, which it needs, "
            f"never had a result, for example of {case.key_of(item_id)}.",
            f"inv jobs.show -j {job} -k {item_id}",
        )


def done_without_result(case: Case) -> Iterator[Finding]:
    """Done stages whose result is not there: no row of their revision, or the file of the payload is lost."""
    rows = case.rows(
        "SELECT s.job_id, s.stage, count(*), min(s.item_id) FROM item_stages AS s WHERE s.status = 'done' "
        "AND NOT EXISTS (SELECT 1 FROM results AS r WHERE r.item_id = s.item_id AND r.stage = s.stage "
        "AND r.revision = s.revision) GROUP BY s.job_id, s.stage ORDER BY s.job_id, s.stage"
    )
    for job, stage, n, item_id in rows:
        yield found(
            "done_without_result",
            job,
            f"Stage {stage} of {counted(n, 'item')} of {job} is done without a result, "
            f"for example of {case.key_of(item_id)}.",
            f"inv jobs.reprocess -j {job} --stage {stage}",
        )
    yield from _lost_files(case)


def _lost_files(case: Case) -> Iterator[Finding]:
    is_stored = case.surroundings.is_stored
    if is_stored is None:
        return
    rows = case.rows(
        "SELECT job_id, stage, item_id, blob_path FROM results "
        "WHERE blob_path IS NOT NULL AND superseded_at IS NULL ORDER BY job_id, stage, item_id"
    )
    lost = [row for row in rows if not is_stored(row[3])]
    for (job, stage), group in groupby(lost, lambda row: (row[0], row[1])):
        files = list(group)
        item_id = files[0][2]
        yield found(
            "done_without_result",
            job,
            f"The files of {counted(len(files), 'result')} of stage {stage} of {job} are gone, "
            f"for example {files[0][3]} of {case.key_of(item_id)}.",
            f"inv jobs.retry -j {job} -k {item_id}",
        )


def stale_results(case: Case) -> Iterator[Finding]:
    """Done stages of another handler version, or from other inputs, than today's.

    Those without a result are `done_without_result`.
    """
    # The versions of handlers that cannot be imported are unknown.
    plans = {
        job.name: {stage.name: stage for stage in job.plan.stages} for job in case.jobs if not job.faults
    }
    stages: defaultdict[str, Counter[str]] = defaultdict(Counter)
    reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
    items = Counter[str]()
    rows = map(_Stage._make, case.connection.execute(_BY_ITEM))
    for _, group in groupby(rows, lambda row: row.item_id):
        item = list(group)
        job = item[0].job
        stale = list(_stale(item, plans.get(job, {})))
        items[job] += bool(stale)
        stages[job].update(stage for stage, _ in stale)
        reasons[job].update(reason for _, reason in stale)
    for job, n in sorted((+items).items()):
        yield found(
            "stale_results",
            job,
            f"Results of {counted(n, 'item')} of {job} are stale "
            f"(stages: {_told(stages[job])}; reasons: {_told(reasons[job])}).",
            f"inv jobs.reprocess -j {job}",
        )


def _stale(item: Sequence[_Stage], plans: Mapping[str, StagePlan]) -> Iterator[tuple[str, str]]:
    """The stale stages of an item, each with the reason."""
    outputs = {row.stage: row.output_hash for row in item}
    for row in item:
        today = plans.get(row.stage)
        if today is None or row.status != "done":
            continue
        if row.version != today.handler_version:
            yield row.stage, "version"
        elif row.input_hash != results.input_hash(row.content_hash, today.needs, outputs):
            yield row.stage, "input"


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in sorted(counts.items()))


def view_mismatch(case: Case) -> Iterator[Finding]:
    """Items whose status in the view is not what a recount of their stages says."""
    if not case.rows("SELECT 1 FROM sqlite_master WHERE type = 'view' AND name = 'item_derived_status'"):
        evidence = "The view item_derived_status is missing, so no item has a status."
        script = "assets/discovery/ledger/sql/version_1.sql"  # of it, only what is missing is made
        yield found("view_mismatch", None, evidence, f"sqlite3 '{case.surroundings.ledger}' '.read {script}'")
        return
    for job, n, item_id in case.rows(_RECOUNT):
        yield found(
            "view_mismatch",
            job,
            f"The status of {counted(n, 'item')} of {job} is not what a recount of their stages says, "
            f"for example of {case.key_of(item_id)}; the view item_derived_status was changed.",
            f"inv jobs.show -j {job} -k {item_id}",
        )

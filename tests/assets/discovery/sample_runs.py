"""A job on its samples, offline: its strategy as the engine asks it, and its stages one after the other."""

from importlib import import_module
from typing import Any

from assets.discovery.contract import Skip
from assets.discovery.job_model import Job
from assets.discovery.strategies.registry import strategy_class
from assets.discovery.urls import canonical_url
from resources.http.online import Online
from resources.http.replay import Replay
from tests.assets.discovery.handlers.works import a_work
from tests.assets.discovery.strategies.source_worlds import Source

NOON_OF_APRIL = 1_775_044_800_000  # 2026-04-01T12:00:00Z, when every sample is a thing of the past


def job_source(job: Job, *, store: Any = None, **strategy: Any) -> Source:
    """What the job looks at; without a recording only files of this machine are there."""
    params = job.discovery_params({})
    web = Replay(job.replay_folder, canonical_url) if job.replay_folder else Online(None)
    made = strategy_class(job.discovery.strategy)(
        key_field=job.discovery.key_field, drop_params=params.get("drop_params", ()), **strategy
    )
    return Source(
        made,
        params,
        timezone=job.timezone,
        http=web,
        store=store,
        now=NOON_OF_APRIL,
        stop_when_seen=job.discovery.stop_when_seen,
    )


def worked_through(job: Job, source: Source) -> dict[str, dict[str, Any]]:
    """What every stage returns for every item that is found, by key and stage."""
    found: dict[str, dict[str, Any]] = {}
    for candidate in source.read().candidates:
        payloads: dict[str, Any] = {}
        for stage in job.chain:
            given = {need: payloads[need] for need in stage.needs if not isinstance(payloads[need], Skip)}
            payloads[stage.name] = import_module(stage.handler).handle(
                a_work(
                    key=candidate.key,
                    data=candidate.data,
                    url=candidate.url,
                    title=candidate.title,
                    stage=stage.name,
                    params=stage.params,
                    inputs=given,
                    http=source.http,
                )
            )
        found.setdefault(str(candidate.key), payloads)
    return found

"""What must hold between jobs and between the stages of a job.

The rules look at the file as it is written, not at finished objects: a mistake in one key must not hide that
a name is used twice. What has the wrong shape is left to the model, which says so itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from assets.discovery.config_problems import Problem, unknown_word
from assets.discovery.yaml_text import Path


def broken_rules(document: Any) -> Iterator[Problem]:
    """Every mistake between jobs, and between the stages of each."""
    jobs = _objects(_get(document, "jobs"))
    yield from _used_twice(jobs, ("jobs",), "job")
    for index, job in jobs:
        path: Path = ("jobs", index)
        yield from _one_of_handler_and_stages(job, path)
        stages = _objects(_get(job, "stages"))
        yield from _used_twice(stages, (*path, "stages"), "stage")
        yield from _broken_needs(stages, (*path, "stages"))
    yield from _broken_upstreams(jobs)


def _one_of_handler_and_stages(job: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    if job.get("handler") and job.get("stages"):
        yield Problem(path, "it has both handler and stages; keep one of them")
    elif not job.get("handler") and not job.get("stages"):
        yield Problem(path, "it has neither handler nor stages, so nothing would be done with what it finds")


def _used_twice(objects: Sequence[tuple[int, Mapping[str, Any]]], path: Path, kind: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, entry in objects:
        name = entry.get("name")
        if isinstance(name, str) and name in seen:
            yield Problem(
                (*path, index, "name"), f"there is another {kind} named {name!r}; names are used once"
            )
        elif isinstance(name, str):
            seen.add(name)


def _broken_needs(stages: Sequence[tuple[int, Mapping[str, Any]]], path: Path) -> Iterator[Problem]:
    """Stages that need one that is not there, or each other; without `needs` a stage needs the one before."""
    names = [stage.get("name") for _, stage in stages]
    needs: dict[str, list[str]] = {}
    for position, (index, stage) in enumerate(stages):
        before = names[position - 1 : position] if position else []
        needed = stage.get("needs")
        wanted = _texts([name for name in before if name != names[position]] if needed is None else needed)
        for place, name in enumerate(wanted):
            if name not in names:
                known = [n for n in _texts(names) if n != names[position]]
                yield Problem((*path, index, "needs", place), unknown_word(name, "stage", known))
        if isinstance(names[position], str):
            needs.setdefault(str(names[position]), []).extend(name for name in wanted if name in names)
    yield from _cycle(needs, path, "the stages need each other in a circle")


def _broken_upstreams(jobs: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Problem]:
    """Jobs that read results of a job or stage that is not there, or of each other."""
    stages = {str(job.get("name")): list(_stage_names(job)) for _, job in jobs}
    upstreams: dict[str, list[str]] = {}
    for index, job in jobs:
        discovery = _get(job, "discovery")
        if _get(discovery, "strategy") != "upstream_results":
            continue
        path: Path = ("jobs", index, "discovery", "params")
        upstream, stage = (_get(_get(discovery, "params"), key) for key in ("job", "stage"))
        if not isinstance(upstream, str) or not isinstance(stage, str):
            continue
        if upstream not in stages:
            yield Problem((*path, "job"), unknown_word(upstream, "job", stages))
            continue
        if stage not in stages[upstream]:
            yield Problem(
                (*path, "stage"), unknown_word(stage, f"stage of job {upstream!r}", stages[upstream])
            )
        upstreams.setdefault(str(job.get("name")), []).append(upstream)
    yield from _cycle(upstreams, ("jobs",), "jobs read each other's results in a circle (upstream_results)")


def handlers_named(document: Any) -> dict[str, list[str]]:
    """The handlers that a file names, as they are written, and by which stages; also if it has mistakes.

    What cannot be the name of a module is left out: the model says so itself.
    """
    users: dict[str, list[str]] = {}
    for _, job in _objects(_get(document, "jobs")):
        stages = [stage for _, stage in _objects(job.get("stages"))]
        for part in (job, *stages):
            handler = part.get("handler")
            if isinstance(handler, str) and all(word.isidentifier() for word in handler.split(".")):
                stage = handler.rpartition(".")[2] if part is job else part.get("name")
                users.setdefault(handler, []).append(f"{job.get('name')}.{stage}")
    return users


def _stage_names(job: Mapping[str, Any]) -> Iterator[str]:
    handler = job.get("handler")
    if isinstance(handler, str):
        yield handler.rpartition(".")[2]
    yield from _texts([stage.get("name") for _, stage in _objects(job.get("stages"))])


def _cycle(edges: Mapping[str, Iterable[str]], path: Path, rule: str) -> Iterator[Problem]:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        yield Problem(path, f"{rule}: {' → '.join(reversed(error.args[1]))}")


def _objects(value: Any) -> list[tuple[int, Mapping[str, Any]]]:
    """The objects of a list, with their positions."""
    entries = value if isinstance(value, list | tuple) else ()
    return [(index, entry) for index, entry in enumerate(entries) if isinstance(entry, Mapping)]


def _texts(value: Any) -> list[str]:
    entries = value if isinstance(value, list | tuple) else ()
    return [entry for entry in entries if isinstance(entry, str)]


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None

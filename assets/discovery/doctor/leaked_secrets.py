"""Credentials that got into the ledger. What is found is never shown: only where, how often, and whose."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from assets.discovery.credentials import CREDENTIAL_NAMES, shown, written_forms
from assets.discovery.doctor.case import Case, StandingJob
from assets.discovery.doctor.findings import Finding, Severity, found
from assets.discovery.doctor.wording import counted

SHORTEST_SECRET: Final = 6
"""Shorter values (`yes`, `1`) would be found in every other row."""
_REFERENCE: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class _Place:
    """A column whose text may hold a secret."""

    table: str
    column: str
    noun: str
    parameters: bool = True
    """Whether credentials in links are looked for: the links of items are the source's own."""


_PLACES: Final = (
    _Place("events", "payload_json", "event"),
    _Place("attempts", "error_text", "error"),
    _Place("item_stages", "error_text", "error"),
    _Place("discoveries", "error_text", "error"),
    _Place("results", "payload_json", "result"),
    _Place("job_state", "config_json", "configuration"),
    _Place("job_state", "cursor_json", "cursor"),
    _Place("job_state", "validators_json", "cursor"),
    _Place("work_items", "url", "item", parameters=False),
    _Place("work_items", "data_json", "item", parameters=False),
)
_PARAMETER: Final = " OR ".join(f"{{column}} LIKE '%{name}=%'" for name in sorted(CREDENTIAL_NAMES))


def secrets_of(jobs: Iterable[StandingJob], environment: Mapping[str, str]) -> dict[str, str]:
    """The values of the environment variables that the jobs refer to, by name."""
    names: set[str] = set()
    for job in jobs:
        names.update(_REFERENCE.findall(json.dumps(job.job.model_dump(mode="json"), ensure_ascii=False)))
    values = {name: environment.get(name, "").strip() for name in sorted(names)}
    return {name: value for name, value in values.items() if len(value) >= SHORTEST_SECRET}


def secret_in_events(case: Case) -> Iterator[Finding]:
    """Values of `env:NAME`, and credentials in links, in events, errors, results and configurations.

    A result may be a page that somebody else wrote, with links of its own: credentials in those only inform.
    """
    secrets = secrets_of(case.jobs, case.surroundings.environment)
    forms = {name: written_forms(value) for name, value in secrets.items()}
    values: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    links: defaultdict[tuple[str, Severity], Counter[str]] = defaultdict(Counter)
    for place in _PLACES:
        for job, text in _suspects(case, place, [form for each in forms.values() for form in each]):
            for name, each in forms.items():
                if any(form in text for form in each):
                    values[job, name][place.noun] += 1
            if place.parameters and shown(text) != text:
                links[job, "info" if place.noun == "result" else "error"][place.noun] += 1
    for (job, name), nouns in sorted(values.items()):
        evidence = f"The value of env:{name} stands in {_places(nouns)} of {job}; replace it at its provider."
        yield found("secret_in_events", job, evidence, f"inv jobs.events -j {job}")
    for (job, severity), nouns in sorted(links.items()):
        evidence = f"Links with credentials stand in {_places(nouns)} of {job}."
        yield found("secret_in_events", job, evidence, f"inv jobs.events -j {job}", severity)


def _suspects(case: Case, place: _Place, forms: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The rows that may hold a secret, each with its job: SQLite looks through a million in a second."""
    conditions = [f"instr({place.column}, ?)"] * len(forms)
    if place.parameters:
        conditions.append(
            f"(instr({place.column}, '=') AND ({_PARAMETER.format(column=place.column)} "
            f"OR {place.column} LIKE '%://%@%'))"
        )
    if conditions:
        query = f"SELECT job_id, {place.column} FROM {place.table} WHERE {' OR '.join(conditions)}"  # noqa: S608 - names are constants
        yield from case.connection.execute(query, forms)


def _places(nouns: Counter[str]) -> str:
    return " and ".join(counted(n, noun) for noun, n in sorted(nouns.items()))

"""Findings as people and programs read them. What is secret in the environment is in neither."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from jobs.run_failures import without_secrets
from scripts.doctor.findings import Finding
from scripts.terminal.layout import plain, remark, table

_STYLES: Final = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def document(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """What `--json` prints."""
    return [asdict(finding) for finding in findings]


def without_what_is_secret(finding: Finding) -> Finding:
    """A finding as it may be shown."""
    shown = (without_secrets(text, os.environ) for text in (finding.matter, finding.found, finding.remedy))
    return Finding(finding.state, *shown)


def view(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    """A line for each finding, and how many there are."""
    made = table(("state", "matter", "found", "what to do"), ())
    for finding in findings:
        state = Text(finding.state, style=_STYLES[finding.state])
        made.add_row(state, *(Text(plain(text)) for text in (finding.matter, finding.found, finding.remedy)))
    yield made
    number = Counter(finding.state for finding in findings)
    yield remark(f"ok: {number['ok']}, warnings: {number['warning']}, problems: {number['problem']}")

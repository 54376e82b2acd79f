"""doctor, migrate, export, report."""

from collections.abc import Iterator

from rich.console import RenderableType

from scripts.discovery_cli.verbs.upkeep import Exported, Findings, Migrated, Reported
from scripts.terminal.answers import Answer
from scripts.terminal.layout import counts, sentence


def doctor(answer: Answer[Findings]) -> Iterator[RenderableType]:
    """Each finding with what a person would type next."""
    findings = answer.document["findings"]
    for finding in findings:
        place = f" ({finding['job']})" if finding["job"] else ""
        fixable = ", --fix puts it right" if finding["fixable"] else ""
        yield sentence(f"{finding['severity']}: {finding['id']}{place}{fixable}")
        yield sentence(f"  {finding['evidence']}")
        yield sentence(f"  $ {finding['command']}")
    if not findings:
        yield sentence("Nothing to report.")


def migrate(answer: Answer[Migrated]) -> Iterator[RenderableType]:
    """The version, and whether it is new."""
    applied = ", ".join(map(str, answer.document["applied"]))
    done = f"applied now: {applied}" if applied else "nothing to do"
    yield sentence(f"The ledger has schema version {answer.document['version']}; {done}.")


def export(answer: Answer[Exported]) -> Iterator[RenderableType]:
    """The file, what is in it, and what was removed."""
    document = answer.document
    yield sentence(f"{document['path']}: {counts(document['lines'])}")
    if document["pruned"]:
        yield sentence(f"{document['pruned']:,} old events were removed from the ledger.")


def report(answer: Answer[Reported]) -> Iterator[RenderableType]:
    """The file."""
    yield sentence(answer.document["path"])

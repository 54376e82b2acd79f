"""An installation of beams in a folder of a test: scan root, output root, registry, and runs on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assets.beams.registry.claiming import Run
from assets.beams.registry.rows import Beam, Case, beams_of, find_case
from assets.beams.settings import BeamSettings, settings_of
from assets.beams.stages.case_manifest import MadeManifest, make_manifest
from assets.beams.stages.site import Site
from resources.ledger import Ledger

LATER = datetime(2026, 4, 1, tzinfo=UTC)
"""When every window is closed."""


@dataclass
class Installation:
    """A home folder with everything in it."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    now: datetime = LATER
    lines: list[str] = field(default_factory=list)
    """What was logged."""

    @property
    def settings(self) -> BeamSettings:
        return settings_of(self.environ, self.home)

    @property
    def room(self) -> Path:
        """The room folder `G2` of the scan root."""
        folder = self.settings.scan_root / "G2"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def ledger(self) -> Ledger:
        return Ledger(folder=str(self.home / "ledger"))

    def site(self, run: str = "r1", attempt: int | None = None, active: tuple[str, ...] = ()) -> Site:
        """What a step of a run has; without an attempt a person launched it."""
        return Site(
            self.settings,
            self.ledger,
            Run(run, attempt, frozenset(active)),
            lambda: self.now,
            self.lines.append,
        )

    def output(self, case: str = "QA0001") -> Path:
        return self.settings.output_root / "G2" / case

    def manifest(self, case: str = "QA0001", run: str = "m1") -> MadeManifest:
        return make_manifest(self.site(run), case)

    def case(self, case: str = "QA0001") -> Case | None:
        with self.site().registry() as connection:
            return find_case(connection, case)

    def beams(self, case: str = "QA0001") -> list[Beam]:
        with self.site().registry() as connection:
            return beams_of(connection, case)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.site().registry() as connection:
            return connection.execute(query, values).fetchall()


def csvs_of(output: Path) -> Mapping[str, bytes]:
    """The CSVs of a case, by `<beam folder>/<name>`."""
    log = output / "Log_csv" / "log"
    return {str(path.relative_to(log)): path.read_bytes() for path in sorted(log.rglob("*.csv"))}

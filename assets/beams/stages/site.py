"""Where a step works: settings, registry, clock, and the run that it is part of."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from assets.beams.draining import stop_requested
from assets.beams.registry import rows, schema
from assets.beams.registry.claiming import Run
from assets.beams.settings import BeamSettings
from resources.ledger import Ledger

LEDGER: Final = "beams"


@dataclass(frozen=True, slots=True)
class Site:
    """What every step of a run has in common."""

    settings: BeamSettings
    ledger: Ledger
    run: Run
    clock: Callable[[], datetime]
    log: Callable[[str], None]

    def open_registry(self) -> sqlite3.Connection:
        """A new connection to the registry, brought up to date; the caller closes it."""
        connection = self.ledger.open_db(LEDGER)
        try:
            schema.migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def registry(self) -> Iterator[sqlite3.Connection]:
        """The registry, for as long as the block lasts."""
        with closing(self.open_registry()) as connection:
            yield connection

    @property
    def work_folder(self) -> Path:
        """Where runs of this installation work, and where the watcher leaves word for them."""
        return Path(self.ledger.folder).parent / "work" / "beams"

    def stop_requested(self) -> Literal["drain", "detach"] | None:
        """What the watcher asks of runs: to begin no simulation any more, or to let go of theirs."""
        return stop_requested(self.work_folder, self.clock())

    def room_of(self, case_key: str) -> str | None:
        """The room folder of a case; None where it has none, or is not registered."""
        with self.registry() as connection:
            case = rows.find_case(connection, case_key)
        return None if case is None else case.room

    def output_of(self, case_key: str, room: str | None) -> Path:
        """The folder of a case under the output root; it has a room level where the input has one."""
        return self.settings.output_root / (room or "") / case_key

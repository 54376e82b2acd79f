"""A merge of two promotions whose process is killed: `python -m tests.assets.dwh.killed_merge FILE STEP`.

STEP is `load`, or the name of the SQL file after whose statement the process ends.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from assets.dwh.stages.promotion_table import PromotionTable
from resources.warehouse import DuckDBWarehouse
from tests.assets.dwh.promotion_loads import NOON, table_rows


class KilledWarehouse(DuckDBWarehouse):
    step: str

    def _load(self, table: str, frames: Any, schema: Any, replace: bool) -> None:
        super()._load(table, frames, schema, replace)
        self._reach("load")

    def _run(self, statement: Any, values: Any) -> int:
        changed = super()._run(statement, values)
        self._reach(Path(statement.path).stem)
        return changed

    def _reach(self, step: str) -> None:
        if step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    path, step = sys.argv[1:]
    rows = table_rows(
        {"promotionid": "p", "promotioncode": "new", "eventupdtime": NOON},
        {"promotionid": "r", "promotioncode": "new", "eventupdtime": NOON},
    )
    PromotionTable(KilledWarehouse(path=path, step=step)).merge(rows, NOON)

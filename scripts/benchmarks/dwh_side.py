"""One side of `dwh_filter`, in a process of its own, which prints what it came to as one line of JSON.

`python -m scripts.benchmarks.dwh_side SIDE HOME ROWS OUTPUTS`
"""

import signal
import sys
from pathlib import Path

from scripts.benchmarks.dwh_inputs import Inputs
from scripts.benchmarks.dwh_ours import run_ours
from scripts.benchmarks.dwh_predecessor import run_predecessor

PREDECESSOR = "predecessor"

if __name__ == "__main__":
    # Whoever ends this process ends the engine that it started as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    side, home, rows, outputs = sys.argv[1:]
    inputs = Inputs(int(rows), int(outputs))
    run = run_predecessor(Path(home), inputs) if side == PREDECESSOR else run_ours(Path(home), side)
    print(run.to_json())

#!/usr/bin/env python3
"""Tyre recommendations from feeds to published tables: `python aim-job/main.py --help`.

The path is part of the contract with those who schedule the job; what it does is `scripts.aim_job`.
"""

import sys
from pathlib import Path

# The packages lie beside this folder, wherever the job was started from.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.aim_job import main

if __name__ == "__main__":
    sys.exit(main())

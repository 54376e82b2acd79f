"""Runs a job of dwh on Amazon EMR: `--module_name NAME`, or `--list`; see `scripts.dwh_entry`."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # In the repository the code lies two folders above; to a platform it was sent along, and is found.
    code = Path(globals().get("__file__", ".")).resolve().parent.parent.parent
    if Path(code, "scripts", "dwh_entry.py").is_file():
        sys.path.insert(0, str(code))
    from scripts.dwh_entry import run_entry

    # Databricks takes any exit for a failure.
    if status := run_entry("emr", sys.argv, os.environ):
        sys.exit(status)

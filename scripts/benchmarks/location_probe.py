"""Run in a fresh interpreter: load the code location of a folder, and print as JSON what that took.

`python -P location_probe.py FOLDER`: the folder has a `definitions.py`. The seconds of `import dagster` and
of what comes after it are told apart, wall time and CPU time each.
"""

import json
import sys
import time


def main(folder: str) -> None:
    """Load and print."""
    began = _now()
    import dagster  # noqa: F401

    imported = _now()
    sys.path.insert(0, folder)
    import definitions

    definitions.defs.get_repository_def().load_all_definitions()
    loaded = _now()
    print(json.dumps({"dagster": _between(began, imported), "location": _between(imported, loaded)}))


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _between(one: tuple[float, float], other: tuple[float, float]) -> list[float]:
    return [after - before for before, after in zip(one, other, strict=True)]


if __name__ == "__main__":
    main(sys.argv[1])

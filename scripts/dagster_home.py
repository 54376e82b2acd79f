"""Where this machine's Dagster instance lives, for the command lines that start or use one.

What the instance is set to: `deploy/dagster.yaml`. Where everything else lies: `resources/home.py`.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from zipfile import Path as ZipPath

from resources.home import quintet_home
from scripts.whole_file import whole_file

ROOT = Path(__file__).resolve().parents[1]
# On a platform the code is a zip, from which Python imports as from a folder.
SHIPPED_SETTINGS = (ZipPath(ROOT) if ROOT.is_file() else ROOT) / "deploy" / "dagster.yaml"


def dagster_home(environ: Mapping[str, str], home: Path) -> Path:
    """The folder of the Dagster instance: `DAGSTER_HOME`, else `dagster` in this home of Quintet; absolute.

    Blank counts as unset. Nothing is made.
    """
    return Path(environ.get("DAGSTER_HOME", "").strip() or home / "dagster").expanduser().absolute()


def prepare_dagster_home(environ: Mapping[str, str]) -> Path:
    """Create the folder of the Dagster instance where it is missing, and return it as an absolute path.

    It gets the shipped `dagster.yaml` unless it has one: settings that somebody made are left alone. The
    caller hands the path to Dagster as `DAGSTER_HOME`, which Dagster wants absolute and existing.
    """
    home = dagster_home(environ, quintet_home(environ))
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        # Whole, for a process that starts at the same moment.
        with whole_file(settings) as copy:
            copy.write_bytes(SHIPPED_SETTINGS.read_bytes())
    return home


@contextmanager
def named_dagster_home(home: Path) -> Iterator[None]:
    """Name the folder of an instance in `DAGSTER_HOME` for the block: its settings refer to it by that."""
    before = os.environ.get("DAGSTER_HOME")
    os.environ["DAGSTER_HOME"] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ["DAGSTER_HOME"]
        else:
            os.environ["DAGSTER_HOME"] = before

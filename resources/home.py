"""Where Quintet keeps what it stores on this machine."""

import os
from collections.abc import Mapping
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[1]


def quintet_home(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that `QUINTET_HOME` names, else `.quintet` in the repository. Absolute; blank is unset."""
    named = environ.get("QUINTET_HOME", "").strip()
    return Path(named or _REPOSITORY / ".quintet").expanduser().absolute()

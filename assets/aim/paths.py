"""The one rule for paths: relative to their root, and never out of it.

It holds for every path given by configuration or code, on a disk and in a bucket. Not here: symbolic links,
which only the object store sees, and the `gs://` addresses of settings that take one (`setting_values`).
"""

import re
from collections.abc import Callable
from typing import Final

from assets.failures import PermanentFailure

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

# The first broken rule is the one that is named.
_RULES: Final[tuple[tuple[Callable[[str], bool], str], ...]] = (
    (lambda path: "\0" in path, "it holds a NUL"),
    (lambda path: "\\" in path, "it holds a backslash"),
    (lambda path: _URI.match(path) is not None, "it is a URI"),
    (lambda path: path.startswith("/"), "it is absolute"),
    (lambda path: ".." in path.split("/"), "it has a '..' component"),
    (lambda path: not "/".join(_components(path)).strip(), "it is empty"),
)


def relative_path(text: str) -> str:
    """The path in its normal form: forward slashes, no empty and no `.` component (`./a//b` is `a/b`).

    Raises:
        PermanentFailure: the path is empty, absolute, a URI, or holds `..`, a NUL or a backslash.
    """
    for is_broken, fault in _RULES:
        if is_broken(text):
            raise PermanentFailure(
                f"Path {text!r} is refused: {fault}; give one relative to its root, such as 'runlist/a.csv'"
            )
    return "/".join(_components(text))


def _components(path: str) -> list[str]:
    return [component for component in path.split("/") if component not in ("", ".")]

"""The one rule for paths: relative to their root, and never out of it.

It holds for every path given by configuration or code, on a disk and in a bucket. Not here: symbolic links, which
only the object store sees, and the `gs://` addresses of settings that take one (`setting_values`).
"""

import re
from typing import Final

from assets.failures import PermanentFailure

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def relative_path(text: str) -> str:
    """The path in its normal form: forward slashes, no empty and no `.` component (`./a//b` is `a/b`).

    Raises:
        PermanentFailure: the path is empty, absolute, a URI, or holds `..`, a NUL or a backslash.
    """
    components = [component for component in text.split("/") if component not in ("", ".")]
    if fault := _fault(text, components):
        raise PermanentFailure(
            f"Path {text!r} is refused: {fault}; give a path below its root, such as 'runlist/current.csv'"
        )
    return "/".join(components)


def _fault(text: str, components: list[str]) -> str | None:
    if "\0" in text:
        return "it holds a NUL"
    if "\\" in text:
        return "it holds a backslash"
    if _URI.match(text):
        return "it is a URI"
    if text.startswith("/"):
        return "it is absolute"
    if ".." in components:
        return "it has a '..' component"
    if not text.strip() or not components:
        return "it is empty"
    return None

"""Which paths and commands a compute host is given at all; refused ones never reach it.

Names are quoted wherever they go, so a blank, `;` or `$(x)` in one does no harm and is allowed.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def checked_folder(path: PurePosixPath) -> PurePosixPath:
    """Return an absolute path without anything that a command or a person could misread.

    Raises:
        ValueError: it is relative, or a part is `..`, begins with `-` or has a control character.
    """
    if path.root != "/":
        raise ValueError(
            f"The path {str(path)!r} on a compute host is not absolute; give one that begins with /."
        )
    for part in path.parts[1:]:
        if part == ".." or part.startswith("-") or any(unicodedata.category(sign) == "Cc" for sign in part):
            raise ValueError(
                f"The path {str(path)!r} on a compute host has the part {part!r}; a part may not be '..', "
                "begin with '-' or hold a control character."
            )
    return path


def inside(workdir: PurePosixPath, path: PurePosixPath) -> PurePosixPath:
    """Return a checked path below the work folder.

    Raises:
        ValueError: the path is not allowed, or lies elsewhere; the work folder itself does too.
    """
    if workdir not in checked_folder(path).parents:
        raise ValueError(
            f"The path {str(path)!r} is not below the work folder {str(workdir)!r} of the compute host; "
            "nothing outside of it is read or written."
        )
    return path


def command_line(argv: Sequence[str], environ: Mapping[str, str] | None) -> tuple[str, ...]:
    """Return the arguments that run a command with variables added to the host's own.

    Raises:
        ValueError: there is no command, its name would be taken for an option or a variable, an argument has
            a NUL, or a variable has a name that no shell can set.
    """
    if not argv or not argv[0] or argv[0].startswith("-") or "=" in argv[0]:
        raise ValueError(
            f"{list(argv[:1])!r} is no command; its name may not be empty, begin with '-' or hold '='."
        )
    added = environ or {}
    for name in added:
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an environment variable; use letters, digits and '_'.")
    # env also tells, the same way on every host, that a command does not exist.
    line = ("env", *(f"{name}={value}" for name, value in added.items()), *argv)
    for argument in line:
        if "\0" in argument:
            raise ValueError(f"The argument {argument!r} holds a NUL, which no command can be given.")
    return line

"""A file that is there whole or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """An empty file to fill, which takes the place of `target` when the block ends well.

    Until then, and when the block fails, `target` is as it was: nobody reads half of it. Its folder is made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        temporary = Path(file.name)
    try:
        yield temporary
        temporary.chmod(0o644)  # A temporary file is its maker's alone.
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)

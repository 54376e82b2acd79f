"""Folders below a scan root that hold no more than the names that decide."""

from pathlib import Path


def made(root: Path, *files: str) -> Path:
    """Make these files below the root, each with its name as its content; returns the root."""
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file)
    return root

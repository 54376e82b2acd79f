"""What the GPU engine needs of a case on a remote host: a tree as the case's own, below the folder of a job.

The engine finds the log of its beam by the place of its folder among all, so every folder is made, that of a
setup beam too, and only the beam's own is filled. The tree is never flattened: files of different beams have
equal names.

Not here: how a file gets to the host and is checked there (`resources.compute_host`).
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from resources.compute_host import HostSession


def upload_tree(
    session: HostSession, case_output: Path, beam_folder: str, csv_names: Sequence[str], target: PurePosixPath
) -> None:
    """Bring plan and logs of a beam below `target`, at the places that they have below `case_output`.

    A file that is there already, byte for byte, is not sent again.

    Raises:
        HostError: a file could not be sent; no part of it has its name then.
    """
    plan, log = (PurePosixPath("Log_csv", name) for name in ("plan", "log"))
    for folder in _names(case_output / log, folders=True):
        session.make_folders(target / log / folder)
    session.make_folders(target / plan)
    for name in _names(case_output / plan, folders=False):
        session.put(case_output / plan / name, target / plan / name)
    for name in csv_names:
        relative = log / beam_folder / name
        session.put(case_output / relative, target / relative)


def _names(folder: Path, *, folders: bool) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() == folders)

"""Which file system a folder lies on. SQLite's write-ahead log needs shared memory and locks of one machine.

Only Linux tells (`/proc/self/mountinfo`); elsewhere the answer is `None`, and nothing is refused.
"""

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
NETWORK_FILE_SYSTEMS = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"}
    | {"ocfs2", "orangefs", "pvfs2", "smb3", "smbfs", "virtiofs"}
    | {f"fuse.{name}" for name in ("ceph", "gcsfuse", "glusterfs", "rclone", "s3fs", "sshfs")}
)


def file_system_of(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the file system that `path`, which need not exist yet, lies on; `None` if unknown."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    place, found = path.resolve(), (-1, None)
    for line in lines:
        mount, _, kind = line.partition(" - ")
        fields, kinds = mount.split(), kind.split()
        if len(fields) < 5 or not kinds:
            continue
        point = Path(_unescaped(fields[4]))
        # A later line with the same point was mounted over the earlier one.
        if place.is_relative_to(point) and len(point.parts) >= found[0]:
            found = (len(point.parts), kinds[0])
    return found[1]


def _unescaped(text: str) -> str:
    r"""A mount point as it is written in the table: spaces and the like are `\040`."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)

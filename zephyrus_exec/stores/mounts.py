"""Telling whether a path lies on a network file system, where SQLite's locks cannot be trusted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

MOUNT_TABLE: Final = Path("/proc/self/mountinfo")
"""Where Linux lists what this process sees mounted (proc(5)); other systems lack it."""

_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda"}
    | {"ceph", "glusterfs", "lustre", "beegfs", "gpfs"}
    | {"fuse.sshfs", "fuse.ceph", "fuse.glusterfs", "fuse.davfs"}
    | {"fuse.rclone", "fuse.s3fs", "fuse.gcsfuse"}
)


def read_mounts(table: Path = MOUNT_TABLE) -> str:
    """Return the table of mounts, or nothing where the system has none."""
    if not table.exists():
        return ""
    return table.read_text(encoding="utf-8", errors="surrogateescape")


def network_filesystem(path: Path, mounts: str) -> str | None:
    r"""Return the type of the network file system `path` lies on; null: none is known.

    Args:
        path: Absolute; need not exist.
        mounts: Lines as in `/proc/self/mountinfo`; of two mounts at one place the later counts.
            On Windows a path such as `\\server\share` tells by itself.
    """
    if str(path).startswith("\\\\"):
        return "unc"
    best, kind = -1, ""
    for line in mounts.splitlines():
        place, found = _parse(line)
        depth = len(place.parts)
        if depth >= best and path.is_relative_to(place):
            best, kind = depth, found
    return kind if kind in _NETWORK else None


def _parse(line: str) -> tuple[Path, str]:
    before, _, after = line.partition(" - ")
    return Path(_unescape(before.split(" ")[4])), after.split(" ")[0]


def _unescape(place: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), place)

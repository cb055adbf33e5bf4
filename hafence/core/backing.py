"""What lies under a path of a host: which file, or which device.

A path on a local disk is two disks on two hosts. A start on the other one goes on from a copy that somebody made once,
and the newest writes of the VM stay behind; so targets are compared with the suspect before anything is killed.

Only what is certain is told: of a kind of file system that is not known, or of devices without an identity in common,
nobody says that they are two. The contents are not compared: a VM that runs writes to its disk meanwhile.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LOCAL = frozenset(
    {"ext2/ext3", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "ramfs", "overlayfs", "jfs", "reiserfs", "bcachefs"}
)
"""File systems that one host mounts at a time, in the words of coreutils' `stat -f -c %T` (ext4 is "ext2/ext3")."""
SHARED = frozenset({"nfs", "ceph", "gfs/gfs2", "ocfs2", "gpfs", "lustre"})
"""Those of which every host knows a file by the same inode number. In user space each mount may number anew."""
_SCHEME = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class FileBacking:
    """A file, by its file system's kind and id (statfs(2): f_fsid, which may be 0) and its inode number."""

    system: str
    system_id: str
    inode: int


@dataclass(frozen=True, slots=True)
class DeviceBacking:
    """A block device, by its identity (WWID, or device-mapper's UUID; '' where it has none) and its size in bytes."""

    identity: str
    size: int


Backing = FileBacking | DeviceBacking


def is_other(one: Backing, other: Backing) -> bool:
    """Whether the two are certainly not the same."""
    match one, other:
        case FileBacking(), FileBacking():
            return _is_other_file(one, other)
        case DeviceBacking(), DeviceBacking():
            return _is_other_device(one, other)
    return True


def _is_other_file(one: FileBacking, other: FileBacking) -> bool:
    kinds = {one.system, other.system}
    if kinds - LOCAL - SHARED:
        return False
    # One that exports its own file system knows a file by the same inode number as its clients.
    return one.inode != other.inode or (not kinds - LOCAL and one.system_id != other.system_id)


def _is_other_device(one: DeviceBacking, other: DeviceBacking) -> bool:
    """By the identity, where it is of one scheme (`naa.600…`): a device may be known to two hosts by two, and one that
    has grown is of another size where nobody has looked again. Without one, what is of another size is another."""
    if _scheme(one.identity) == _scheme(other.identity) != "":
        return one.identity != other.identity
    return one.size != other.size


def _scheme(identity: str) -> str:
    match = _SCHEME.match(identity)
    return match[0] if match else ""

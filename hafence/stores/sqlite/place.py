"""Where a store file may lie: not on a network file system, not in the place of something else.

On a network file system SQLite's locks may not hold between machines and its shared memory never does:
two admin nodes would both own the lease of one VM.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ...effects import StoreError

_NETWORK = frozenset(
    (
        *(
            "nfs",
            "nfs4",
            "cifs",
            "smb3",
            "smbfs",
            "ncpfs",
            "afs",
            "coda",
            "davfs",
            "9p",
            "virtiofs",
            "vboxsf",
            "prl_fs",
        ),
        *("ceph", "glusterfs", "lustre", "beegfs", "gpfs", "pvfs2", "orangefs", "ocfs2", "gfs2", "fuse"),
    )
)


def network_file_system(folder: str, mountinfo: str) -> str | None:
    """The type of the network file system that an absolute, resolved `folder` lies on, or None.

    `mountinfo` is the text of /proc/self/mountinfo. FUSE counts as one: it may be sshfs or gluster.
    """
    best, kind = "", ""
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields = left.split(" ")
        if not dash or len(fields) < 5 or not right:
            continue
        point = _unescape(fields[4]).rstrip("/")
        # A later mount over the same point hides the earlier one.
        if (folder == point or folder.startswith(point + "/")) and len(point) >= len(best):
            best, kind = point, right.split(" ")[0]
    return kind if kind in _NETWORK or kind.startswith("fuse.") else None


def check_place(path: Path) -> Path:
    """The resolved path of a store that may lie there, whether or not it exists. StoreError if it may not."""
    try:
        path = path.resolve()
        _refuse_what_is_no_store(path)
        mountinfo = Path("/proc/self/mountinfo").read_text(errors="replace")
    except FileNotFoundError:
        mountinfo = ""  # no Linux: nothing is known about mounts
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError, ValueError: a loop of links, a NUL
        raise StoreError(f"the store {path} cannot be reached: {_says(error)}") from None
    kind = network_file_system(str(path.parent), mountinfo)
    if kind:
        raise StoreError(
            f"the store {path} lies on a network file system ({kind}), where locks are not safe and two runs could "
            "hold the lease of one VM: keep it on a local disk"
        )
    return path


def status_of(path: Path) -> os.stat_result | None:
    """What is at `path`; None only where it is certain that nothing is.

    Path.exists() may also be False for want of rights, and a store that cannot be seen is not an empty one.
    """
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def may_write(path: Path, mode: int) -> bool:
    """Whether this user has such rights; not so on what is mounted for reading only."""
    # SQLite would open what it may not write for reading only, and say nothing.
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def may_be_written(path: Path) -> bool:
    """Whether this user may write the store, or make it where it is missing. Raises StoreError or OSError."""
    path = check_place(path)
    if status_of(path) is not None:
        return may_write(path, os.R_OK | os.W_OK) and may_write(path.parent, os.W_OK)
    folder = path.parent
    while status_of(folder) is None:
        folder = folder.parent
    return stat.S_ISDIR(folder.stat().st_mode) and may_write(folder, os.W_OK | os.X_OK)


def _refuse_what_is_no_store(path: Path) -> None:
    wal = beside(path, "-wal")
    log_first = status_of(wal)  # a new store is there before its log: asked in this order, none is missed
    status = status_of(path)
    if status is None:
        if log_first is not None:
            raise StoreError(
                f"the store {path} is gone, but its {wal.name} is still there: put the file back from a backup; "
                "hafence will not begin an empty store beside the rest of one that knew more"
            )
    elif stat.S_ISDIR(status.st_mode):
        raise StoreError(f"{path} is a folder: name the store's file in it, such as {path / 'state.db'}")
    elif not stat.S_ISREG(status.st_mode):
        raise StoreError(f"{path} is not a regular file: name another file for the store")


def make_folder(folder: Path) -> None:
    """Make the store's folder, for its owner alone, if it is missing. Folders above it must exist or be makeable."""
    if status_of(folder) is not None:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    folder.chmod(0o700)  # a strange umask takes even the owner's rights


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def beside(path: Path, ending: str) -> Path:
    """The file of SQLite's beside a store: `-wal`, `-shm`."""
    return path.with_name(path.name + ending)


def _says(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _unescape(text: str) -> str:
    """Mount points are written with octal escapes for blanks, tabs, newlines and backslashes."""
    for code, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, plain)
    return text

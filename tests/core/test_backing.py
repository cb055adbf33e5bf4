"""Whether a target has the very disk of the suspect, or one of its own under the same path."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafence.core.backing import LOCAL, SHARED, Backing, DeviceBacking, FileBacking, is_other
from hafence.core.looks import Look, Silence
from hafence.core.model import Host, HostName
from hafence.core.needs import Need, NeedKind
from hafence.core.placement import Against, Room, choose_targets
from hafence.core.troubles import Trouble
from tests.core.make import behind, look

SUSPECT, SECOND, THIRD = map(HostName, ("kvm-01", "kvm-02", "kvm-03"))
HOSTS = [Host(name, "a", name) for name in (SUSPECT, SECOND, THIRD)]
ROOM = Room(None, {}, {})
DISK = Need(NeedKind.WRITE, "/srv/a.img", is_written=True)
VOLUME = Need(NeedKind.VOLUME, "vms a", is_written=True)
LOCAL_FILE = FileBacking("xfs", "fd00", 12)
NFS_FILE = FileBacking("nfs", "0", 4711)
LUN = DeviceBacking("naa.6000c29b", 1 << 30)


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        (LOCAL_FILE, LOCAL_FILE, False),
        (LOCAL_FILE, replace(LOCAL_FILE, inode=13), True),
        (LOCAL_FILE, replace(LOCAL_FILE, system_id="fd01"), True),
        (NFS_FILE, NFS_FILE, False),
        (NFS_FILE, replace(NFS_FILE, inode=13), True),
        (NFS_FILE, replace(NFS_FILE, system_id="2a"), False),
        (NFS_FILE, LOCAL_FILE, True),
        (NFS_FILE, replace(LOCAL_FILE, inode=4711), False),
        (FileBacking("ceph", "1", 7), FileBacking("nfs", "0", 8), True),
        (FileBacking("fuseblk", "0", 1), FileBacking("fuseblk", "0", 2), False),
        (FileBacking("fuseblk", "0", 1), LOCAL_FILE, False),
        (LUN, LUN, False),
        (LUN, replace(LUN, identity="naa.6000c29c"), True),
        (LUN, replace(LUN, size=2 << 30), False),
        (LUN, DeviceBacking("", 2 << 30), True),
        (LUN, DeviceBacking("mpath-36000c29b", 2 << 30), True),
        (LUN, replace(LUN, identity=""), False),
        (DeviceBacking("", 1), DeviceBacking("", 1), False),
        (DeviceBacking("-x", 1), DeviceBacking("-y", 1), False),
        (LUN, replace(LUN, identity="mpath-36000c29b"), False),
        (replace(LUN, identity="LVM-aB"), replace(LUN, identity="LVM-aC"), True),
        (LUN, NFS_FILE, True),
        (NFS_FILE, LUN, True),
    ],
)
def test_only_what_is_certain_makes_two_disks(one: Backing, other: Backing, differ: bool) -> None:
    assert is_other(one, other) is differ
    assert is_other(other, one) is differ


def test_a_file_of_each_kind_of_file_system_is_known_by_its_inode_and_of_a_local_one_by_its_id() -> None:
    local = ["ext2/ext3", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "ramfs", "overlayfs", "jfs", "reiserfs", "bcachefs"]
    shared = ["nfs", "ceph", "gfs/gfs2", "ocfs2", "gpfs", "lustre"]
    for system in local + shared:
        one = FileBacking(system, "1", 7)
        assert is_other(one, FileBacking(system, "1", 8))
        assert is_other(one, FileBacking(system, "2", 7)) is (system in local)
    assert not LOCAL & SHARED


def test_a_host_with_a_disk_of_its_own_is_no_target() -> None:
    looks = {
        SUSPECT: look("kvm-01", backings={DISK: NFS_FILE, VOLUME: LUN}),
        SECOND: look("kvm-02", backings={DISK: LOCAL_FILE, VOLUME: DeviceBacking("", 1)}),
        THIRD: look("kvm-03", backings={DISK: NFS_FILE}),
    }
    placement = choose_targets(SUSPECT, HOSTS, ROOM, {}, looks)
    assert placement.targets == (THIRD,)
    unfit = dict(placement.excluded)[SECOND]
    assert (unfit.against, unfit.against.value) == (Against.OTHER_DISK, "other_disk")
    assert unfit.says == "has another disk /srv/a.img and another volume vms/a than kvm-01"
    assert unfit.way == (
        "give it the disk /srv/a.img of kvm-01 itself (shared storage); what it has there is a copy of its own"
    )
    assert placement.would_not_start


def test_what_a_sibling_saw_of_the_suspect_is_compared_as_well() -> None:
    own = look("kvm-02", backings={DISK: LOCAL_FILE})
    looks: dict[HostName, Look] = {SUSPECT: behind("kvm-03", "kvm-01", backings={DISK: NFS_FILE}), SECOND: own}
    placement = choose_targets(SUSPECT, HOSTS[:2], ROOM, {}, looks)
    assert [unfit.against for _, unfit in placement.excluded] == [Against.SUSPECT, Against.OTHER_DISK]
    looks[SUSPECT] = behind("kvm-03", "kvm-01", backings={DISK: LOCAL_FILE})
    assert choose_targets(SUSPECT, HOSTS[:2], ROOM, {}, looks).targets == (SECOND,)


def test_what_cannot_be_compared_bars_nobody() -> None:
    own = look("kvm-02", backings={DISK: LOCAL_FILE})
    unseen: list[Look | None] = [None, Silence(SUSPECT, 0.0, Trouble.TIMED_OUT), look("kvm-01")]
    for seen in unseen:
        looks: dict[HostName, Look] = {SECOND: own} if seen is None else {SUSPECT: seen, SECOND: own}
        assert choose_targets(SUSPECT, HOSTS[:2], ROOM, {}, looks).targets == (SECOND,)
    silent: dict[HostName, Look] = {SUSPECT: look("kvm-01", backings={DISK: NFS_FILE})}
    silent[SECOND] = Silence(SECOND, 0.0, Trouble.TIMED_OUT)
    (against,) = [unfit.against for name, unfit in choose_targets(SUSPECT, HOSTS[:2], ROOM, {}, silent).excluded[1:]]
    assert against is Against.SILENT

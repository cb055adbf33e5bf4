"""The disk under a SQLite store: full, read-only, or another machine's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hafence.stores import open_store
from hafence.stores.sqlite.place import network_file_system
from tests.lab.require import require

from .engines import ROOT, fill

FILL_A_DISK = """
import sys
from hafence.stores import open_store
from hafence.stores.port import RunRow
from hafence.effects import StoreError
store = open_store("sqlite://" + sys.argv[1] + "/state.db")
try:
    for number in range(10_000):
        store.begin_run(RunRow(f"run-{number}", 1.0, "test", "fill", (), {"padding": "x" * 5_000}))
except StoreError as error:
    assert "disk" in str(error), error
print(number, len(store.runs(limit=100_000)), store.check())
"""

READ_ONLY_DISK = """
import sys
from hafence.stores import open_store
from hafence.effects import StoreError
url = "sqlite://" + sys.argv[1] + "/state.db"
try:
    open_store(url)
except StoreError as error:
    print(error)
print(len(open_store(url, read_only=True).runs()))
"""


@pytest.mark.lab
def test_a_full_disk_loses_no_run_that_was_begun(tmp_path: Path) -> None:
    require("unshare")
    done = _in_mount_namespace('mount -t tmpfs -o size=600k none "$1"; exec "$0" -c "$2" "$1"', tmp_path, FILL_A_DISK)
    begun, listed, problems = done.stdout.split(maxsplit=2)
    assert int(begun) == int(listed) > 0
    assert problems.strip() == "()"


@pytest.mark.lab
def test_a_read_only_disk_is_refused_for_writing_and_read_all_the_same(tmp_path: Path) -> None:
    require("unshare")
    store = open_store(f"sqlite://{tmp_path}/state.db")
    fill(store)
    store.close()
    script = 'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; exec "$0" -c "$2" "$1"'
    done = _in_mount_namespace(script, tmp_path, READ_ONLY_DISK)
    words, runs = done.stdout.splitlines()
    assert "mounted for writing" in words
    assert runs == "2"


def _in_mount_namespace(script: str, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "-m", "sh", "-ec", script, sys.executable, str(folder), code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("40 27 0:40 / /srv rw,relatime shared:1 - nfs4 nas:/vol rw,vers=4.2", "nfs4"),
        ("40 27 0:40 / /srv/lib rw - cifs //nas/share rw", "cifs"),
        ("40 27 0:40 / /srv/lib rw master:2 propagate_from:1 - fuse.sshfs a@b:/ rw", "fuse.sshfs"),
        ("40 27 0:40 / /srv/lib rw - ceph 10.0.0.1:/ rw", "ceph"),
        ("40 27 0:40 / /srv/li rw - nfs nas:/vol rw", None),
        ("40 27 0:40 / /srv/lib rw - ext4 /dev/sdb1 rw", None),
        ("40 27 0:40 / /srv rw - nfs nas:/vol rw\n41 40 8:1 / /srv/lib rw - xfs /dev/sdb1 rw", None),
        ("40 27 0:40 / /srv/lib rw - nfs nas:/vol rw\n41 40 8:1 / /srv/lib rw - xfs /dev/sdb1 rw", None),
        ("40 27 0:40 / /srv/lib rw - nfs", "nfs"),
        ("garbage\n - \n40 27", None),
    ],
)
def test_a_network_file_system_is_known_by_the_innermost_mount(line: str, kind: str | None) -> None:
    root = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw"
    assert network_file_system("/srv/lib", f"{root}\n{line}\n") == kind


def test_a_mount_point_with_blanks_is_read() -> None:
    assert network_file_system("/my nas/x", "1 1 0:1 / /my\\040nas rw - nfs n:/ rw") == "nfs"


OPEN_BOTH_WAYS = """
import sys
from hafence.stores import open_store
from hafence.effects import StoreError
for read_only in (False, True):
    try:
        open_store("sqlite://" + sys.argv[1] + "/state.db", read_only=read_only)
    except StoreError as error:
        print(error)
"""


@pytest.mark.lab
def test_a_store_on_a_network_file_system_is_refused(tmp_path: Path) -> None:
    require("unshare")
    (tmp_path / "mounts").write_text(f"1 1 0:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 / {tmp_path} rw - nfs nas:/ rw\n")
    script = 'mount --bind "$1/mounts" /proc/$$/mountinfo; exec "$0" -c "$2" "$1"'
    done = _in_mount_namespace(script, tmp_path, OPEN_BOTH_WAYS)
    assert done.stdout.count(r"lies on a network file system (nfs)") == 2
    assert os.listdir(tmp_path) == ["mounts"]

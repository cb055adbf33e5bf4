"""However the demo ends, no process and no file of it stays; and it needs neither root nor to be alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hafence.demo.cluster import DemoCluster
from hafence.demo.layout import PREFIX, VMS, root_of
from hafence.demo.processes import descendants
from hafence.demo.writers import overlap, writers

PATIENCE_S = 20.0

HOLDER = """
import sys, time
from hafence.demo.cluster import DemoCluster
with DemoCluster() as cluster:
    for vm in ("web-01", "mail-01"):
        cluster.await_beat(vm, {"web-01": "kvm-01", "mail-01": "kvm-04"}[vm])
    print(cluster.folder, flush=True)
    sys.stdin.readline()
"""


def wait(until: Callable[[], bool], what: str) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < give_up_at, f"waited in vain for {what}"
        time.sleep(0.02)


def hold(*before: str, **more: str) -> subprocess.Popen[str]:
    """A process of its own that holds a cluster, until a line comes on its stdin."""
    return subprocess.Popen(
        [*before, sys.executable, "-c", HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | more,
    )


def folder_of(holder: subprocess.Popen[str]) -> Path:
    assert holder.stdout is not None
    return Path(holder.stdout.readline().strip())


def keeper_of(folder: Path) -> int:
    return int(os.readlink(root_of(folder, "kvm-01") / "proc" / "1").rpartition("/")[2])


def ended(pids: set[int]) -> bool:
    """Whether none of the processes lives. A zombie has ended; who buries it is its parent's business."""
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            return False
    return True


def test_nothing_is_left_after_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with DemoCluster() as cluster:
        cluster.await_beat("web-01", "kvm-01")
        assert cluster.folder.parent == tmp_path
        pids = {keeper_of(cluster.folder), *descendants(keeper_of(cluster.folder))}
        assert len(pids) > len(VMS)
    assert ended(pids)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_demo_is_ended_by(number: signal.Signals, tmp_path: Path) -> None:
    with hold(TMPDIR=str(tmp_path)) as holder:
        folder = folder_of(holder)
        pids = {keeper_of(folder), *descendants(keeper_of(folder))}
        holder.send_signal(number)
        holder.wait(PATIENCE_S)
    wait(lambda: ended(pids) and not list(tmp_path.iterdir()), "every process and file to go")


def test_nothing_is_left_when_the_keeper_is_told_to_end(cluster: DemoCluster) -> None:
    pids = descendants(keeper_of(cluster.folder))
    os.kill(keeper_of(cluster.folder), signal.SIGTERM)
    wait(lambda: ended(pids) and not cluster.folder.exists(), "every process and file to go")


def test_a_killed_keeper_takes_the_writers_with_it_and_the_next_demo_its_folder(tmp_path: Path) -> None:
    with hold(TMPDIR=str(tmp_path)) as holder:
        folder = folder_of(holder)
        keeper = keeper_of(folder)
        writing = {int(entry.name) for entry in (root_of(folder, "kvm-01") / "proc").glob("[2-9]*")}
        holder.kill()
        os.kill(keeper, signal.SIGSTOP)  # so that it can't clean up between the two kills
        os.kill(keeper, signal.SIGKILL)
        holder.wait(PATIENCE_S)
    wait(lambda: ended(writing), "the writers to end")
    folder.mkdir(exist_ok=True)
    with hold(TMPDIR=str(tmp_path)) as following:
        assert folder_of(following).parent == tmp_path
        assert not (folder / "storage").exists()
        following.communicate("\n", PATIENCE_S)


def test_a_kept_cluster_outlives_its_maker_and_ends_with_its_folder() -> None:
    with DemoCluster(keep=True) as cluster:
        keeper = keeper_of(cluster.folder)
    try:
        cluster.await_beat("web-01", "kvm-01")
        pids = {keeper, *descendants(keeper)}
        subprocess.run(["rm", "-r", str(cluster.folder)], check=False)
        wait(lambda: ended(pids) and not cluster.folder.exists(), "every process and file to go")
    finally:
        if not ended({keeper}):
            os.kill(keeper, signal.SIGTERM)


def test_two_demos_at_once_do_not_meet() -> None:
    with DemoCluster() as one, DemoCluster() as two:
        one.make_fault("kvm-01", "off")
        two.await_beat("web-01", "kvm-01")
        for vm in VMS:
            mine = {pid for _, pid in writers(one.beats(vm.name))}
            theirs = {pid for _, pid in writers(two.beats(vm.name))}
            assert not mine & theirs
            assert not overlap(one.beats(vm.name)) + overlap(two.beats(vm.name))


def unprivileged(place: Path) -> tuple[str, ...]:
    """What runs a command without root's powers: as nobody, who gets the folder, or as a root without capabilities
    where nobody may not even execute this interpreter. Nothing when we are not root anyway."""
    if os.getuid() != 0:
        return ()
    none = ("--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *none)
    source = str(Path(__file__).parents[2])
    check = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import hafence.demo.host'], check=True)"
    may = subprocess.run(
        [*nobody, sys.executable, "-c", check],
        env={"PYTHONPATH": source, "PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
    )
    if may.returncode != 0:
        return ("setpriv", *none)
    os.chown(place, 65534, 65534)
    return nobody


def test_it_needs_no_power_of_roots() -> None:
    place = Path(tempfile.mkdtemp(prefix="hafence-test-"))
    try:
        with hold(*unprivileged(place), TMPDIR=str(place), HOME=str(place)) as holder:
            folder = folder_of(holder)
            assert folder.name.startswith(PREFIX), "the cluster did not come up"
            status = Path(f"/proc/{keeper_of(folder)}/status").read_text()
            assert "CapEff:\t0000000000000000" in status
            holder.communicate("\n", PATIENCE_S)
        assert [path.name for path in place.iterdir()] == []
    finally:
        shutil.rmtree(place)


def test_whatever_stands_in_the_way_is_said(tmp_path: Path) -> None:
    """Here the name of the temporary folder, which would end up in an inventory."""
    place = tmp_path / "a folder"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", "from hafence.demo.story import run_demo; raise SystemExit(run_demo())"],
        env=os.environ | {"TMPDIR": str(place), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "set TMPDIR to another folder" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert list(place.iterdir()) == []

"""Who runs a VM is told before the kill, and a systemd unit is stopped where it is this VM's alone.

The processes lie in real cgroups, under systemd's names. systemd itself is not the first process of a test's machine: a
`systemctl` stands in for it, which starts the unit's process again unless it was told to stop.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hafence.core.attempts import Reading, Verdict
from hafence.core.owners import Owner, RunBy, UnitStop

from ..lab.require import lack
from .conftest import Shell
from .processes import Zoo, is_living, wait_until

HIERARCHIES = [Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")]

SYSTEMCTL = """#!/bin/sh
echo "$*" >>"{folder}/asked"
case "$*" in
*stop*) {stop} ;;
*show*) cat "{folder}/shown" ;;
esac
"""
KILLS = 'for pid in $(cat "{unit}/cgroup.procs"); do kill "$pid"; done'


class Cgroups:
    """Cgroups of this test, below a slice of its own."""

    def __init__(self) -> None:
        self.slice = f"hftest{uuid.uuid4().hex[:8]}.slice"
        there = [folder for folder in HIERARCHIES if (folder / "cgroup.procs").exists()]
        try:
            self.hierarchy = there[0]
            (self.hierarchy / self.slice).mkdir()
        except (IndexError, OSError):
            lack("needs to be root where cgroups can be made")

    def put(self, pid: int, path: str) -> Path:
        """Move a process into a cgroup; its folder."""
        folder = self.hierarchy / self.slice / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup.procs").write_text(str(pid))
        return folder

    def close(self) -> None:
        for folder, _, _ in os.walk(self.hierarchy / self.slice, topdown=False):
            for pid in Path(folder, "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    (self.hierarchy / "cgroup.procs").write_text(pid)
            Path(folder).rmdir()


@pytest.fixture
def cgroups() -> Iterator[Cgroups]:
    cgroups = Cgroups()
    yield cgroups
    cgroups.close()


@pytest.fixture
def machine(root: Path) -> Path:
    """A host's "/" with this machine's own cgroups."""
    (root / "sys/fs").mkdir(parents=True)
    (root / "sys/fs/cgroup").symlink_to("/sys/fs/cgroup")
    return root


def systemd(machine: Path, stop: str, *shown: str) -> Path:
    """A systemctl; the file in which it writes down what it was asked."""
    path = machine / "bin/systemctl"
    path.write_text(SYSTEMCTL.format(folder=machine, stop=stop))
    path.chmod(0o755)
    (machine / "shown").write_text("\n".join([*shown, ""]))
    return machine / "asked"


def told(reading: Reading) -> Owner:
    assert reading.facts.owner is not None
    return reading.facts.owner


def test_what_libvirt_s_pid_file_names_is_libvirt_s(shell: Shell, zoo: Zoo, vm: str, root: Path) -> None:
    qemu = zoo.qemu("-uuid", vm)
    (root / "run/libvirt/qemu/web-01.xml").write_text(f"<domain><uuid>{vm}</uuid></domain>\n")
    (root / "run/libvirt/qemu/web-01.pid").write_text(f"{qemu.pid}\n")
    reading = shell.at(root).fence(vm)
    assert (reading.verdict, told(reading)) == (Verdict.CONFIRMED_DEAD, Owner(RunBy.LIBVIRT))
    assert not reading.may_return


@pytest.mark.parametrize(
    "path", ["machine-qemu\\x2d1\\x2dweb.scope", "machine-qemu\\x2d1\\x2dweb.scope/libvirt/emulator"]
)
def test_what_lies_in_a_scope_of_libvirt_s_is_libvirt_s(
    shell: Shell, zoo: Zoo, vm: str, machine: Path, cgroups: Cgroups, path: str
) -> None:
    cgroups.put(zoo.qemu("-uuid", vm).pid, path)
    assert told(shell.at(machine).fence(vm)) == Owner(RunBy.LIBVIRT)


def test_the_child_of_another_manager_is_told_with_it(shell: Shell, zoo: Zoo, vm: str, root: Path) -> None:
    manager = zoo.program("vm-keeper", of="/bin/dash")
    qemu = zoo.program(of="/bin/dash")
    zoo.start(manager, "-c", f"{qemu} -c 'while :; do sleep 60; done' -uuid {vm}; sleep 60")
    wait_until(lambda: shell.rehearse(vm).facts.found == 1, "the manager has started it")
    assert told(shell.at(root).rehearse(vm)) == Owner(RunBy.OTHER, parent="vm-keeper")
    reading = shell.at(root).fence(vm)
    assert (reading.verdict, told(reading)) == (Verdict.CONFIRMED_DEAD, Owner(RunBy.OTHER, parent="vm-keeper"))
    assert reading.may_return


def test_the_name_of_a_manager_is_told_without_its_odd_letters(shell: Shell, zoo: Zoo, vm: str, root: Path) -> None:
    manager = zoo.program("kee\nper=1 x", of="/bin/dash")
    qemu = zoo.program(of="/bin/dash")
    zoo.start(manager, "-c", f"{qemu} -c 'while :; do sleep 60; done' -uuid {vm}; sleep 60")
    wait_until(lambda: shell.rehearse(vm).facts.found == 1, "the manager has started it")
    assert told(shell.at(root).fence(vm)).parent == "kee"


UP = ("ActiveState=active", "UnitFileState=disabled")
DOWN = ("ActiveState=inactive", "UnitFileState=disabled", "WantedBy=", "TriggeredBy=")


def test_a_unit_is_stopped_and_its_restart_brings_nothing_back(
    shell: Shell, zoo: Zoo, vm: str, machine: Path, cgroups: Cgroups
) -> None:
    """The stand-in starts the process again, as Restart= would, when it dies and no stop was asked for."""
    qemu = zoo.qemu("-uuid", vm)
    unit = cgroups.put(qemu.pid, "web-01.service")
    again = zoo.start(
        "/bin/sh",
        "-c",
        f"while kill -0 {qemu.pid}; do sleep 0.01; done; [ -e {machine}/asked ] || touch {machine}/again; sleep 60",
    )
    asked = systemd(machine, KILLS.format(unit=unit), *DOWN)
    reading = shell.at(machine).fence(vm)
    assert reading.verdict is Verdict.CONFIRMED_DEAD
    owner = told(reading)
    assert (owner.by, owner.unit, owner.stop) == (RunBy.UNIT, "web-01.service", UnitStop.STOPPED)
    assert not reading.may_return
    assert asked.read_text().splitlines()[0] == "stop -- web-01.service"
    assert not (machine / "again").exists()
    assert is_living(again.pid)


def test_a_rehearsal_says_that_it_would_stop_the_unit_and_does_not(
    shell: Shell, zoo: Zoo, vm: str, machine: Path, cgroups: Cgroups
) -> None:
    qemu = zoo.qemu("-uuid", vm)
    cgroups.put(qemu.pid, "web-01.service")
    asked = systemd(machine, "exit 1", *UP)
    assert told(shell.at(machine).rehearse(vm)).stop is UnitStop.FORETOLD
    assert "stop" not in asked.read_text()
    (machine / "shown").write_text("ActiveState=active\nUnitFileState=enabled\n")
    assert told(shell.at(machine).rehearse(vm)).stop is UnitStop.STARTS_AGAIN
    assert is_living(qemu.pid)


@pytest.mark.parametrize(
    "again",
    ["UnitFileState=enabled", "UnitFileState=enabled-runtime", "UnitFileState=generated"]
    + [f"{kind}=x.target" for kind in ("WantedBy", "RequiredBy", "UpheldBy", "TriggeredBy")],
)
def test_a_unit_that_something_starts_again_is_not_stopped_for_good(
    shell: Shell, zoo: Zoo, vm: str, machine: Path, cgroups: Cgroups, again: str
) -> None:
    unit = cgroups.put(zoo.qemu("-uuid", vm).pid, "web-01.service")
    systemd(machine, KILLS.format(unit=unit), "ActiveState=failed", again)
    reading = shell.at(machine).fence(vm)
    assert (reading.verdict, told(reading).stop) == (Verdict.CONFIRMED_DEAD, UnitStop.STARTS_AGAIN)
    assert reading.may_return


@pytest.mark.parametrize(
    ("stop", "shown"),
    [
        ("exit 1", ("ActiveState=activating",)),
        ("exit 1", ()),
        ("sleep 60", ("ActiveState=deactivating",)),
        ("kill -9 $$", ("ActiveState=active",)),
    ],
)
def test_a_unit_that_can_t_be_stopped_is_said_to_be_none_that_was(
    shell: Shell, zoo: Zoo, vm: str, machine: Path, cgroups: Cgroups, stop: str, shown: tuple[str, ...]
) -> None:
    qemu = zoo.qemu("-uuid", vm)
    cgroups.put(qemu.pid, "web-01.service")
    systemd(machine, stop, *shown)
    began = time.monotonic()
    reading = shell.at(machine).fence(vm, within_s=10.0)
    assert (reading.verdict, told(reading).stop) == (Verdict.CONFIRMED_DEAD, UnitStop.FAILED)
    assert not is_living(qemu.pid)
    assert time.monotonic() - began < 10


def test_a_stop_that_takes_its_time_is_waited_for_before_the_kill(
    shell: Shell, zoo: Zoo, vm: str, machine: Path, cgroups: Cgroups
) -> None:
    unit = cgroups.put(zoo.qemu("-uuid", vm).pid, "web-01.service")
    alive = f'sleep 0.5; [ -n "$(cat {unit}/cgroup.procs)" ] && touch {machine}/waited; '
    systemd(machine, alive + KILLS.format(unit=unit), *DOWN)
    assert told(shell.at(machine).fence(vm)).stop is UnitStop.STOPPED
    assert (machine / "waited").exists()


def test_a_unit_with_others_in_it_is_not_stopped(
    shell: Shell, zoo: Zoo, vm: str, machine: Path, cgroups: Cgroups
) -> None:
    cgroups.put(zoo.qemu("-uuid", vm).pid, "vms.service")
    other = zoo.qemu("-uuid", str(uuid.uuid4()))
    cgroups.put(other.pid, "vms.service/deeper")
    asked = systemd(machine, "exit 0", *DOWN)
    reading = shell.at(machine).fence(vm)
    assert (reading.verdict, told(reading).unit) == (Verdict.CONFIRMED_DEAD, "vms.service")
    assert (told(reading).stop, reading.may_return) == (UnitStop.SHARED, True)
    assert not asked.exists()
    assert is_living(other.pid)


@pytest.mark.parametrize(
    "path",
    [
        *("sshd.service", "ssh@3-10.0.0.1.service", "libvirtd.service", "virtqemud.service", "user@0.service"),
        *(
            "docker.service",
            "systemd-nspawn@x.service/payload/system.slice/web-01.service",
            "-.service",
            "web 01.service",
        ),
        *("docker-1.scope/system.slice/web-01.service", "lxc.payload.x/system.slice/web-01.service"),
        *("user@x.service/app.slice/web-01.service", "machine-x.scope/init.service", "web-01.service/system.slice"),
    ],
)
def test_what_is_the_host_s_or_a_container_s_is_never_stopped(
    shell: Shell, zoo: Zoo, vm: str, machine: Path, cgroups: Cgroups, path: str
) -> None:
    cgroups.put(zoo.qemu("-uuid", vm).pid, path)
    asked = systemd(machine, "exit 0", *DOWN)
    reading = shell.at(machine).fence(vm)
    assert (told(reading).by, told(reading).stop, reading.may_return) == (RunBy.UNIT, UnitStop.NEVER, True)
    assert reading.verdict is Verdict.CONFIRMED_DEAD
    assert not asked.exists()


@pytest.mark.parametrize("path", ["session-3.scope", "docker-1f.scope", "machine-x.scope/machine-qemu\\x2d1.scope"])
def test_a_scope_is_told_and_not_stopped(
    shell: Shell, zoo: Zoo, vm: str, machine: Path, cgroups: Cgroups, path: str
) -> None:
    cgroups.put(zoo.qemu("-uuid", vm).pid, path)
    asked = systemd(machine, "exit 0", *DOWN)
    owner = told(shell.at(machine).fence(vm))
    assert (owner.by, owner.unit) == (RunBy.OTHER, path.rpartition("/")[2].replace("\\", "-"))
    assert not asked.exists()


def test_a_user_s_unit_is_stopped_by_the_user_s_manager(
    shell: Shell, zoo: Zoo, vm: str, machine: Path, cgroups: Cgroups
) -> None:
    unit = cgroups.put(zoo.qemu("-uuid", vm).pid, "user@65534.service/app.slice/vm@web.service")
    asked = systemd(machine, KILLS.format(unit=unit), *DOWN)
    setpriv = machine / "bin/setpriv"
    setpriv.write_text(f'#!/bin/sh\necho "$@" >>{machine}/as\nshift 3\nexec "$@"\n')
    setpriv.chmod(0o755)
    reading = shell.at(machine).fence(vm)
    assert (told(reading).unit, told(reading).stop) == ("vm@web.service", UnitStop.STOPPED)
    assert asked.read_text().splitlines()[0] == "--user stop -- vm@web.service"
    as_whom = (machine / "as").read_text()
    assert as_whom.startswith("--reuid 65534 --clear-groups env XDG_RUNTIME_DIR=/run/user/65534 systemctl --user stop")


def test_after_the_deadline_no_unit_is_stopped(
    shell: Shell, zoo: Zoo, vm: str, machine: Path, cgroups: Cgroups
) -> None:
    cgroups.put(zoo.qemu("-uuid", vm).pid, "web-01.service")
    asked = systemd(machine, "exit 0", *DOWN)
    order = replace(shell.order(vm), not_after=time.time() - 1)
    reading = shell.at(machine).fence_all(order)
    assert told(next(iter(reading.values()))).stop is UnitStop.FAILED
    assert not asked.exists()


def test_of_two_copies_the_one_that_may_return_is_told(
    shell: Shell, zoo: Zoo, vm: str, machine: Path, cgroups: Cgroups
) -> None:
    cgroups.put(zoo.qemu("-uuid", vm).pid, "machine-qemu\\x2d1\\x2dweb.scope")
    cgroups.put(zoo.qemu("-uuid", vm).pid, "session-3.scope")
    cgroups.put(zoo.qemu("-uuid", vm).pid, "machine-qemu\\x2d2\\x2dweb.scope")
    reading = shell.at(machine).fence(vm)
    assert (reading.facts.killed, told(reading).by, told(reading).unit) == (3, RunBy.OTHER, "session-3.scope")


def test_copies_in_two_units_leave_it_open_which_is_meant(
    shell: Shell, zoo: Zoo, vm: str, machine: Path, cgroups: Cgroups
) -> None:
    for name in ("web-01.service", "web-02.service"):
        cgroups.put(zoo.qemu("-uuid", vm).pid, name)
    asked = systemd(machine, "exit 0", *DOWN)
    assert told(shell.at(machine).fence(vm)).stop is UnitStop.SHARED
    assert not asked.exists()


def test_whom_nothing_was_found_of_nobody_runs(shell: Shell, vm: str, root: Path) -> None:
    assert shell.at(root).fence(vm).facts.owner is None

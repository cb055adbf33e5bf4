"""What a dead process has under way: flushed, waited for, or said. Of its sockets: tests/lab/test_last_byte.py."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hafence.core.attempts import Reading, Verdict

from ..lab.require import lack
from .conftest import Shell
from .processes import Zoo, open_files, wait_until
from .test_identity import defined

PENDING, FAILED = "its-writes-are-still-being-flushed", "its-writes-cannot-be-flushed"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "a disk: of it.raw"
    path.write_bytes(bytes(1 << 20))
    return path


def sync_does(root: Path, script: str) -> Path:
    """The host's `sync`, which notes what it was asked for. Returns the note."""
    note = root / "asked"
    program = root / "bin/sync"
    program.write_text(
        f'#!/bin/sh\nfor word; do echo "$word"; done >>"{note}"\n[ $# -gt 0 ] || echo all >>"{note}"\n{script}\n'
    )
    program.chmod(0o755)
    return note


def said(finding: Reading) -> tuple[Verdict, str]:
    return finding.verdict, finding.facts.word("why")


def test_what_it_has_open_and_what_its_definition_names_is_flushed_once_each(
    shell: Shell, zoo: Zoo, vm: str, root: Path, disk: Path
) -> None:
    other = root / "other.raw"
    other.write_bytes(bytes(4096))
    asked = sync_does(root, "exit 0")
    defined(root, "web-01", vm, other)
    zoo.opens(disk, "-uuid", vm, name="qemu-system-x86_64")
    assert said(shell.at(root).fence(vm)) == (Verdict.CONFIRMED_DEAD, "")
    assert sorted(asked.read_text().splitlines()) == ["--", *sorted([str(disk), str(other)])]


def test_of_a_vm_that_was_gone_what_its_definition_names_is_flushed(
    shell: Shell, vm: str, root: Path, disk: Path
) -> None:
    asked = sync_does(root, "exit 0")
    defined(root, "web-01", vm, disk)
    assert said(shell.at(root).fence(vm)) == (Verdict.CONFIRMED_DEAD, "")
    assert asked.read_text().splitlines() == ["--", str(disk)]


@pytest.mark.parametrize(("does", "why"), [("exit 1", FAILED), ("exit 127", FAILED), ("exec sleep 60", PENDING)])
def test_what_cannot_be_flushed_is_no_death(
    shell: Shell, zoo: Zoo, vm: str, root: Path, disk: Path, does: str, why: str
) -> None:
    sync_does(root, does)
    zoo.opens(disk, "-uuid", vm, name="qemu-system-x86_64")
    finding = shell.at(root).fence(vm, within_s=4)
    assert said(finding) == (Verdict.AMBIGUOUS, why)
    assert finding.facts.word("killed") == "1"
    assert (finding.facts.word("flush") != "") == (why == PENDING)


def test_one_vms_flush_that_hangs_is_no_other_vms_doubt(
    shell: Shell, zoo: Zoo, vm: str, root: Path, disk: Path
) -> None:
    other = "6d6f6a5a-0000-4000-8000-0000000000aa"
    sync_does(root, f'[ "$2" != "{disk}" ] || exec sleep 60')
    zoo.opens(disk, "-uuid", vm, name="qemu-system-x86_64")
    zoo.opens(root / "asked", "-uuid", other, name="qemu-system-x86_64", mode="w+b")
    findings = shell.at(root).fence_all(shell.order(vm, other, within_s=4))
    assert {str(name): said(finding) for name, finding in findings.items()} == {
        vm: (Verdict.AMBIGUOUS, PENDING),
        other: (Verdict.CONFIRMED_DEAD, ""),
    }


IN_ANOTHER_MOUNT_NAMESPACE = """
import ctypes, os, time
libc = ctypes.CDLL(None)
assert libc.unshare(0x20000) == 0
assert libc.mount(b"none", b"/", None, 0x44000, None) == 0  # private, and all below it
assert libc.mount(b"none", {folder!r}.encode(), b"tmpfs", 0, None) == 0
f = open({folder!r} + "/its own.raw", "w+b")
time.sleep(3600)
"""


def test_where_a_path_of_it_exists_for_it_alone_everything_is_flushed(
    shell: Shell, zoo: Zoo, vm: str, root: Path, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        lack("needs root: a mount namespace of its own")
    asked = sync_does(root, "exit 0")
    folder = tmp_path / "dev"
    folder.mkdir()
    process = zoo.qemu("-uuid", vm, code=IN_ANOTHER_MOUNT_NAMESPACE.format(folder=str(folder)))
    wait_until(lambda: any("its own" in path for path in open_files(process.pid)), "it has it open")
    assert said(shell.at(root).fence(vm)) == (Verdict.CONFIRMED_DEAD, "")
    assert asked.read_text().splitlines() == ["all"]


SOCKETS = Path(__file__).parents[2] / "hafence/adapters/hosts/scripts/sockets.sh"


@pytest.mark.parametrize(
    ("definition", "port", "counts"),
    [
        ("<source protocol='nbd' name='web'>\n  <host name='10.0.0.9' port='10999'/>", 10999, True),
        ("<source protocol='nbd' name='web'>\n  <host name='10.0.0.9' port='10999'/>", 10998, False),
        ("<source protocol='nbd' name='web'/>", 10809, True),
        ("<source protocol='iscsi' name='iqn:web/1'/>", 3260, True),
        ("<source protocol='rbd' name='rbd/web'/>", 3300, True),
        ("<source protocol='rbd' name='rbd/web'/>", 6789, True),
        ("<source protocol='rbd' name='rbd/web'/>", 6799, False),
        ("<source protocol='rbd' name='rbd/web'/>", 6800, True),
        ("<source protocol='rbd' name='rbd/web'/>", 7568, True),
        ("<source protocol='rbd' name='rbd/web'/>", 7569, False),
        ("<source protocol='rbd' name='rbd/web'/>", 49152, False),
        ("<source protocol='gluster' name='vms/web'>\n  <host name='10.0.0.9' port='24010'/>", 24010, True),
        ('<source protocol="gluster" name="vms/web"/>', 24007, True),
        ("<source protocol='gluster' name='vms/web'/>", 49152, True),
        ("<source protocol='gluster' name='vms/web'/>", 60999, True),
        ("<source protocol='gluster' name='vms/web'/>", 61000, False),
        ("<source protocol='nfs' name='/vms/web'/>", 2049, True),
        ("<source protocol='sheepdog' name='web'/>", 7000, True),
        ("<source protocol='ssh' name='/vms/web'/>", 22, True),
        ("<source protocol='rbd' name='rbd/web'/>", 22, False),
    ],
)
def test_the_storage_of_a_vm_that_is_gone_is_known_by_the_ports_of_its_definition_and_of_its_protocol(
    shell: Shell, definition: str, port: int, counts: bool
) -> None:
    asked = f'add_storage_ports "$SAID"; is_storage {port:04X}'
    text = f"{SOCKETS.read_text()}\nNL='\n' NETWORKED=web STORAGE_PORTS='' BRICKS=no\n{asked}\n"
    done = subprocess.run(
        [shell.command[0], "-c", text], env={"SAID": definition, "PATH": os.environ["PATH"]}, check=False
    )
    assert done.returncode == (0 if counts else 1)


IN_ANOTHER_NETWORK = """
import ctypes, socket, subprocess, sys, time
assert ctypes.CDLL(None).unshare(0x40000000) == 0
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = socket.create_server(("127.0.0.1", 10809))
{calls}
open({up!r}, "w").close()
time.sleep(3600)
"""


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ("", (Verdict.CONFIRMED_DEAD, "")),
        (
            'peer = socket.create_connection(("127.0.0.1", 10809))',
            (Verdict.AMBIGUOUS, "its-sockets-cannot-be-looked-at"),
        ),
    ],
)
def test_who_talks_to_its_storage_from_a_network_of_its_own_cannot_be_seen(
    shell: Shell, zoo: Zoo, vm: str, tmp_path: Path, calls: str, expected: tuple[Verdict, str]
) -> None:
    if os.geteuid() != 0:
        lack("needs root: a network namespace of its own")
    up = tmp_path / "up"
    zoo.qemu("-uuid", vm, code=IN_ANOTHER_NETWORK.format(up=str(up), calls=calls))
    wait_until(up.exists, "it is there")
    assert said(shell.fence(vm)) == expected

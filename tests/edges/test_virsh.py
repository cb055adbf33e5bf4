"""What virsh prints and how it ends, bent: processes count whatever it says, and its word is used only as it stands.

The scripts are real, and so are the shell and the processes; only the program that they find under virsh's name
prints what the test wants.
"""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hafence.adapters.hosts import kvm
from hafence.adapters.local.here import run_here
from hafence.core.attempts import FenceOrder, Reply, Verdict
from hafence.core.looks import HostLook, Libvirt, Look
from hafence.core.model import Host, HostName, PidNamespace, Settings, StartMode, Uuid, Vm
from hafence.core.replies import interpret
from hafence.core.starts import StartOrder, StartReply, StartResult
from hafence.inventory.domain_xml import read_domain
from tests.scripts.processes import Zoo

from .bend import bent_by, examples

NONCE = "00112233445566778899aabbccddeeff"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
ACTIVE = Uuid("6d6f6a5a-0000-4000-8000-0000000000a1")
OTHER = Uuid("6d6f6a5a-0000-4000-8000-0000000000a2")
ANSWER = f"""{ACTIVE}

defined
{ACTIVE}
{OTHER}

memory
total  :             24684096 KiB
free   :             24294196 KiB
buffers:                 1000 KiB
cached :                 2000 KiB

""".encode()
ANYWHERE = Settings(pid_namespace=PidNamespace.ANY)
"""These tests may run in a container."""
exits = st.sampled_from([0, 0, 0, 1, 2, 124, 127, 137])
XML = "<domain type='kvm'><name>edge</name><uuid>{}</uuid><memory>1024</memory></domain>"


@dataclass(frozen=True)
class Bench:
    """A host whose /proc is this machine's and whose virsh is ours, with one living qemu of a VM."""

    root: Path
    vm: Uuid

    @property
    def host(self) -> Host:
        return Host(HostName("here"), "lab", "127.0.0.1", root=str(self.root))

    def answer(self, said: bytes, status: int) -> None:
        (self.root / "said").write_bytes(said)
        virsh = self.root / "bin" / "virsh"
        virsh.write_text(f"#!/bin/sh\ncat {self.root}/said\nexit {status}\n")
        virsh.chmod(0o755)

    def look(self) -> Look:
        sent = time.time()
        run = run_here(kvm.look_program(NONCE, self.host), 30)
        return kvm.parse_look(NONCE, run, self.host.name, sent, time.time())

    def rehearse(self) -> Verdict:
        order = FenceOrder(self.host.name, None, (self.vm,), 8.0, 0.05, time.time() + 60, rehearse=True)
        run = run_here(kvm.fence_program(order, {}, NONCE, self.host, time.time), 30)
        reply = Reply(NONCE, run.trouble, run.exit_status, run.stdout, run.seconds, time.time())
        return interpret(order, reply).readings[self.vm].verdict

    def start(self, vm: Uuid, mode: StartMode = StartMode.PERSISTENT) -> StartReply:
        order = StartOrder(vm, self.host.name, int(time.time()), time.time() + 60, 2.0, BOOT_ID)
        it, domain = Vm(vm, "edge", self.host.name), read_domain(XML.format(vm))
        program = kvm.start_program(order, it, domain, mode, NONCE, self.host, time.time, settings=ANYWHERE)
        return kvm.parse_start(NONCE, run_here(program, 30), time.time(), kvm.was_released(program))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("edges-virsh")
    for name in ("root/run/libvirt/qemu", "root/run/lock", "root/etc/libvirt/qemu/autostart", "root/bin", "root/var"):
        (folder / name).mkdir(parents=True)
    (folder / "root" / "proc").symlink_to("/proc")
    zoo = Zoo(folder / "zoo")
    vm = Uuid(str(uuid.uuid4()))
    zoo.qemu("-uuid", vm)
    yield Bench(folder / "root", vm)
    zoo.close()


def test_a_whole_answer_is_read(bench: Bench) -> None:
    bench.answer(ANSWER, 0)
    look = bench.look()
    assert isinstance(look, HostLook)
    assert (look.libvirt, set(look.active), set(look.defined)) == (Libvirt.OK, {ACTIVE}, {ACTIVE, OTHER})
    assert look.memory_free_mib == (24294196 + 3000) // 1024


@settings(max_examples=examples(25))
@given(chance=st.randoms(use_true_random=False), status=exits)
def test_a_look_sees_the_processes_whatever_virsh_says(bench: Bench, chance: random.Random, status: int) -> None:
    said = bent_by(chance, ANSWER)
    bench.answer(said, status)
    look = bench.look()
    if isinstance(look, HostLook):
        assert look.copies[bench.vm] == 1
        named = set(re.findall(rb"[0-9a-f-]{36}", said)) | {
            str(uuid.UUID(each.decode())).encode() for each in re.findall(rb"\b[0-9a-f]{32}\b", said)
        }
        assert {vm.encode() for vm in look.active | look.defined} <= named
        assert look.libvirt is not Libvirt.OK or status == 0
        assert look.libvirt is Libvirt.OK or not look.active | look.defined


@settings(max_examples=examples(8))
@given(chance=st.randoms(use_true_random=False), status=exits)
def test_a_living_process_is_alive_whatever_virsh_says(bench: Bench, chance: random.Random, status: int) -> None:
    bench.answer(bent_by(chance, chance.choice([ANSWER, bench.vm.encode() + b"\n"])), status)
    assert bench.rehearse() is Verdict.STILL_ALIVE


@pytest.mark.parametrize(("said", "status"), [(b"", 0), (b"Domain 'edge' started\n", 0), (ANSWER, 0), (b"\xff\0\n", 1)])
def test_a_vm_is_not_started_because_virsh_says_so(bench: Bench, said: bytes, status: int) -> None:
    bench.answer(said, status)
    assert bench.start(Uuid(str(uuid.uuid4()))).result is not StartResult.RUNNING


@pytest.mark.parametrize("chunk", [b"x" * 2_000_000, b"x:y " * 500_000, (ACTIVE.encode() + b"\n") * 20_000])
def test_megabytes_of_virsh_hide_no_process(bench: Bench, chunk: bytes) -> None:
    """One line of two megabytes once cost the look its time: to cut at a colon, dash tries every beginning."""
    bench.answer(ANSWER + chunk, 0)
    look = bench.look()
    assert isinstance(look, HostLook)
    assert look.copies[bench.vm] == 1


CREATED = """#!/bin/sh
case "$*" in
*domuuid*) {domuuid} ;;
*create*) cat >/dev/null ;;
*nodememstats*)
    printf 'ask\nask {vm}\n'
    echo "error: failed to get domain '{vm}'" >&2
    printf 'ask end\nask\n' ;;
esac
"""


@pytest.mark.parametrize(
    ("domuuid", "result", "words"),
    [
        ("echo 6d6f6a5a-0000-4000-8000-0000000000a3", StartResult.UNKNOWN, "under another UUID"),
        ("sleep 60", StartResult.UNKNOWN, "under another UUID"),
        ("exit 1", StartResult.CLEAN, "ended at once"),
    ],
)
def test_a_vm_that_libvirt_runs_under_another_uuid_is_never_called_clean(
    bench: Bench, domuuid: str, result: StartResult, words: str
) -> None:
    """libvirt has its own reader of XML: what it made of the definition is seen on the host, not believed."""
    vm = Uuid(str(uuid.uuid4()))
    (bench.root / "bin" / "virsh").write_text(CREATED.format(domuuid=domuuid, vm=vm))
    reply = bench.start(vm, StartMode.TRANSIENT)
    assert (reply.result, words in reply.says) == (result, True), reply.says


def test_no_program_is_made_from_another_vms_definition(bench: Bench) -> None:
    order = StartOrder(bench.vm, bench.host.name, 1, time.time() + 60, 2.0, BOOT_ID)
    other = read_domain(XML.format(uuid.uuid4()))
    it = Vm(bench.vm, "edge", bench.host.name)
    with pytest.raises(ValueError, match="starts another VM"):
        kvm.start_program(order, it, other, StartMode.TRANSIENT, NONCE, bench.host, time.time)

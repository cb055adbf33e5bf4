"""What each reader makes of each reply."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafence.adapters.hosts import kvm
from hafence.adapters.hosts.program import ProgramResult
from hafence.core.attempts import FenceOrder, Reply
from hafence.core.backing import DeviceBacking, FileBacking
from hafence.core.looks import Blind, HostLook, Libvirt, Silence
from hafence.core.marks import Mark
from hafence.core.model import HostName, Ready, Uuid
from hafence.core.needs import Need, NeedKind
from hafence.core.ready import Serves
from hafence.core.replies import interpret
from hafence.core.starts import StartResult
from hafence.core.troubles import Trouble

from .golden import MACHINE, NONCE, VM, Golden, goldens

HOST = HostName("kvm-01")
ORDER = FenceOrder(HOST, HostName("kvm-02"), (VM,), 20.0, 1.0, 1e10)
READERS = ("fence", "look", "ready", "start", "witness")


def named(golden: Golden) -> str:
    return golden.name


def test_every_reply_belongs_to_a_reader() -> None:
    assert {path.parent.name for path in (goldens.__globals__["FOLDER"]).glob("*/*.reply")} == set(READERS)
    assert all(len(goldens(kind)) > 10 for kind in READERS)


@pytest.mark.parametrize("golden", goldens("fence"), ids=named)
def test_fence(golden: Golden) -> None:
    reply = Reply(NONCE, None, golden.exit_status, golden.stdout, 0.1, 0.0, not_run=golden.run.not_run)
    finding = interpret(replace(ORDER, machine_id=MACHINE), reply).readings[VM]
    assert finding.verdict.value == golden.word
    assert golden.words[0] in finding.detail


@pytest.mark.parametrize("golden", goldens("look"), ids=named)
def test_look(golden: Golden) -> None:
    look = kvm.parse_look(NONCE, golden.run, HOST, 100.0, 101.0, {"web-01": VM}.get)
    if golden.word == "host_look":
        assert isinstance(look, HostLook)
        copies = " ".join(f"{vm}={count}" for vm, count in look.copies.items()) or "nothing"
        assert copies == golden.words[0]
        return
    assert isinstance(look, Blind if golden.word == "blind" else Silence)
    assert golden.words[0] in look.says


def test_a_whole_look_is_read_to_the_last_line() -> None:
    (golden,) = (golden for golden in goldens("look") if golden.name == "everything")
    look = kvm.parse_look(NONCE, golden.run, HOST, 1763823990.0, 1763823992.0)
    assert isinstance(look, HostLook)
    other = Uuid(VM[:-1] + "2")
    assert look.active == look.autostart == look.saved == {VM}
    assert look.defined == look.listed == {other}
    assert (look.memory_total_mib, look.memory_free_mib) == (24684096 // 1024, 24294196 // 1024)
    assert (look.machine_id, look.boot_id) == (MACHINE, "bab39a21-c191-4458-869a-54cf042ba6b6")
    assert look.clock_offset_s == pytest.approx(9.123456789)
    assert look.clock_within_s == 1.0
    assert look.at == 1763823990.0
    assert look.held == {VM: Mark("0123456789abcdef", "20261122T153000-3f2a9c", 36000.0)}
    assert look.marks == (Mark("0123456789abcdef", "20261122T153000-3f2a9c", 36000.0, 2),)


def looked(name: str) -> HostLook:
    (golden,) = (golden for golden in goldens("look") if golden.name == name)
    look = kvm.parse_look(NONCE, golden.run, HOST, 100.0, 101.0, {"web-01": VM}.get)
    assert isinstance(look, HostLook)
    return look


def test_what_libvirt_says_of_one_vm_is_read() -> None:
    look = looked("asked-one-by-one")
    assert look.libvirt is Libvirt.BUSY
    assert look.starting == {VM}
    assert look.cleared == {Uuid(VM[:-1] + "2")}


def test_a_doubt_is_read_with_its_program() -> None:
    look = looked("a-doubt")
    assert (look.doubtful, look.runs(VM), look.lacks(VM)) == ({VM: "kvm.real"}, True, False)


def test_what_lies_under_a_path_is_read() -> None:
    (golden,) = (golden for golden in goldens("look") if golden.name == "what-lies-under-its-disks")
    needs = [Need(NeedKind.WRITE, f"/srv/{name}", is_written=True) for name in "abc"]
    look = kvm.parse_look(NONCE, golden.run, HOST, 100.0, 101.0, needs=needs)
    assert isinstance(look, HostLook)
    assert look.backings == {
        needs[0]: FileBacking("ext2/ext3", "d7097545604aef04", 612),
        needs[1]: DeviceBacking("t10.ATA-----QEMU.1", 1073741824),
        needs[2]: DeviceBacking("", 512),
    }


def test_who_knows_no_names_reads_none() -> None:
    (golden,) = (golden for golden in goldens("look") if golden.name == "a-name-and-no-uuid")
    look = kvm.parse_look(NONCE, golden.run, HOST, 100.0, 101.0)
    assert isinstance(look, HostLook)
    assert look.copies == {}


@pytest.mark.parametrize("golden", goldens("start"), ids=named)
def test_start(golden: Golden) -> None:
    reply = kvm.parse_start(NONCE, golden.run, 1.0)
    assert reply.result.value == golden.word
    assert golden.words[0] in reply.says


@pytest.mark.parametrize("golden", goldens("witness"), ids=named)
def test_witness(golden: Golden) -> None:
    report = kvm.parse_witness(NONCE, golden.run, HOST, 1.0)
    signs = {sign.name for sign in report.signs}
    expected = golden.words[0].split(" ")
    assert signs == {word for word in expected if word.isupper() and len(word) > 2}
    assert report.could_look == (golden.word == "looked")
    said = " ".join(word for word in expected if word not in signs)
    assert said in report.says


@pytest.mark.parametrize("golden", goldens("ready"), ids=named)
def test_ready(golden: Golden) -> None:
    asked = Ready(389) if golden.name.startswith("tcp") else Ready()
    readiness = kvm.parse_ready(NONCE, golden.run, asked, 1.0)
    assert readiness.serves.value == golden.word
    assert golden.words[0] in readiness.says
    assert readiness.at == 1.0


@pytest.mark.parametrize("trouble", Trouble)
def test_a_run_that_broke_off_is_never_an_answer(trouble: Trouble) -> None:
    for kind in READERS:
        for golden in goldens(kind):
            run = ProgramResult(trouble, "a note", golden.exit_status, golden.stdout, "", 1.0)
            look = kvm.parse_look(NONCE, run, HOST, 0.0, 1.0)
            assert not isinstance(look, HostLook)
            if isinstance(look, Silence):
                assert (look.trouble, "a note" in look.says) == (trouble, True)
            assert kvm.parse_start(NONCE, run, 1.0).result is StartResult.UNKNOWN
            assert not kvm.parse_witness(NONCE, run, HOST, 1.0).could_look
            for asked in (Ready(), Ready(389)):
                assert kvm.parse_ready(NONCE, run, asked, 1.0).serves is Serves.UNKNOWN


def test_a_start_that_was_never_let_go_has_left_the_target_as_it_was() -> None:
    run = ProgramResult(Trouble.TIMED_OUT, "", None, "", "", 5.0)
    assert kvm.parse_start(NONCE, run, 1.0, released=False).result is StartResult.CLEAN


def test_an_answer_beats_the_belief_that_it_was_never_let_go() -> None:
    for golden in goldens("start"):
        reply = kvm.parse_start(NONCE, golden.run, 1.0, released=False)
        if golden.word == "running":
            assert reply.result is StartResult.RUNNING

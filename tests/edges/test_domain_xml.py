"""Domain XML from a host that nobody trusts any more: bent, endless, or made to blow up whoever reads it."""

from __future__ import annotations

import json
import os
import random
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hafence.adapters.ssh.connections import Hosts
from hafence.core.model import CephSettings, HostName, Uuid, Vm
from hafence.core.starts import StartOrder, StartResult
from hafence.core.storage.ceph import CephFence
from hafence.effects import MemoryNeed, Start, Startable
from hafence.inventory.domain_xml import Domain, DomainError, read_domain
from hafence.inventory.yaml_tree import read_inventory
from hafence.runner.definitions import Definitions
from hafence.runner.perform_hosts import HostPerformer
from hafence.stores.memory.store import MemoryStore

from .bend import bent_by, examples, make_it_megabytes

UUID = "6d6f6a5a-0000-4000-8000-000000000001"
WHOLE = f"""<domain type='kvm' id='3'>
  <name>web-01</name>
  <uuid>{UUID}</uuid>
  <memory unit='KiB'>2097152</memory>
  <devices>
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <auth username='libvirt'><secret type='ceph' uuid='{UUID}'/></auth>
      <source protocol='rbd' name='vms/web-01'><host name='10.0.0.21' port='6789'/></source>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'><source file='/srv/a.iso'/><target dev='sda'/><readonly/></disk>
  </devices>
</domain>
""".encode()
VM = Vm(Uuid(UUID), "web-01", HostName("kvm-01"))
chances = st.randoms(use_true_random=False)
GIB = 1024**3


def check(document: bytes) -> None:
    try:
        domain = read_domain(document)
    except DomainError as error:
        refusal = str(error)
    else:
        check_domain(domain, document)
        return
    assert refusal.isprintable()
    assert len(refusal) < 400


def check_domain(domain: Domain, document: bytes) -> None:
    text = document.decode()
    assert domain.uuid.replace("-", "") in text.replace("-", "").lower()
    assert domain.name in text
    volumes = CephFence(CephSettings()).volumes_of(VM, domain.writable)
    assert all(image in text for image in volumes.names)
    assert all(other.isprintable() for other in volumes.others)


@settings(max_examples=examples(400))
@given(chance=chances)
def test_a_bent_document_is_refused_or_says_what_it_says(chance: random.Random) -> None:
    check(bent_by(chance, WHOLE))


@pytest.mark.parametrize("control", ["&#x9b;2J", "\u2028", "&#10;", "\u202e", "\x7f"])
def test_no_document_writes_to_the_terminal(control: str) -> None:
    for word in (b"dev='vda", b"type='file", b"name='vms/web-01"):
        document = WHOLE.replace(word, word + control.encode())
        assert document != WHOLE
        check(document)
        assert len(read_domain(document).disks) == 2


def test_a_document_cut_at_any_byte_is_refused() -> None:
    for length in range(len(WHOLE.rstrip())):
        with pytest.raises(DomainError, match="not well-formed"):
            read_domain(WHOLE[:length])


@settings(max_examples=examples(5))
@given(chance=chances)
def test_a_document_of_megabytes_is_refused(chance: random.Random) -> None:
    with pytest.raises(DomainError):
        read_domain(make_it_megabytes(chance, WHOLE))


# ---------------------------------------------------------------- what is made to blow up


def body(before: str = "", inside: str = "", after: str = "") -> str:
    return f"{before}<domain><name>web-01</name><uuid>{UUID}</uuid>{inside}{after}</domain>"


def entities(levels: int, width: int) -> str:
    first = "<!ENTITY e0 'ha'>"
    return first + "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * width}'>" for n in range(1, levels + 1))


BOMBS = {
    "billion-laughs": f"<!DOCTYPE domain [{entities(12, 10)}]>" + body(inside="<title>&e12;</title>"),
    "quadratic-blow-up": f"<!DOCTYPE domain [<!ENTITY a '{'x' * 50_000}'>]>" + body(inside="&a;" * 50_000),
    "entities-in-attributes": f"<!DOCTYPE domain [{entities(12, 10)}]>" + body(inside="<disk type='&e12;'/>"),
    "parameter-entities": "<!DOCTYPE domain [<!ENTITY % a '<!ENTITY b \"%c;\">'> %a;]>" + body(),
    "external-entity-of-a-file": "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>" + body(inside="&x;"),
    "external-entity-of-a-device": "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///dev/zero'>]>" + body(inside="&x;"),
    "external-entity-of-the-net": "<!DOCTYPE d [<!ENTITY x SYSTEM 'http://127.0.0.1:PORT/x'>]>" + body(inside="&x;"),
    "external-dtd-of-the-net": "<!DOCTYPE d PUBLIC '-//x' 'http://127.0.0.1:PORT/d.dtd'>" + body(),
    "include-of-the-net": body(
        inside="<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='http://127.0.0.1:PORT/'/>"
    ),
    "attributes-by-default": "<!DOCTYPE d [<!ATTLIST disk device CDATA 'cdrom'>]>" + body(inside="<disk/>"),
    "a-doctype-that-never-ends": "<!DOCTYPE " + "d" * 1_000_000,
    "nested-deep": "<domain>" * 130_000,
    "nested-deep-in-a-domain": body(inside="<a>" * 300_000),
    "one-tag-of-a-megabyte": "<domain " + "a" * 1_000_000,
    "one-comment-of-a-megabyte": "<domain><!--" + "-" * 1_000_000,
    "references-over-and-over": body(inside="<title>" + "&#38;" * 200_000 + "</title>") + "<",
    "memory-in-pieces": body(inside="<memory>" + "1<!---->" * 100_000 + "</memory>"),
    "two-encodings": "<?xml version='1.0' encoding='utf-7'?>" + body(),
    "a-style-sheet": "<?xml-stylesheet href='http://127.0.0.1:PORT/x'?>" + body() + "<x",
}
HARMLESS = {"include-of-the-net"}
"""Read as the element that it is: nothing is fetched."""


def within_bounds(*words: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """The command with a GiB of addresses and a minute of the processor: beyond, the kernel ends it."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (GIB, GIB))
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))

    return subprocess.run(
        [sys.executable, "-m", "hafence", *words],
        cwd=folder,
        check=False,
        preexec_fn=bound,
        capture_output=True,
        timeout=120,
    )


def write_inventory(folder: Path, files: list[str]) -> None:
    vms = "".join(
        f"  vm-{n}: {{uuid: {UUID[:-4]}{n + 1:04}, host: kvm-01, domain_xml: {file}}}\n" for n, file in enumerate(files)
    )
    (folder / "inventory.yaml").write_text(
        "store: sqlite:state.db\nclusters: {prod: {hypervisor: kvm}}\n"
        "hosts:\n  kvm-01: {cluster: prod, address: 127.0.0.2, ssh: {port: 9}}\n"
        "  kvm-02: {cluster: prod, address: 127.0.0.3, ssh: {port: 9}}\n"
        f"vms:\n{vms}"
    )


def refused_with_places(folder: Path, names: list[str]) -> dict[str, str]:
    """What the command says of each file, at the place where the inventory names it."""
    write_inventory(folder, [f"{name}.xml" for name in names])
    done = within_bounds("inventory", "check", "--json", folder=folder)
    assert done.returncode == 6, done.stderr
    assert b"Traceback" not in done.stderr
    says = {error["path"]: error["says"] for error in json.loads(done.stdout)["error"]["errors"]}
    assert all(len(words) < 600 for words in says.values())
    assert not (folder / "state.db").exists()
    return {name: says[f"vms.vm-{number}.domain_xml"] for number, name in enumerate(names)}


def test_no_bomb_costs_more_than_its_size_and_each_is_named_with_its_place(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        for name, document in BOMBS.items():
            (tmp_path / f"{name}.xml").write_text(document.replace("PORT", port))
        with open(tmp_path / "fifty-megabytes.xml", "wb") as file:
            file.write(WHOLE)
            file.truncate(50 * 1024 * 1024)
        (tmp_path / "gzip.xml").write_bytes(b"\x1f\x8b\x08" + bytes(100))
        says = refused_with_places(tmp_path, [*BOMBS, "fifty-megabytes", "gzip"])
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert {name for name, words in says.items() if "of another VM" in words} == HARMLESS
    assert {name for name, words in says.items() if "document type" in words} >= {
        name for name, document in BOMBS.items() if document.startswith("<!DOCTYPE") and "never" not in name
    }


def test_what_is_no_file_is_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.xml")
    (tmp_path / "device.xml").symlink_to("/dev/zero")
    (tmp_path / "itself.xml").symlink_to("itself.xml")
    says = refused_with_places(tmp_path, ["fifo", "device", "itself"])
    assert all("no regular file" in says[name] for name in ("fifo", "device"))
    assert "can't be read" in says["itself"]


def test_an_xml_that_has_become_something_else_since_the_check_starts_nothing(tmp_path: Path) -> None:
    """It is read again right before the start: a FIFO there once stopped a run for ever, with the VM fenced."""
    write_inventory(tmp_path, ["web.xml"])
    (tmp_path / "web.xml").write_bytes(WHOLE)
    inventory = read_inventory(str(tmp_path / "inventory.yaml"))
    vm = inventory.find_vm("vm-0").uuid
    hosts = Hosts(inventory.hosts, 1.0)
    order = StartOrder(vm, HostName("kvm-02"), 1, 2e9, 5.0)
    (tmp_path / "web.xml").unlink()
    for make in (os.mkfifo, lambda path: os.symlink("/dev/zero", path), os.mkdir):
        performer = HostPerformer(inventory, hosts, "run", Definitions(inventory, MemoryStore()))
        make(tmp_path / "web.xml")
        assert performer.memory_need(MemoryNeed(vm)) is None
        assert "web.xml" in performer.startable(Startable(vm)).why_not
        reply = performer.start(Start(order))
        assert reply.result is StartResult.CLEAN
        assert "can't be started from anything" in reply.says
        path = tmp_path / "web.xml"
        path.rmdir() if path.is_dir() else path.unlink()
    hosts.close()

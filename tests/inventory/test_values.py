"""What a valid inventory becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hafence.core.model import (
    CephSettings,
    HostState,
    PowerDevice,
    Ready,
    Settings,
    SshSettings,
    StartMode,
    Unreachable,
    Vm,
)
from hafence.inventory.entry import Entry
from hafence.inventory.faults import Mistakes
from hafence.inventory.tree import Map
from hafence.inventory.vms import VmCheck
from hafence.inventory.yaml_tree import build_tree

from .write import UUID, read, text

FULL = """
ssh: {user: ops, port: 2022, identity_file: keys/id, known_hosts: /etc/hafence/known_hosts, agent: true}
fencing:
  ssh_timeout: 25
  connect_timeout: 1500ms
  start_timeout: 1m
  power_timeout: 90s
  settle: 2
  lease: 2m
  evidence_age: 30
  quiet_time: 0
  statement_age: 1d
  boot_grace: 5m
  storm_share: 40%
  max_hosts: 3
  max_starts: 2
  max_starts_in_all: 6
  per: 2h
  paths: 5
  unreachable: prove
  pre_fence: false
store: sqlite:state.db
hooks: hooks
clusters:
  prod:
    hypervisor: KVM
    start: transient
    ceph: {conf: ceph.conf, user: hafence, mirrors: [10.9.0.1], expire: 12h}
  xen: {hypervisor: xen, start: {command: [/usr/bin/start-vm, --quietly]}}
  plain:
hosts:
  kvm-01:
    cluster: prod
    address: KVM-01.Example.org.
    state: maintenance
    uuid: 6D6F6A5A000040008000000000000099
    memory_mib: 65536
    labels: {rack: r1, row: '7'}
    root: roots/kvm-01/
    storage_address: 10.1.0.11
    ssh: {port: 22, sudo: false}
    power:
      - - agent: fence_ipmilan
          options: {ip: 10.0.1.1, lanplus: 1, password_file: bmc}
        - {agent: fence_pdu}
      - - {agent: fence_redfish, options: {password_command: "pass 'bmc one'"}}
        - {agent: fence_redfish, options: {password_command: [pass, bmc two]}}
        - {agent: fence_redfish, options: {password_env: BMC}}
  xen-01: {cluster: xen, address: 2001:DB8::0:1}
vms:
  web-01:
    uuid: 6D6F6A5A-0000-4000-8000-000000000001
    host: kvm-01
    domain_xml: domains/../web.xml
    ha: False
    priority: -5
    memory_mib: 1024
    anti_affinity: [web, front]
    disks: [rbd:vms/web-01, rbd:vms/ns/web-01, /dev/vg/web-01]
    ready: {tcp: 389, within: 90}
"""


def test_every_key_arrives(tmp_path: Path) -> None:
    (tmp_path / "hooks").mkdir()
    (tmp_path / "domains").mkdir()
    (tmp_path / "web.xml").write_text("")
    inventory = read(tmp_path, FULL)
    here = str(tmp_path)

    times = (25, 1.5, 60, 90, 2, 120, 30, 0, 86400, 300, 0.4, 3, 7200, 2, 6)
    assert inventory.settings == Settings(*times, paths=5, unreachable=Unreachable.PROVE, pre_fence=False)
    assert inventory.store == f"sqlite://{here}/state.db"
    assert inventory.hooks == f"{here}/hooks"
    prod, xen, plain = (inventory.clusters[name] for name in ("prod", "xen", "plain"))
    assert (prod.hypervisor, prod.start, prod.ceph) == (
        "kvm",
        StartMode.TRANSIENT,
        CephSettings(f"{here}/ceph.conf", "hafence", None, ("10.9.0.1",), 43200),
    )
    assert (xen.is_kvm, xen.start, xen.start_command) == (False, StartMode.COMMAND, ("/usr/bin/start-vm", "--quietly"))
    assert (plain.is_kvm, plain.start) == (True, StartMode.PERSISTENT)

    host = inventory.find_host("kvm-01")
    assert (host.address, host.state, host.memory_mib) == ("kvm-01.example.org", HostState.MAINTENANCE, 65536)
    assert (host.uuid, host.root) == ("6d6f6a5a-0000-4000-8000-000000000099", f"{here}/roots/kvm-01")
    assert host.storage_address == "10.1.0.11"
    assert host.labels == (("rack", "r1"), ("row", "7"))
    assert host.ssh == SshSettings("ops", 22, f"{here}/keys/id", "/etc/hafence/known_hosts", agent=True, sudo=False)
    assert host.power == (
        (
            PowerDevice("fence_ipmilan", (("ip", "10.0.1.1"), ("lanplus", "1"), ("password_file", f"{here}/bmc"))),
            PowerDevice("fence_pdu"),
        ),
        (
            PowerDevice("fence_redfish", (("password_command", ("pass", "bmc one")),)),
            PowerDevice("fence_redfish", (("password_command", ("pass", "bmc two")),)),
            PowerDevice("fence_redfish", (("password_env", "BMC"),)),
        ),
    )
    assert inventory.find_host("xen-01").address == "2001:db8::1"
    assert inventory.find_host("xen-01").ssh.port == 2022

    assert inventory.find_vm("web-01") == Vm(
        inventory.find_vm(UUID).uuid,
        "web-01",
        host.name,
        f"{here}/web.xml",
        ha=False,
        priority=-5,
        memory_mib=1024,
        anti_affinity=("web", "front"),
        disks=("rbd:vms/web-01", "rbd:vms/ns/web-01", "/dev/vg/web-01"),
        ready=Ready(389, 90),
    )


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    inventory = read(tmp_path, text())
    assert inventory.settings == Settings()
    assert inventory.store == "sqlite:///var/lib/hafence/state.db"
    assert inventory.hooks is None
    assert inventory.find_host("kvm-01").ssh == SshSettings()
    assert inventory.find_vm("web-01").ha


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("sqlite:///var/lib/x.db", "sqlite:///var/lib/x.db"),
        ("sqlite:state.db", "sqlite://{here}/state.db"),
        ("sqlite://state.db", "sqlite://{here}/state.db"),
        ("sqlite:../state.db", "sqlite://{above}/state.db"),
        ("etcd://h1:2379,h2:2379,[2001:db8::1]:2379", "etcd://h1:2379,h2:2379,[2001:db8::1]:2379"),
        ("etcd://10.0.0.1/hafence", "etcd://10.0.0.1/hafence"),
    ],
)
def test_a_store_beside_the_inventory_becomes_absolute(tmp_path: Path, written: str, becomes: str) -> None:
    inventory = read(tmp_path, text(more=f"store: '{written}'"))
    assert inventory.store == becomes.format(here=tmp_path, above=tmp_path.parent)


def test_two_ports_of_one_address_are_two_hosts(tmp_path: Path) -> None:
    hosts = "a: {cluster: prod, address: 127.0.0.1, ssh: {port: 2201}}\n  b: {cluster: prod, address: 127.0.0.1}"
    inventory = read(tmp_path, text(host=hosts, vm=f"v: {{uuid: {UUID}, host: a}}"))
    assert len(inventory.hosts) == 2


def test_a_relative_path_is_relative_to_the_file_wherever_the_run_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    inventory = read(tmp_path, text(more="ssh: {identity_file: ~/id, known_hosts: ./known_hosts}"))
    ssh = inventory.find_host("kvm-01").ssh
    assert ssh.known_hosts == f"{tmp_path}/known_hosts"
    assert ssh.identity_file == str(Path("~/id").expanduser())


def test_a_domain_xml_may_be_a_link_and_stand_anywhere(tmp_path: Path) -> None:
    (tmp_path / "real.xml").write_text("")
    (tmp_path / "link.xml").symlink_to("real.xml")
    for written in ("link.xml", "./link.xml", f"{tmp_path}/link.xml"):
        inventory = read(tmp_path, text(vm=f"web-01: {{uuid: {UUID}, host: kvm-01, domain_xml: {written}}}"))
        assert inventory.find_vm("web-01").domain_xml == f"{tmp_path}/link.xml"


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("{tcp: 389}", Ready(389, 120)),
        ("{tcp: 1, within: 1}", Ready(1, 1)),
        ("{tcp: 65535, within: 1h}", Ready(65535, 3600)),
        ("{guest_agent: true}", Ready(None, 120)),
        ("{within: 1.5m, guest_agent: TRUE}", Ready(None, 90)),
    ],
)
def test_what_has_to_answer_before_a_vm_serves(tmp_path: Path, written: str, becomes: Ready) -> None:
    inventory = read(tmp_path, text(vm=f"web-01: {{uuid: {UUID}, host: kvm-01, ready: {written}}}"))
    assert inventory.find_vm("web-01").ready == becomes


def test_vms_are_the_same_read_together_and_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("")
    kinds = [
        "",
        ", ha: false",
        ", priority: 7, disks: [/dev/a, rbd:a/b]",
        ", anti_affinity: x",
        ", anti_affinity: [x, y]",
    ]
    kinds += [", domain_xml: a.xml, memory_mib: 9", ", disks: []", ", ready: {tcp: 53}"]
    kinds += [", ready: {guest_agent: True, within: 2m}"]
    vms = "\n  ".join(f"v{n}: {{uuid: {UUID[:-1]}{n}, host: kvm-01{more}}}" for n, more in enumerate(kinds))
    tree = build_tree("inventory.yaml", text(vm=vms).encode(), faults := Mistakes())
    assert tree is not None
    section = Entry(faults, "inventory.yaml", str(tmp_path), "", tree).child("vms")
    assert section is not None
    named = [(name, node) for name, node in section.node.values.items() if isinstance(node, Map)]
    together, single = VmCheck(frozenset({"kvm-01"})), VmCheck(frozenset({"kvm-01"}))
    assert together.add_all(section, named)
    single.begin(section)
    for name, node in named:
        single.add(name, node)
    assert not faults
    assert list(together.vms.values()) == list(single.vms.values())
    assert len(single.vms) == len(kinds)
    for name, node in named:  # a key that no VM of the section has is another way
        alone = VmCheck(frozenset({"kvm-01"}))
        assert alone.add_all(section, [(name, node)])
        assert list(alone.vms.values()) == [vm for vm in single.vms.values() if vm.name == name]

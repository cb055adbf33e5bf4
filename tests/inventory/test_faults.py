"""Each fault of an inventory is told with its line, its path, what is wrong and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from hafence.core.model import HostName

from .write import CLUSTER, HOST, OTHER_UUID, UUID, VM, faults, read, text


def host(more: str) -> str:
    return text(host=f"kvm-01: {{cluster: prod, address: 10.0.0.11, {more}}}")


def vm(more: str) -> str:
    return text(vm=f"web-01: {{uuid: {UUID}, host: kvm-01, {more}}}")


def address(written: str) -> str:
    return text(host=f"kvm-01: {{cluster: prod, address: {written}}}")


def fencing(more: str) -> str:
    return text(more=f"fencing:\n  {more}")


def options(more: str) -> str:
    return host(f"power: [[{{agent: fence_ipmilan, options: {{{more}}}}}]]")


OPTIONS = "hosts.kvm-01.power[0][0].options"

NAMES_AND_KEYS = [
    (text(more="host:\n  a: {}"), 7, "host", ["unknown key 'host'", "did you mean 'hosts'?"]),
    (text(more="zebra: 1"), 7, "zebra", ["unknown key", "known here: ssh, fencing, store"]),
    (host("addr: 10.0.0.1"), 4, "hosts.kvm-01.addr", ["did you mean 'address'?"]),
    (host("port: 2222"), 4, "hosts.kvm-01.port", ["write ssh: {port: …}"]),
    (vm("domain-xml: x"), 6, "vms.web-01.domain-xml", ["did you mean 'domain_xml'?"]),
    (fencing("ssh-timeout: 20"), 8, "fencing.ssh-timeout", ["did you mean 'ssh_timeout'?"]),
    (text(more="ssh: {password: hunter2}"), 7, "ssh.password", ["keys, never with passwords", "identity_file"]),
    (text(host=f"{HOST}\n  {HOST}"), 5, "hosts.kvm-01", ["stands twice", "on line 4 and on line 5"]),
    (text(vm=f"web-01: {{uuid: {UUID}, host: kvm-01,\n    host: kvm-01}}"), 7, "vms.web-01.host", ["line 6", "line 7"]),
    (text(more="hosts: {}"), 7, "hosts", ["on line 3 and on line 7"]),
    (text(vm=f"'web;rm': {{uuid: {UUID}, host: kvm-01}}"), 6, "vms.web;rm", ["can't be a name", "letters, digits"]),
    (text(host=f"{HOST}\n  -k: {{cluster: prod, address: 10.0.0.2}}"), 5, "hosts.-k", ["can't be a name"]),
    (text(vm="web-01: yes"), 6, "vms.web-01", ["is a text: write a mapping", "uuid: …"]),
    (text(vm="web-01:"), 6, "vms.web-01", ["is empty: write a mapping"]),
    (text(more="ssh: [22]"), 7, "ssh", ["is a list: write a mapping"]),
    (text(vm=f"web-01: {{uuid: {UUID}}}"), 6, "vms.web-01", ["lacks host: write host: kvm-01"]),
    (text(vm="web-01:\n    host: kvm-01"), 6, "vms.web-01", ["lacks uuid"]),
    (text(host="kvm-01: {cluster: prod}"), 4, "hosts.kvm-01", ["lacks address"]),
]

REFERENCES = [
    (text(vm=f"web-01: {{uuid: {UUID}, host: kvm-1}}"), 6, "vms.web-01.host", ["no host 'kvm-1'", "mean 'kvm-01'?"]),
    (text(vm=f"web-01: {{uuid: {UUID}, host: KVM-01}}"), 6, "vms.web-01.host", ["no host 'KVM-01'", "mean 'kvm-01'?"]),
    (text(vm=f"web-01: {{uuid: {UUID}, host: z}}"), 6, "vms.web-01.host", ["no host 'z'", "write it under hosts:"]),
    (
        text(host="kvm-01: {cluster: prud, address: 10.0.0.1}"),
        4,
        "hosts.kvm-01.cluster",
        ["no cluster 'prud'", "did you mean 'prod'?"],
    ),
    (
        text(vm=f"{VM}\n  web-02: {{uuid: {UUID.upper().replace('-', '')}, host: kvm-01}}"),
        7,
        "vms.web-02.uuid",
        [f"{UUID} is also the uuid of vms.web-01 (line 6)", "each VM has its own"],
    ),
    (
        text(host=f"{HOST}\n  kvm-02: {{cluster: prod, address: 10.0.0.11}}"),
        5,
        "hosts.kvm-02.address",
        ["10.0.0.11 port 22 is also the address of hosts.kvm-01 (line 4)"],
    ),
    (
        text(
            host="a: {cluster: prod, address: '2001:db8::1'}\n  b: {cluster: prod, address: '2001:DB8:0::1'}",
            vm=f"v: {{uuid: {UUID}, host: a}}",
        ),
        5,
        "hosts.b.address",
        ["is also the address of hosts.a"],
    ),
    (
        text(vm=f"{OTHER_UUID}: {{uuid: {UUID}, host: kvm-01}}"),
        6,
        f"vms.{OTHER_UUID}",
        ["is named like a UUID that is not its own"],
    ),
]

STORAGE = [
    (host("storage_address: kvm-01-san"), 4, "hosts.kvm-01.storage_address", ["not an IP address", "a name won't do"]),
    (
        text(
            host="a: {cluster: prod, address: 10.0.0.1, storage_address: 10.1.0.1}\n"
            "  b: {cluster: prod, address: 10.0.0.2, storage_address: 10.1.0.1}",
            vm=f"v: {{uuid: {UUID}, host: a}}",
        ),
        5,
        "hosts.b.storage_address",
        ["10.1.0.1 is also the address of hosts.a (line 4)", "would shut out both"],
    ),
    (
        text(
            host="a: {cluster: prod, address: 10.0.0.1, storage_address: 10.0.0.2}\n"
            "  b: {cluster: prod, address: 10.0.0.2}",
            vm=f"v: {{uuid: {UUID}, host: a}}",
        ),
        4,
        "hosts.a.storage_address",
        ["10.0.0.2 is also the address of hosts.b (line 5)"],
    ),
    (text(cluster="prod: {ceph: {mirrors: [backup]}}"), 2, "clusters.prod.ceph.mirrors[0]", ["not an IP address"]),
    (text(cluster="prod: {ceph: {expire: 30s}}"), 2, "clusters.prod.ceph.expire", ["from 10m to 30d"]),
]

VALUES = [
    (text(vm="web-01: {uuid: 6d6f6a5a, host: kvm-01}"), 6, "vms.web-01.uuid", ["'6d6f6a5a' is not a UUID", "32 hex"]),
    (text(vm="web-01: {uuid: [], host: kvm-01}"), 6, "vms.web-01.uuid", ["is a list: write a text"]),
    (address("10.0.0.300"), 4, "hosts.kvm-01.address", ["not an IPv4 address", "from 0 to 255"]),
    (address("010.0.0.3"), 4, "hosts.kvm-01.address", ["not an IPv4 address"]),
    (address("10.0.0.1:22"), 4, "hosts.kvm-01.address", ["holds a port", "ssh: {port: …}"]),
    (address("'[2001:db8::1]'"), 4, "hosts.kvm-01.address", ["in brackets"]),
    (address("fe80::1%eth0"), 4, "hosts.kvm-01.address", ["differs from host to host"]),
    (address("2001:db8::g"), 4, "hosts.kvm-01.address", ["not an IPv6 address"]),
    (address("0.0.0.0"), 4, "hosts.kvm-01.address", ["no host's own address"]),
    (address("kvm;reboot"), 4, "hosts.kvm-01.address", ["neither an IP address nor a DNS name"]),
    (address("-oProxyCommand=x"), 4, "hosts.kvm-01.address", ["neither an IP address nor a DNS name"]),
    (address("kvm-é"), 4, "hosts.kvm-01.address", ["xn--"]),
    (address("root@kvm-01"), 4, "hosts.kvm-01.address", ["holds no user"]),
    (address("''"), 4, "hosts.kvm-01.address", ["neither an IP address nor a DNS name"]),
    (address(""), 4, "hosts.kvm-01.address", ["is empty: write a text"]),
    (host("state: off"), 4, "hosts.kvm-01.state", ["'off' is no state: write enabled, disabled or maintenance"]),
    (host("memory_mib: 16G"), 4, "hosts.kvm-01.memory_mib", ["'16G' is not a whole number"]),
    (host("memory_mib: 022"), 4, "hosts.kvm-01.memory_mib", ["without leading zeros"]),
    (host("memory_mib: 0"), 4, "hosts.kvm-01.memory_mib", ["out of range: write a whole number from 1"]),
    (host("labels: {rack: [1]}"), 4, "hosts.kvm-01.labels.rack", ["is a list"]),
    (host('labels: {rack: "a\\nb"}'), 4, "hosts.kvm-01.labels.rack", ["line break"]),
    (host("root: '/tmp/$(x)'"), 4, "hosts.kvm-01.root", ["no folder that scripts can use"]),
    (host("ssh: {port: 70000}"), 4, "hosts.kvm-01.ssh.port", ["70000 is out of range", "from 1 to 65535"]),
    (host("ssh: {user: '-l root'}"), 4, "hosts.kvm-01.ssh.user", ["no user name"]),
    (host("ssh: {sudo: yes}"), 4, "hosts.kvm-01.ssh.sudo", ["'yes' is not taken for a boolean: write true"]),
    (host('ssh: {identity_file: "a\\0b"}'), 4, "hosts.kvm-01.ssh.identity_file", ["control character"]),
    (vm("ha: off"), 6, "vms.web-01.ha", ["'off' is not taken for a boolean: write false"]),
    (vm("ha: maybe"), 6, "vms.web-01.ha", ["write true or false"]),
    (vm("ha: ~"), 6, "vms.web-01.ha", ["is empty", "leave the key out"]),
    (vm("priority: 1.5"), 6, "vms.web-01.priority", ["not a whole number"]),
    (vm("anti_affinity: [web, 'a b']"), 6, "vms.web-01.anti_affinity[1]", ["can't be a name"]),
    (vm("anti_affinity: {a: b}"), 6, "vms.web-01.anti_affinity", ["is a mapping: write a text or a list"]),
    (vm("disks: [rbd:pool]"), 6, "vms.web-01.disks[0]", ["write rbd:POOL/IMAGE"]),
    (vm("disks: [rbd:pool/im;age]"), 6, "vms.web-01.disks[0]", ["no RBD image"]),
    (vm("disks: [relative.img]"), 6, "vms.web-01.disks[0]", ["absolute path"]),
    (vm("disks: rbd:pool/image"), 6, "vms.web-01.disks", ["is a text: write a list of texts"]),
    (vm("ready: true"), 6, "vms.web-01.ready", ["is a text: write a mapping"]),
    (vm("ready: ~"), 6, "vms.web-01.ready", ["is empty: write a mapping"]),
    (vm("ready: [tcp]"), 6, "vms.web-01.ready", ["is a list: write a mapping"]),
    (vm("ready: {}"), 6, "vms.web-01.ready", ["what has to answer: write tcp: PORT or guest_agent: true"]),
    (vm("ready: {within: 2m}"), 6, "vms.web-01.ready", ["does not say what has to answer"]),
    (vm("ready: {tcp: 22, guest_agent: true}"), 6, "vms.web-01.ready.guest_agent", ["two things", "one of them"]),
    (vm("ready: {tcp: ldap}"), 6, "vms.web-01.ready.tcp", ["'ldap' is not a whole number"]),
    (vm("ready: {tcp: 0}"), 6, "vms.web-01.ready.tcp", ["out of range: write a whole number from 1 to 65535"]),
    (vm("ready: {tcp: 65536}"), 6, "vms.web-01.ready.tcp", ["out of range: write a whole number from 1 to 65535"]),
    (vm("ready: {tcp: [22, 80]}"), 6, "vms.web-01.ready.tcp", ["is a list: write a text"]),
    (vm("ready: {guest_agent: false}"), 6, "vms.web-01.ready.guest_agent", ["asks nothing", "leave ready out"]),
    (vm("ready: {guest_agent: yes}"), 6, "vms.web-01.ready.guest_agent", ["write true"]),
    (vm("ready: {tcp: 22, within: soon}"), 6, "vms.web-01.ready.within", ["'soon' is not a duration"]),
    (vm("ready: {tcp: 22, within: 500ms}"), 6, "vms.web-01.ready.within", ["a duration from 1s to 1h"]),
    (vm("ready: {tcp: 22, within: 2h}"), 6, "vms.web-01.ready.within", ["a duration from 1s to 1h"]),
    (vm("ready: {tcp: 22, within_s: 2}"), 6, "vms.web-01.ready.within_s", ["did you mean 'within'?"]),
    (vm('domain_xml: "a\\nb"'), 6, "vms.web-01.domain_xml", ["line break"]),
]

SETTINGS = [
    (fencing("ssh_timeout: 20 parsecs"), 8, "fencing.ssh_timeout", ["is not a duration", "like 20s"]),
    (fencing("ssh_timeout: -5"), 8, "fencing.ssh_timeout", ["is not a duration"]),
    (fencing("ssh_timeout: 10:30"), 8, "fencing.ssh_timeout", ["'10:30' is not a duration"]),
    (fencing("ssh_timeout: .inf"), 8, "fencing.ssh_timeout", ["is not a duration"]),
    (fencing("ssh_timeout: 0"), 8, "fencing.ssh_timeout", ["out of range: write a duration from 2s to 10m"]),
    (fencing("settle: 500ms"), 8, "fencing.settle", ["out of range: write a duration from 1s to 1m"]),
    (fencing("unreachable: trust"), 8, "fencing.unreachable", ["write proceed, confirm or prove"]),
    (fencing("storm_share: 150%"), 8, "fencing.storm_share", ["is not a share"]),
    (fencing("max_hosts: 0"), 8, "fencing.max_hosts", ["out of range: write a whole number from 1"]),
    (fencing("per: 5s"), 8, "fencing.per", ["out of range: write a duration from 1m to 7d"]),
    (fencing("pre_fence: no"), 8, "fencing.pre_fence", ["write false"]),
    (fencing("lease: 15"), 8, "fencing.lease", ["too short for power_timeout (1m)", "lease: 70s or more"]),
    (fencing("ssh_timeout: 300"), 8, "fencing.ssh_timeout", ["too short for ssh_timeout (5m)", "lease: 310s"]),
    (fencing("settle: 30s"), 8, "fencing.settle", ["leaves no time for settle", "ssh_timeout of at least 31s"]),
    (text(more="store: state.db"), 7, "store", ["is no store", "sqlite:///PATH"]),
    (text(more="store: 'sqlite::memory:'"), 7, "store", ["names no file"]),
    (text(more="store: etcd://h1:2379,h2:99999"), 7, "store", ["99999 is out of range"]),
    (text(more="store: etcd://root:hunter2@h1:2379"), 7, "store", ["holds a user or a password"]),
    (text(more="hooks: nowhere"), 7, "hooks", ["No such file", "folder of executables"]),
    (text(more="hooks: inventory.yaml"), 7, "hooks", ["is no folder"]),
    (text(cluster="prod: {hypervisor: qemu}"), 2, "clusters.prod.hypervisor", ["may mean KVM: write kvm"]),
    (text(cluster="prod: {hypervisor: xen}"), 2, "clusters.prod.hypervisor", ["start: {command: [PROGRAM"]),
    (text(cluster="prod: {start: command}"), 2, "clusters.prod.start", ["no way to start a VM"]),
    (text(cluster="prod: {start: {command: virsh start}}"), 2, "clusters.prod.start.command", ["list of texts"]),
    (text(cluster="prod: {start: {command: []}}"), 2, "clusters.prod.start.command", ["is empty: write [PROGRAM"]),
    (text(cluster="prod: {start: {}}"), 2, "clusters.prod.start", ["lacks command"]),
    (text(cluster="prod: {ceph: {user: client.admin}}"), 2, "clusters.prod.ceph.user", ["without 'client.'"]),
]

POWER = [
    (host("power: fence_ipmilan"), 4, "hosts.kvm-01.power", ["no list of levels", "[[{agent: fence_ipmilan"]),
    (host("power: {agent: fence_ipmilan}"), 4, "hosts.kvm-01.power", ["no list of levels"]),
    (host("power: []"), 4, "hosts.kvm-01.power", ["is empty"]),
    (host("power: [[]]"), 4, "hosts.kvm-01.power[0]", ["is an empty level"]),
    (host("power: [{agent: fence_ipmilan}]"), 4, "hosts.kvm-01.power[0]", ["is no list of devices"]),
    (host("power: [[{agent: ipmi}]]"), 4, "hosts.kvm-01.power[0][0].agent", ["write fence_"]),
    (host("power: [[{agent: fence_../sh}]]"), 4, "hosts.kvm-01.power[0][0].agent", ["no fence agent"]),
    (host("power: [[{options: {}}]]"), 4, "hosts.kvm-01.power[0][0]", ["lacks agent"]),
    (host("power: [[{agent: fence_x, ip: h}]]"), 4, "hosts.kvm-01.power[0][0].ip", ["belongs under options:"]),
    (
        options("password: hunter2"),
        4,
        f"{OPTIONS}.password",
        ["password_file: PATH", "password_env", "password_command"],
    ),
    (options("passwd: hunter2"), 4, f"{OPTIONS}.passwd", ["a secret does not stand in the inventory"]),
    (options("snmp_priv_passwd: hunter2"), 4, f"{OPTIONS}.snmp_priv_passwd", ["a secret does not stand"]),
    (options("action: reboot"), 4, f"{OPTIONS}.action", ["can't be set"]),
    (options('ip: "h\\naction=on"'), 4, f"{OPTIONS}.ip", ["on one line"]),
    (options('"a=b": c'), 4, f"{OPTIONS}.a=b", ["no option of a fence agent"]),
    (options("password_env: 'hunter2 !'"), 4, f"{OPTIONS}.password_env", ["the variable's name, not the secret"]),
    (options("password_command: []"), 4, f"{OPTIONS}.password_command", ["is empty"]),
    (options("password_command: 'pass \"hunter2'"), 4, f"{OPTIONS}.password_command", ["is no command"]),
    (options("password_file: a, password_env: B"), 4, f"{OPTIONS}.password_env", ["stands beside password_file"]),
]


@pytest.mark.parametrize(
    ("content", "line", "path", "words"),
    NAMES_AND_KEYS + REFERENCES + STORAGE + VALUES + SETTINGS + POWER,
    ids=lambda value: None,
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, content: str, line: int, path: str, words: list[str]) -> None:
    (fault,) = faults(tmp_path, content)
    assert (fault.file, fault.line, fault.path) == (str(tmp_path / "inventory.yaml"), line, path)
    for part in words:
        assert part in fault.says
    assert "hunter2" not in str(fault)


def test_all_faults_are_told_at_once_by_line(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        "ssh: {port: x}\nfencing: {settle: 0}\nclusters: {c: {start: x}}\nhosts:\n  h: {cluster: d, address: '!'}\n"
        "vms:\n  v: {uuid: 1, host: i, ha: 1}\n",
    )
    assert [(fault.line, fault.path) for fault in found] == [
        (1, "ssh.port"),
        (2, "fencing.settle"),
        (3, "clusters.c.start"),
        (5, "hosts.h.address"),
        (5, "hosts.h.cluster"),
        (7, "vms.v.ha"),
        (7, "vms.v.host"),
        (7, "vms.v.uuid"),
    ]


TEMPLATE = "is a template that nobody has filled in"


@pytest.mark.parametrize(
    ("written", "line", "path"),
    [
        (address("{{ ip }}"), 4, "hosts.kvm-01.address"),
        (address("{{ hostvars[inventory_hostname].ip }}"), 4, ""),
        (address("'{{ ip }}'"), 4, "hosts.kvm-01.address"),
        (address("{{ net }}.11"), 4, ""),
        (text(vm="web-01:\n    uuid: {{ uuid }}\n    host: kvm-01"), 7, "vms.web-01.uuid"),
        (text(vm="{% for vm in vms %}"), 6, ""),
        (text(host="{{ hosts }}"), 3, "hosts"),
        (host("labels: {a: {{ b }}}"), 4, "hosts.kvm-01.labels.a"),
    ],
)
def test_a_template_is_told_as_one(tmp_path: Path, written: str, line: int, path: str) -> None:
    found = [fault for fault in faults(tmp_path, written) if fault.line == line]
    assert path in {fault.path for fault in found}
    assert all(fault.says.count(TEMPLATE) == 1 for fault in found)


def test_a_template_is_no_reason_not_to_check_the_rest(tmp_path: Path) -> None:
    found = faults(tmp_path, text(host="kvm-01: {cluster: prod, address: {{ ip }}, port: 22}", vm="web-01: yes"))
    assert [fault.path for fault in found] == ["hosts.kvm-01.address", "hosts.kvm-01.port", "vms.web-01"]


def test_braces_that_are_quoted_and_belong_there_are_no_template(tmp_path: Path) -> None:
    inventory = read(tmp_path, host("labels: {note: '{{ kept }}'}"))
    assert inventory.hosts[HostName("kvm-01")].labels == (("note", "{{ kept }}"),)


def test_who_refers_to_a_faulty_host_or_cluster_is_not_at_fault(tmp_path: Path) -> None:
    (cluster,) = faults(tmp_path, text(cluster="prod: {start: x}"))
    assert cluster.path == "clusters.prod.start"
    (entry,) = faults(tmp_path, text(host="kvm-01: 10.0.0.11"))
    assert entry.path == "hosts.kvm-01"


@pytest.mark.parametrize("content", ["", "\n\n# nothing\n", "---\n", "{}", "~"])
def test_an_empty_inventory_says_what_to_write(tmp_path: Path, content: str) -> None:
    (fault,) = faults(tmp_path, content)
    assert "has no hosts: write hosts:" in fault.says


def test_many_unknown_hosts_are_told_in_time_and_bounded(tmp_path: Path) -> None:
    # difflib over every name for each of them would take minutes
    hosts = "".join(f"  kvm-{n:04}: {{cluster: prod, address: 10.1.{n // 250}.{n % 250 + 1}}}\n" for n in range(1000))
    vms = "".join(f"  v{n}: {{uuid: {UUID[:-5]}{n:05}, host: kvm-x{n}}}\n" for n in range(5000))
    found = faults(tmp_path, f"clusters:\n  {CLUSTER}\nhosts:\n{hosts}vms:\n{vms}")
    assert len(found) == 2000
    assert "did you mean" in found[0].says

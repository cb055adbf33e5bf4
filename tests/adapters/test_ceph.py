"""What rbd and ceph say, read exactly, and what is asked of them. Golden files are named for their oddity."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafence.adapters.hosts.program import Program, ProgramResult
from hafence.adapters.storage.ceph import (
    CephError,
    CephStorage,
    entries,
    lockers,
    parse_entries,
    parse_images,
    parse_rehearsal,
    watchers,
)
from hafence.core.model import CephSettings, HostName, Uuid, Vm
from hafence.core.storage.ceph import CephFence, Client
from hafence.core.storage.port import ClientsSeen, EntriesSeen, Entry, Unanswered, Volume, Volumes
from hafence.core.storage.rehearsal import Hindrance
from hafence.core.troubles import Trouble
from hafence.inventory.domain_xml import read_domain

GOLDEN = Path(__file__).parent / "ceph"
NONCE = "0123456789abcdef"
READERS: dict[str, Callable[[str], object]] = {"status": watchers, "locks": lockers, "blocklist": entries}
END = 1795370635.030304  # 2026-11-22T18:03:55.030304Z


def golden(name: str) -> str:
    return (GOLDEN / f"{name}.json").read_text()


@pytest.mark.parametrize(
    ("name", "clients"),
    [
        ("status-one-watcher", [Client("10.77.102.11", 0, 2885735575)]),
        ("status-watchers-none", []),
        ("status-a-stranger-beside", [Client("10.77.102.200", 0, 2880567757), Client("10.77.102.11", 0, 3464305890)]),
        ("status-luminous-keyed", [Client("10.77.102.11", 0, 2885735575)]),
        ("status-ipv6-and-v1", [Client("fd00::11", 0, 77)]),
        ("locks-none", []),
        ("locks-auto", [Client("10.77.102.11", 0, 3464305890)]),
        ("locks-mimic-keyed", [Client("10.77.102.11", 0, 3464305890)]),
    ],
)
def test_clients_of_an_image(name: str, clients: list[Client]) -> None:
    assert READERS[name.partition("-")[0]](golden(name)) == tuple(clients)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("blocklist-none", []),
        ("blocklist-none-and-no-ranges", []),
        (
            "blocklist-two-and-no-ranges",
            [Entry(Client("fd00::1", 0, 77), END + 0.735293), Entry(Client("10.9.9.9", 0, 0), END)],
        ),
        ("blocklist-one-and-a-range", [Entry(Client("10.9.9.9", 0, 0), END)]),
        ("blocklist-another-time-zone", [Entry(Client("10.9.9.9", 0, 0), END)]),
    ],
)
def test_entries_of_the_blocklist(name: str, found: list[Entry[Client]]) -> None:
    got = entries(golden(name))
    assert [each.client for each in got] == [each.client for each in found]
    assert [each.until for each in got] == pytest.approx([each.until for each in found])


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("odd-*.json")), ids=lambda path: path.stem)
def test_an_odd_answer_is_an_error_and_never_an_empty_list(path: Path) -> None:
    with pytest.raises(CephError):
        READERS[path.stem.split("-")[1]](path.read_text())


def test_every_golden_file_is_used() -> None:
    names = re.findall(r'"((?:status|locks|blocklist)-[a-z0-9-]+)"', Path(__file__).read_text())
    assert {path.stem for path in GOLDEN.glob("*.json") if not path.stem.startswith("odd-")} == set(names)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("10.0.0.1:0/1"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["watchers", "address", "addr", "until", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON.map(json.dumps) | st.text(max_size=200), st.sampled_from(sorted(READERS)))
def test_whatever_is_said_it_is_read_or_a_cepherror(text: str, what: str) -> None:
    with suppress(CephError):
        assert isinstance(READERS[what](text), tuple)


LINES = st.lists(
    st.sampled_from(
        [
            f"hafence/1 {NONCE} hello clock=1763824000.1 machine=- host=kvm-02",
            f'hafence/1 {NONCE} status 1 0 {{"watchers":[]}}',
            f"hafence/1 {NONCE} locks 1 0 []",
            f"hafence/1 {NONCE} from 10.0.0.12",
            f"hafence/1 {NONCE} blocklist 0 []",
            f"hafence/1 {NONCE} blocklist 124 ",
            f"hafence/1 {NONCE} may 0",
            f"hafence/1 {NONCE} may 13",
            f"hafence/1 {NONCE} may 124",
            f"hafence/1 {NONCE} breaks false",
            f"hafence/1 {NONCE} lacks rbd",
            f"hafence/1 {NONCE} end",
            "hafence/1 ffffffffffffffff end",
            "Last login: today",
        ]
    )
    | st.text(max_size=60),
    max_size=9,
)


@given(LINES, st.sampled_from([0, 1, 11, 124, 255, None]), st.sampled_from([None, *Trouble]))
def test_whatever_a_host_answers_it_is_read_or_a_cepherror(
    lines: list[str], status: int | None, trouble: Trouble | None
) -> None:
    run = ProgramResult(trouble, "", status, "\n".join(lines) + "\n", "", 0.1)
    whole = [line for line in lines if line.startswith("hafence/")]
    try:
        parse_images(NONCE, run, ["rbd/a"])
    except CephError:
        pass
    else:
        assert whole[-1] == f"hafence/1 {NONCE} end"
        assert status == 0
        assert trouble is None
    try:
        lacks = parse_rehearsal(NONCE, run)
    except CephError:
        pass
    else:
        refused = f"hafence/1 {NONCE} may 13" in whole
        assert (Hindrance.RIGHT in lacks) == refused
        assert refused or {f"hafence/1 {NONCE} may 0", f"hafence/1 {NONCE} blocklist 0 []"} <= set(whole)
    try:
        parse_entries(NONCE, run)
    except CephError:
        pass
    else:
        assert f"hafence/1 {NONCE} blocklist 0 []" in whole


# ---------------------------------------------------------------- which volumes


def domain(*disks: str) -> str:
    uuid = "6d6f6a5a-0000-4000-8000-000000000001"
    return f"<domain><name>web-01</name><uuid>{uuid}</uuid><devices>{''.join(disks)}</devices></domain>"


RBD = "<disk type='network' device='disk'><source protocol='rbd' name='rbd/a'/><target dev='vda'/></disk>"
FENCE = CephFence(CephSettings())
VM = Vm(Uuid("6d6f6a5a-0000-4000-8000-000000000001"), "web-01", HostName("kvm-01"))


@pytest.mark.parametrize(
    ("disk", "covered"),
    [
        ("", True),
        (RBD.replace("rbd/a", "rbd/b"), True),
        ("<disk type='file' device='disk'><source file='/b.raw'/><target dev='vdb'/></disk>", False),
        ("<disk type='file' device='disk'><source file='/b.raw'/><target dev='vdb'/><readonly/></disk>", True),
        ("<disk type='file' device='cdrom'><source file='/b.iso'/><target dev='sda'/></disk>", True),
        ("<disk type='file' device='cdrom'><target dev='sda'/></disk>", True),
        ("<disk type='block' device='disk'><source dev='/dev/rbd0'/><target dev='vdb'/></disk>", False),
        ("<disk type='network' device='disk'><source protocol='iscsi' name='x/1'/><target dev='vdb'/></disk>", False),
        (RBD.replace("rbd/a", "rbd/a@snap"), False),
        (RBD.replace("rbd/a", "noimage"), False),
        ("<filesystem type='mount'><source dir='/x'/></filesystem>", False),
        ("<disk type='file' device='disk'><source file='rbd:rbd/b'/><target dev='vdb'/></disk>", False),
    ],
)
def test_a_vm_is_covered_when_all_that_it_writes_to_is_rbd(disk: str, covered: bool) -> None:
    found = FENCE.volumes_of(VM, read_domain(domain(RBD, disk)).writable)
    assert (not found.others) == covered
    assert "rbd/a" in found.names


def test_a_read_only_image_is_nobodys_to_fence() -> None:
    """It has no watcher, and would cost the suspect's whole address."""
    cdrom = RBD.replace("device='disk'", "device='cdrom'").replace("rbd/a", "rbd/iso")
    assert FENCE.volumes_of(VM, read_domain(domain(RBD, cdrom)).writable) == Volumes(("rbd/a",), ())


def test_disks_of_the_inventory_come_on_top() -> None:
    more = replace(VM, disks=("rbd:rbd/b", "/srv/c.raw", "rbd:rbd/a"))
    assert FENCE.volumes_of(more, read_domain(domain(RBD)).writable) == Volumes(("rbd/a", "rbd/b"), ("/srv/c.raw",))
    assert FENCE.volumes_of(more, ()) == Volumes(("rbd/b", "rbd/a"), ("/srv/c.raw",))


# ---------------------------------------------------------------- the four questions, to a host that has Ceph

MINE, OTHER = Client("10.0.0.11", 0, 5), Client("10.0.0.11", 0, 6)
CEPH = CephSettings("/etc/ceph/a.conf", "fence", "/etc/ceph/a.keyring", expire_s=3600.0)
HELLO = "hello clock=1763824000.1 machine=- host=kvm-02"


class Cluster:
    """Answers as scripts/ceph.sh would, from what is set here. Like Ceph, it does not move the end of an entry."""

    def __init__(self, trouble: Trouble | None = None, *more: str) -> None:
        self.trouble, self.more = trouble, more
        self.listed: dict[str, float] = {}
        self.given: dict[str, str] = {}

    def carry(self, program: Program) -> tuple[ProgramResult, float]:
        preamble = program.text.partition("NL=")[0]
        self.given = dict(word.split("=", 1) for word in shlex.split(preamble))
        lines = [HELLO, *self.more, *(self.images() if self.given["IMAGES"] else self.blocklist()), "end"]
        out = "".join(f"hafence/1 {self.given['NONCE']} {line}\n" for line in lines)
        return ProgramResult(self.trouble, "", 0, "" if self.trouble else out, "", 0.1), 42.0

    def images(self) -> list[str]:
        lines = ["from 10.0.0.12"]
        servers = enumerate(self.given["SERVERS"].split(), 1)
        lines += [f"server {number} {'own' if server == 'mon1:6789' else 'other'}" for number, server in servers]
        for number, _ in enumerate(self.given["IMAGES"].split(), 1):
            lines.append(f'status {number} 0 {{"watchers":[{{"address":"{MINE.text}"}}]}}')
            lines.append(f'locks {number} 0 [{{"address":"{OTHER.text}"}}]')
        return lines

    def blocklist(self) -> list[str]:
        for each in self.given["LIFT"].split():
            self.listed.pop(each, None)
        for each in self.given["BLOCK"].split():
            self.listed.setdefault(each, 1_763_824_000.0 + float(self.given["EXPIRE_S"]))
        times = {a: time.strftime("%Y-%m-%dT%H:%M:%S.0+0000", time.gmtime(t)) for a, t in self.listed.items()}
        return [f"blocklist 0 {json.dumps([{'addr': a, 'until': t} for a, t in times.items()])}"]


def test_the_clients_of_images_are_asked_for_in_one_conversation() -> None:
    cluster = Cluster()
    seen = CephStorage(CEPH, cluster.carry).ask_clients(["rbd/a", "rbd/b"], [], 9e9)
    images = {name: Volume(name, (MINE,), (OTHER,)) for name in ("rbd/a", "rbd/b")}
    assert seen == ClientsSeen(images, "10.0.0.12", 42.0)
    assert cluster.given["IMAGES"] == "rbd/a\nrbd/b"
    assert (cluster.given["CONF"], cluster.given["CEPH_USER"]) == ("/etc/ceph/a.conf", "fence")
    assert (cluster.given["KEYRING"], cluster.given["EXPIRE_S"]) == ("/etc/ceph/a.keyring", "3600")
    assert cluster.given["BLOCK"] == cluster.given["LIFT"] == ""


def test_a_monitor_that_is_not_its_own_is_told_and_so_is_what_could_be_none() -> None:
    cluster = Cluster()
    servers = ["mon1:6789", "mon9", "$(reboot)"]
    seen = CephStorage(CEPH, cluster.carry).ask_clients(["rbd/a"], servers, 9e9)
    assert isinstance(seen, ClientsSeen)
    assert seen.foreign == {"mon9", "$(reboot)"}
    assert cluster.given["SERVERS"] == "mon1:6789\nmon9\n-"


def test_an_answer_that_does_not_speak_of_every_monitor_is_none() -> None:
    lines = ("hello clock=1 machine=- host=a boot=-", 'status 1 0 {"watchers":[]}', "locks 1 0 []", "end")
    text = "".join(f"hafence/1 {NONCE} {line}\n" for line in lines)
    with pytest.raises(CephError, match="does not speak of every monitor"):
        parse_images(NONCE, ProgramResult(None, "", 0, text, "", 0.1), ["rbd/a"], ["mon1"])


def test_entries_are_added_and_read_back_in_one_conversation_and_made_anew_only_where_that_is_asked_for() -> None:
    cluster = Cluster()
    ceph = CephStorage(CEPH, cluster.carry)
    cluster.listed[OTHER.text] = 1_763_824_100.0
    seen = ceph.add_entries([MINE, OTHER], False, 9e9)
    assert seen == EntriesSeen((Entry(OTHER, 1_763_824_100.0), Entry(MINE, 1_763_827_600.0)), 42.0)
    assert (cluster.given["BLOCK"], cluster.given["LIFT"]) == (f"{MINE.text}\n{OTHER.text}", "")
    seen = ceph.add_entries([OTHER], True, 9e9)
    assert seen == EntriesSeen((Entry(MINE, 1_763_827_600.0), Entry(OTHER, 1_763_827_600.0)), 42.0)
    assert (cluster.given["BLOCK"], cluster.given["LIFT"]) == (OTHER.text, OTHER.text)


def test_entries_are_listed_without_a_change_and_removed() -> None:
    cluster = Cluster()
    ceph = CephStorage(CEPH, cluster.carry)
    cluster.listed = {MINE.text: 1_763_824_100.0, OTHER.text: 1_763_824_100.0}
    seen = ceph.list_entries(9e9)
    assert isinstance(seen, EntriesSeen)
    assert [entry.client for entry in seen.entries] == [MINE, OTHER]
    assert (cluster.given["IMAGES"], cluster.given["BLOCK"], cluster.given["LIFT"]) == ("", "", "")
    assert ceph.remove_entries([MINE], 9e9) == EntriesSeen((Entry(OTHER, 1_763_824_100.0),), 42.0)
    assert (cluster.given["BLOCK"], cluster.given["LIFT"]) == ("", MINE.text)


@pytest.mark.parametrize(
    ("cluster", "why"),
    [
        (Cluster(Trouble.TIMED_OUT), Trouble.TIMED_OUT.says),
        (Cluster(None, "lacks rbd"), "the program 'rbd' is missing there"),
        (Cluster(None, "unheard-of"), "the answer has a line that this version does not know"),
    ],
    ids=["no way there", "no program", "an odd line"],
)
def test_what_is_not_the_whole_exact_answer_is_none(cluster: Cluster, why: str) -> None:
    ceph = CephStorage(CEPH, cluster.carry)
    answers = (
        ceph.ask_clients(["rbd/a"], [], 9e9),
        ceph.list_entries(9e9),
        ceph.add_entries([MINE], False, 9e9),
        ceph.remove_entries([MINE], 9e9),
    )
    assert answers == (Unanswered(why),) * 4


def test_no_program_acts_after_the_end_of_the_lease() -> None:
    programs: list[Program] = []

    def carry(program: Program) -> tuple[ProgramResult, float]:
        programs.append(program)
        return ProgramResult(Trouble.CUT, "", None, "", "", 0.1), 42.0

    CephStorage(CEPH, carry).add_entries([MINE], False, time.time() - 5.0)
    [program] = programs
    assert program.on_line is not None
    nonce = re.search("NONCE=([0-9a-f]+)", program.text)
    assert nonce
    go = program.on_line(f"hafence/1 {nonce[1]} {HELLO}")
    assert go is not None
    assert float(go.split()[-1]) <= 1763824000.1 - 5.0

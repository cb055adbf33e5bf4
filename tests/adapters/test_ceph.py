"""What rbd and ceph say, read exactly, and what a storage fence is made of. Golden files are named for their oddity."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafence.adapters.hosts.program import Program, ProgramResult
from hafence.adapters.storage.ceph import Asker, Fencer, Volumes, known_addresses, volumes_of
from hafence.adapters.storage.ceph_talk import CephError, entries, lockers, parse_entries, parse_images, watchers
from hafence.core.evidence import Proof
from hafence.core.model import CephSettings, Host, HostName, Uuid, Vm
from hafence.core.storage.ceph import Client, Entry
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
def test_entries_of_the_blocklist(name: str, found: list[Entry]) -> None:
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
    ],
)
def test_a_vm_is_covered_when_all_that_it_writes_to_is_rbd(disk: str, covered: bool) -> None:
    found = volumes_of(VM, read_domain(domain(RBD, disk)))
    assert (not found.others) == covered
    assert "rbd/a" in found.images


def test_a_read_only_image_is_nobodys_to_fence() -> None:
    """It has no watcher, and would cost the suspect's whole address."""
    cdrom = RBD.replace("device='disk'", "device='cdrom'").replace("rbd/a", "rbd/iso")
    assert volumes_of(VM, read_domain(domain(RBD, cdrom))) == Volumes(("rbd/a",), ())


def test_disks_of_the_inventory_come_on_top() -> None:
    more = replace(VM, disks=("rbd:rbd/b", "/srv/c.raw", "rbd:rbd/a"))
    assert volumes_of(more, read_domain(domain(RBD))) == Volumes(("rbd/a", "rbd/b"), ("/srv/c.raw",))
    assert volumes_of(more, None) == Volumes(("rbd/b", "rbd/a"), ("/srv/c.raw",))


# ---------------------------------------------------------------- the fence, over what a host with Ceph would say

MINE = "10.0.0.11:0/5"


class Cluster:
    """Answers as scripts/ceph.sh would, from what is set here. Like Ceph, it does not move the end of an entry."""

    def __init__(self, watching: str = MINE, locking: str = "", source: str = "10.0.0.12", add: bool = True) -> None:
        self.watching, self.locking, self.source, self.add = watching, locking, source, add
        self.listed: dict[str, float] = {}

    def run(self, program: Program) -> ProgramResult:
        preamble = program.text.partition("# shellcheck")[0]
        given = dict(word.split("=", 1) for word in shlex.split(preamble))
        lines = ["hello clock=1763824000.1 machine=- host=kvm-02"]
        if given.get("IMAGES"):
            status = {"watchers": [{"address": each} for each in self.watching.split()]}
            locks = [{"address": each} for each in self.locking.split()]
            for number in range(1, len(given["IMAGES"].split()) + 1):
                lines += [f"status {number} 0 {json.dumps(status)}", f"locks {number} 0 {json.dumps(locks)}"]
            lines.append(f"from {self.source}")
        else:
            for each in given.get("LIFT", "").split():
                self.listed.pop(each)
            for each in given.get("BLOCK", "").split() if self.add else ():
                self.listed.setdefault(each, time.time() + float(given["EXPIRE_S"]))
            times = {a: time.strftime("%Y-%m-%dT%H:%M:%S.0+0000", time.gmtime(t)) for a, t in self.listed.items()}
            lines.append(f"blocklist 0 {json.dumps([{'addr': a, 'until': t} for a, t in times.items()])}")
        lines.append("end")
        out = "".join(f"hafence/1 {given['NONCE']} {line}\n" for line in lines)
        return ProgramResult(None, "", 0, out, "", 0.1)


def hosts(**suspect: Any) -> list[Host]:
    found = [Host(HostName(f"kvm-0{n}"), "prod", f"10.0.0.1{n}") for n in range(1, 5)]
    return [replace(found[0], **suspect), *found[1:]]


def fencer(cluster: Cluster, *before: Asker, expire_s: float = 3600.0, **suspect: Any) -> Fencer:
    every = hosts(**suspect)
    known = known_addresses(every[0], every, [HostName("kvm-02"), HostName("kvm-03")], ["10.0.0.50"], ["10.0.0.99"])
    askers = [*before, Asker("kvm-02", frozenset({"10.0.0.12"}), cluster.run)]
    return Fencer(CephSettings(expire_s=expire_s), every[0], known, askers, time.time() + 60)


def fence(one: Fencer, *images: str) -> tuple[bool, set[Proof], str]:
    reply = one.fence({VM.uuid: Volumes(images or ("rbd/a",), ())}, rehearse=False)[VM.uuid]
    return reply.done, {each.proves for each in reply.evidence}, reply.says


def test_a_known_client_is_shut_out_and_read_back() -> None:
    cluster = Cluster()
    assert fence(fencer(cluster))[:2] == (True, {Proof.HOST_ALIVE, Proof.DISKS_FENCED})
    assert list(cluster.listed) == [MINE]


def test_an_evicted_client_is_known_by_its_lock_and_the_missing_watcher_is_recorded_as_what_it_is() -> None:
    cluster = Cluster(watching="", locking=MINE)
    reply = fencer(cluster).fence({VM.uuid: Volumes(("rbd/a",), ())}, rehearse=False)[VM.uuid]
    assert reply.done
    assert list(cluster.listed) == [MINE]
    [note] = [each for each in reply.evidence if each.proves is Proof.NOTHING]
    assert note.says.startswith("Watchers: none")


@pytest.mark.parametrize(
    ("cluster", "why"),
    [
        (Cluster(add=False), "no lasting entry"),
        (Cluster(watching=f"{MINE} 10.0.0.14:0/7"), "kvm-04"),
        (Cluster(watching=f"{MINE} 192.0.2.1:0/7"), "no known host"),
        (Cluster(watching="", locking="10.0.0.14:0/7"), "kvm-04"),
        (Cluster(watching="", source="10.9.0.12"), "storage_address"),
        (Cluster(watching="", source="-"), "storage_address"),
    ],
)
def test_what_is_no_storage_fence(cluster: Cluster, why: str) -> None:
    done, proofs, says = fence(fencer(cluster))
    assert not done
    assert Proof.DISKS_FENCED not in proofs
    assert why in says


@pytest.mark.parametrize("beside", ["10.0.0.12:0/7", "10.0.0.50:0/7", "10.0.0.99:0/7"])
def test_a_sibling_that_was_looked_into_a_mirror_and_hafence_itself_are_no_strangers(beside: str) -> None:
    cluster = Cluster(watching=f"{MINE} {beside}")
    assert fence(fencer(cluster))[0]
    assert list(cluster.listed) == [MINE]


def test_an_entry_for_another_nonce_is_no_fence() -> None:
    cluster = Cluster(add=False)
    cluster.listed["10.0.0.11:0/6"] = time.time() + 9999
    assert not fence(fencer(cluster))[0]


def test_an_entry_that_ends_too_soon_is_put_there_anew_or_it_is_no_fence() -> None:
    cluster = Cluster()
    cluster.listed[MINE] = time.time() + 1700
    assert fence(fencer(cluster))[0]
    assert cluster.listed[MINE] > time.time() + 3500
    for until in (time.time() + 1700, time.time() - 1):
        cluster = Cluster(add=False)
        cluster.listed[MINE] = until
        assert not fence(fencer(cluster))[0]


def test_without_a_known_client_the_whole_address_is_shut_out_where_it_is_sure_to_be_the_right_one() -> None:
    cluster = Cluster(watching="")
    assert fence(fencer(cluster))[0]
    assert list(cluster.listed) == ["10.0.0.11:0/0"]
    elsewhere = Cluster(watching="", source="10.9.0.12")
    assert fence(fencer(elsewhere, storage_address="10.9.0.11"))[0]
    assert set(elsewhere.listed) == {"10.9.0.11:0/0", "10.0.0.11:0/0"}


def test_a_suspect_whose_address_is_a_name_needs_a_storage_address() -> None:
    done, _, says = fence(fencer(Cluster(watching=""), address="kvm-01.example.net"))
    assert not done
    assert "storage_address" in says


def test_the_second_fence_of_a_run_does_not_cost_the_whole_host() -> None:
    cluster = Cluster()
    one = fencer(cluster)
    assert fence(one)[0]
    cluster.watching = ""
    assert fence(one)[0]
    assert list(cluster.listed) == [MINE]


def test_a_hundred_clients_cost_the_whole_address() -> None:
    cluster = Cluster(watching=" ".join(f"10.0.0.11:0/{n}" for n in range(1, 101)))
    assert fence(fencer(cluster))[0]
    assert list(cluster.listed) == ["10.0.0.11:0/0"]


def test_an_asker_that_fails_is_passed_over_and_each_is_named_when_all_do() -> None:
    def silent(program: Program) -> ProgramResult:
        return ProgramResult(Trouble.TIMED_OUT, "", None, "", "", 5.0)

    cluster = Cluster()
    assert fence(fencer(cluster, Asker("kvm-03", frozenset(), silent)))[0]
    one = fencer(cluster, Asker("kvm-03", frozenset(), silent))
    one.askers = one.askers[:1]
    done, proofs, says = fence(one)
    assert (done, proofs) == (False, {Proof.NOTHING})
    assert says.startswith("kvm-03: ")


def test_nothing_is_asked_when_no_time_is_left() -> None:
    cluster = Cluster()
    one = fencer(cluster)
    one.until = time.time() - 1
    assert not fence(one)[0]
    assert cluster.listed == {}


def test_lifting_removes_the_hosts_client_entries_and_no_others() -> None:
    cluster = Cluster()
    later = time.time() + 3000
    others = {"10.0.0.12:0/1": later, "10.0.0.11:6800/9": later}
    cluster.listed |= {MINE: later, "10.0.0.11:0/0": later, **others}
    assert fencer(cluster).lift() == "2 entries removed from Ceph's blocklist"
    assert cluster.listed == others
    assert fencer(cluster).lift() == "no entry on Ceph's blocklist"


def test_a_host_that_is_alone_is_shut_out_as_a_whole_before_its_entries_end() -> None:
    cluster = Cluster()
    now = time.time()
    cluster.listed |= {MINE: now + 100, "10.0.0.11:0/6": now + 3000, "10.0.0.12:0/1": now + 100}
    before = dict(cluster.listed)
    assert fencer(cluster).renew(alone=False).startswith("failed: entries end in 0.0 days (10.0.0.11:0/5)")
    assert cluster.listed == before
    assert fencer(cluster).renew(alone=True).startswith("10.0.0.11:0/0 is on Ceph's blocklist")
    assert set(cluster.listed) - set(before) == {"10.0.0.11:0/0"}
    assert fencer(cluster).renew(alone=True) == ""
    cluster.listed["10.0.0.11:0/0"] = now + 50
    assert fencer(cluster).renew(alone=True).startswith("failed: ")


def test_nothing_is_renewed_that_lasts_and_nothing_is_said_to_be_that_was_not_seen() -> None:
    cluster = Cluster(add=False)
    cluster.listed |= {MINE: time.time() + 3000, "10.0.0.12:0/1": time.time() + 100}
    assert fencer(cluster).renew(alone=True) == ""
    cluster.listed[MINE] = time.time() + 100
    assert fencer(cluster).renew(alone=True).startswith("failed: ")

"""The words and numbers that scripts, stores and settings rely on: they may grow, and none may change."""

from __future__ import annotations

from enum import Enum

import pytest

from hafence.core.attempts import FenceOrder, Reply, Verdict
from hafence.core.evidence import Observation, Proof, Sign, WitnessReport
from hafence.core.looks import HostLook, Libvirt
from hafence.core.model import (
    CephSettings,
    Cluster,
    Host,
    HostName,
    HostState,
    PidNamespace,
    PowerDevice,
    Settings,
    SshSettings,
    StartMode,
    Unreachable,
    Vm,
)
from hafence.core.outcome import Decision, Exit, Outcome
from hafence.core.reasons import Reason
from hafence.core.record import VmRecord, VmState
from hafence.core.stored import WorkKind
from hafence.core.survey import Severity
from hafence.core.troubles import Trouble

from .make import inventory, uuid

WORDS: dict[type[Enum], str] = {
    Verdict: "confirmed_dead still_alive unreachable ambiguous",
    Decision: "started fenced refused failed unchanged",
    VmState: "running stopped starting",
    HostState: "enabled disabled maintenance",
    WorkKind: "disarmed maintenance",
    Unreachable: "proceed confirm prove",
    StartMode: "persistent transient command",
    Libvirt: "ok busy hung failed down absent",
    PidNamespace: "initial any",
    Proof: "vm_dead vm_alive host_alive silence host_off disks_fenced statement nothing",
}

NUMBERS: dict[type[Enum], dict[str, int]] = {
    Exit: {
        "DONE": 0,
        "BUG": 1,
        "USAGE": 2,
        "REFUSED": 3,
        "START_FAILED": 4,
        "BUSY": 5,
        "INVENTORY": 6,
        "STORE": 7,
        "NEEDS_PERSON": 8,
        "INTERRUPTED": 130,
    },
    Severity: {"OK": 0, "WARNING": 1, "CRITICAL": 2, "UNKNOWN": 3},
}


@pytest.mark.parametrize("kind", WORDS, ids=lambda kind: kind.__name__)
def test_the_words_of_json_store_and_inventory_are_these(kind: type[Enum]) -> None:
    assert [member.value for member in kind] == WORDS[kind].split()
    assert [member.name.lower() for member in kind] == WORDS[kind].split()


def test_a_reason_is_its_own_name_in_small_letters() -> None:
    assert all(reason.value == reason.name.lower() for reason in Reason)
    assert len(set(Reason)) == len(Reason.__members__)


@pytest.mark.parametrize("kind", NUMBERS, ids=lambda kind: kind.__name__)
def test_exit_codes_are_these(kind: type[Enum]) -> None:
    assert {name: member.value for name, member in kind.__members__.items()} == NUMBERS[kind]


@pytest.mark.parametrize("kind", [Trouble, Sign], ids=lambda kind: kind.__name__)
def test_each_trouble_and_each_sign_of_life_has_a_sentence_of_its_own(kind: type[Enum]) -> None:
    sentences = [str(member.says) for member in kind]  # type: ignore[attr-defined]
    assert all(isinstance(sentence, str) and " " in sentence for sentence in sentences)
    assert len(set(sentences)) == len(sentences)


def test_what_holds_where_the_inventory_says_nothing() -> None:
    assert Settings() == Settings(
        ssh_timeout_s=20.0,
        connect_timeout_s=5.0,
        start_timeout_s=30.0,
        power_timeout_s=60.0,
        settle_s=1.0,
        lease_s=120.0,
        evidence_age_s=60.0,
        quiet_time_s=180.0,
        statement_age_s=3600.0,
        boot_grace_s=0.0,
        storm_share=0.5,
        max_hosts=1,
        per_s=3600.0,
        max_starts=4,
        max_starts_in_all=12,
        paths=3,
        unreachable=Unreachable.CONFIRM,
        pre_fence=True,
        libvirt_timeout_s=5.0,
        pid_namespace=PidNamespace.INITIAL,
    )
    assert SshSettings() == SshSettings("root", 22, None, None, False, None)
    assert CephSettings() == CephSettings("/etc/ceph/ceph.conf", "admin", None, (), 30 * 24 * 3600.0)
    assert PowerDevice("fence_ipmilan") == PowerDevice("fence_ipmilan", ())
    assert Cluster("prod") == Cluster("prod", "kvm", StartMode.PERSISTENT, (), None)
    name = HostName("kvm-01")
    host = Host(name, "prod", "10.0.0.1")
    assert host == Host(name, "prod", "10.0.0.1", HostState.ENABLED, None, None, (), SshSettings(), (), None, "")
    assert Vm(uuid(1), "web-01", name) == Vm(uuid(1), "web-01", name, None, True, 0, None, (), ())
    book = inventory()
    assert (book.store, book.hooks) == ("sqlite:///var/lib/hafence/state.db", None)


def test_an_entry_of_the_blocklist_is_counted_on_for_half_of_its_time() -> None:
    assert CephSettings(expire_s=100.0).lasting_s == 50.0


def test_what_nobody_has_said_of_an_observation() -> None:
    name = HostName("kvm-01")
    order = FenceOrder(name, None, (), 20.0, 1.0, 100.0)
    assert order.rehearse is False
    assert Reply("n0nce", None, 0, "", 0.1, 100.0).note == ""
    report = WitnessReport(None, 100.0, frozenset(), True, "")
    assert (report.peers_asked, report.peers_reached, report.name) == (0, 0, "the admin node")
    assert WitnessReport("kvm-02", 100.0, frozenset(), True, "").name == "kvm-02"
    look = HostLook(name, 100.0, 0.0, None, None, Libvirt.OK, {})
    assert look == HostLook(
        name, 100.0, 0.0, None, None, Libvirt.OK, {}, frozenset(), frozenset(), frozenset(), None, None, (),
        frozenset(), {}, frozenset(),
    )  # fmt: skip


def test_what_a_new_record_and_a_new_outcome_hold() -> None:
    record = VmRecord(uuid(1), VmState.RUNNING, HostName("kvm-01"), None)
    assert (record.revision, record.run, record.ticket, record.started_at) == (0, None, 0, None)
    outcome = Outcome("r", uuid(1), "web-01", None, Decision.REFUSED, None, Reason.BUSY, "")
    assert (outcome.host, outcome.dry_run, outcome.exit) == (None, False, Exit.DONE)
    told = (outcome.attempts, outcome.evidence, outcome.residual_risk, outcome.ways_out, outcome.notes)
    assert told == ((), (), (), (), ())


@pytest.mark.parametrize("value", [Observation("k", "s", 1.0, "x", Proof.NOTHING), Settings(), SshSettings()])
def test_a_value_cannot_be_changed(value: object) -> None:
    field = next(iter(value.__dataclass_fields__))  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        setattr(value, field, 2.0)

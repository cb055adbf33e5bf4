"""What a start stood on, and what that excuses: each ground and each excuse, and its near misses, which excuse nothing.

A start at 100 s of `web-01`, whose suspect is kvm-01, on kvm-02, by run-1, after looks at 90 s; evidence lives 60 s.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from hafence.core.model import HostName, HostState, Inventory
from hafence.core.reasons import Reason
from hafence.sim.grounds import Excuse, Writer, excuse_of, lacks
from hafence.sim.notes import Attempt, Looks, Notes, Scan, Sent, Sign, Watch
from hafence.sim.situations import VM_UUID, Means, inventory

K1, K2, K3, K4 = (HostName(f"kvm-0{n}") for n in (1, 2, 3, 4))
SIBLINGS = frozenset({K2, K3, K4})
CONFIRM = inventory(Means("confirm"))

LOOKS = Looks(90.0, "run-1", frozenset({K1, K2, K3, K4}), frozenset({K1}), SIBLINGS, {}, frozenset())
WATCH = Watch(95.0, "run-1", K1, SIBLINGS | {None}, SIBLINGS, dict.fromkeys(SIBLINGS, frozenset({K1})))
ATTEMPT = Attempt(95.0, "run-1", K1, K2)
SCAN = Scan(95.0, "run-1", K1, K1, frozenset())


def sent(grounds: Reason | None, **more: Any) -> Sent:
    """The start, of a suspect that has power, can write, and of which nobody has stated anything."""
    return Sent(100.0, "run-1", VM_UUID, K2, K1, grounds, -math.inf, False, False, frozenset())._replace(**more)


def notes(start: Sent, *noted: Sign | Looks | Attempt | Watch | Scan) -> Notes:
    it = Notes()
    kinds: dict[type, list[Any]] = {
        Sign: it.signs, Looks: it.looks, Attempt: it.attempts, Watch: it.watches, Scan: it.scans
    }  # fmt: skip
    for each in sorted(noted, key=lambda note: note.at):
        kinds[type(each)].append(each)
    it.sent.append(start)
    return it


def lacking(start: Sent, *noted: Sign | Looks | Attempt | Watch | Scan, of: Inventory = CONFIRM) -> str:
    return lacks(of, notes(start, *noted), start)


def sign(at: float = 95.0, run: str = "run-1", host: HostName = K1) -> Sign:
    return Sign(at, run, host, "kvm-03")


# ---------------------------------------------------------------- dead, off, shut out, stated, not fenced


def test_seen_dead_stands_on_a_fresh_scan_of_the_suspect_that_found_nothing() -> None:
    start = sent(Reason.CONFIRMED_DEAD)
    assert lacking(start, LOOKS, SCAN) == ""
    assert lacking(start, LOOKS) == "no script saw the VM dead"
    assert lacking(start, LOOKS, SCAN._replace(living=frozenset({VM_UUID}))) == "no script saw the VM dead"
    assert lacking(start, LOOKS, SCAN._replace(host=K3)) == "no script saw the VM dead"
    assert lacking(start, LOOKS, SCAN._replace(run="run-2")) == "no script saw the VM dead"
    assert lacking(start, LOOKS, SCAN._replace(at=101.0)) == "no script saw the VM dead"
    assert lacking(start, LOOKS, SCAN._replace(at=39.9)) == "it was seen dead too long ago"
    assert lacking(start, LOOKS, SCAN._replace(at=40.0)) == ""


def test_a_clone_that_answers_for_the_suspect_can_be_told_from_it_where_the_run_has_looked_into_it() -> None:
    start, twin = sent(Reason.CONFIRMED_DEAD), SCAN._replace(machine=K3)
    assert lacking(start, LOOKS, twin) == "another machine answered, into which the run had looked"
    assert lacking(start, LOOKS._replace(seen=SIBLINGS - {K3}), twin) == ""


def test_the_last_scan_counts() -> None:
    alive = SCAN._replace(at=96.0, living=frozenset({VM_UUID}))
    assert lacking(sent(Reason.CONFIRMED_DEAD), SCAN, alive) == "no script saw the VM dead"
    assert lacking(sent(Reason.CONFIRMED_DEAD), SCAN._replace(at=97.0), alive) == ""


def test_powered_off_stands_on_a_suspect_that_was_without_power_just_now() -> None:
    assert lacking(sent(Reason.POWERED_OFF, off_at=100.0)) == ""
    assert lacking(sent(Reason.POWERED_OFF, off_at=40.0)) == ""
    assert lacking(sent(Reason.POWERED_OFF, off_at=39.9)) == "the suspect had power"
    assert lacking(sent(Reason.POWERED_OFF)) == "the suspect had power"


def test_storage_fenced_stands_on_what_can_not_write() -> None:
    assert lacking(sent(Reason.STORAGE_FENCED, shut_out=True)) == ""
    assert lacking(sent(Reason.STORAGE_FENCED)) == "a process there could have written"


def test_a_persons_word_stands_while_it_holds_and_nobody_sees_life() -> None:
    stated = sent(Reason.OPERATOR_CONFIRMED, stated=True)
    assert lacking(stated, LOOKS) == ""
    assert lacking(sent(Reason.OPERATOR_CONFIRMED), LOOKS) == "no statement held"
    assert lacking(stated, LOOKS, sign()) == "kvm-03 could tell that kvm-01 lives"
    assert lacking(stated, LOOKS, sign(host=K2)) == ""
    assert lacking(stated, LOOKS, sign(run="run-2")) == ""
    assert lacking(stated, LOOKS, sign(at=101.0)) == "", "after the start"
    assert lacking(stated, LOOKS, sign(at=89.0)) == "", "before the run looked anew"


def test_no_fencing_stands_on_the_inventory_alone() -> None:
    unfenced = replace(CONFIRM, settings=replace(CONFIRM.settings, pre_fence=False))
    foreign = replace(CONFIRM, clusters={"prod-a": replace(CONFIRM.clusters["prod-a"], hypervisor="esxi")})
    assert lacking(sent(Reason.PRE_FENCE_OFF), of=unfenced) == ""
    assert lacking(sent(Reason.PRE_FENCE_OFF)) == "the inventory asks for fencing"
    assert lacking(sent(Reason.NOT_KVM), of=foreign) == ""
    assert lacking(sent(Reason.NOT_KVM)) == "hafence can look into the cluster"


@pytest.mark.parametrize("grounds", [None, Reason.STILL_ALIVE, Reason.AMBIGUOUS, Reason.NO_SIBLING])
def test_nothing_else_is_a_ground(grounds: Reason | None) -> None:
    assert lacking(sent(grounds, off_at=100.0, shut_out=True, stated=True), LOOKS, WATCH, SCAN)


# ---------------------------------------------------------------- silence, to the letter

SILENT = sent(Reason.UNREACHABLE_CONFIRMED)


def test_prove_takes_no_silence() -> None:
    assert lacking(SILENT, LOOKS, WATCH, ATTEMPT, of=inventory(Means("prove"))) == "the policy 'prove' takes no silence"


def test_proceed_takes_one_siblings_word() -> None:
    proceed = inventory(Means("proceed"))
    nobody = "no sibling has just met silence"
    assert lacking(SILENT, LOOKS, ATTEMPT, of=proceed) == ""
    assert lacking(SILENT, LOOKS, of=proceed) == nobody
    assert lacking(SILENT, LOOKS, ATTEMPT._replace(at=39.9), of=proceed) == nobody
    assert lacking(SILENT, LOOKS, ATTEMPT._replace(suspect=K3), of=proceed) == nobody
    assert lacking(SILENT, LOOKS, WATCH._replace(saw_nothing=frozenset({K3})), of=proceed) == ""
    assert lacking(SILENT, LOOKS, WATCH._replace(saw_nothing=frozenset({None})), of=proceed) == nobody
    assert lacking(SILENT, LOOKS, WATCH._replace(at=39.9), of=proceed) == nobody
    assert lacking(SILENT, LOOKS, ATTEMPT, sign(), of=proceed) == "kvm-03 could tell that kvm-01 lives"


CONFIRMED: list[tuple[str, Watch | None]] = [
    ("", WATCH),
    ("", WATCH._replace(at=40.0)),
    ("", WATCH._replace(saw_nothing=frozenset({K2, K3, None}), could_look=frozenset({K2, K3}))),
    ("no witness has just looked", None),
    ("no witness has just looked", WATCH._replace(at=39.9)),
    ("no witness has just looked", WATCH._replace(suspect=K3)),
    ("the admin node has not looked", WATCH._replace(saw_nothing=SIBLINGS)),
    ("not every sibling that could look has looked", WATCH._replace(saw_nothing=frozenset({K2, K3, None}))),
    (
        "too few siblings have looked",
        WATCH._replace(saw_nothing=frozenset({K2, None}), could_look=frozenset({K2})),
    ),
]


@pytest.mark.parametrize(("lacks", "watch"), CONFIRMED)
def test_confirm_takes_the_silence_of_all_who_could_look(lacks: str, watch: Watch | None) -> None:
    assert lacking(SILENT, LOOKS, *([watch] if watch else [])) == lacks


def test_a_sibling_into_which_the_admin_node_could_not_look_need_not_be_a_witness() -> None:
    two = WATCH._replace(saw_nothing=frozenset({K2, K3, None}))
    assert lacking(SILENT, LOOKS._replace(seen=frozenset({K2, K3})), two) == ""
    assert lacking(SILENT, LOOKS._replace(quarantined=frozenset({K4})), two) == ""


def test_one_sibling_is_enough_only_where_the_cluster_has_no_other() -> None:
    one = WATCH._replace(saw_nothing=frozenset({K2, None}), could_look=frozenset({K2}), silent_to={K2: frozenset({K1})})
    of_two = inventory(Means("confirm"), hosts=2)
    assert lacking(SILENT, LOOKS, one, of=of_two) == ""
    assert lacking(SILENT, LOOKS, one._replace(saw_nothing=frozenset({None})), of=of_two) != ""
    resting = {K3: HostState.DISABLED, K4: HostState.MAINTENANCE}
    hosts = {name: replace(host, state=resting.get(name, host.state)) for name, host in CONFIRM.hosts.items()}
    assert lacking(SILENT, LOOKS, one, of=replace(CONFIRM, hosts=hosts)) == ""
    assert lacking(SILENT, LOOKS, one) == "too few siblings have looked"


def test_confirm_wants_every_fence_that_is_configured() -> None:
    power, storage = inventory(Means("confirm", power=True)), inventory(Means("confirm", storage=True))
    assert "a power fence" in lacking(SILENT, LOOKS, WATCH, of=power)
    assert "a storage fence" in lacking(SILENT, LOOKS, WATCH, of=storage)
    assert lacking(SILENT._replace(off_at=99.0), LOOKS, WATCH, of=power) == ""
    assert lacking(SILENT._replace(shut_out=True), LOOKS, WATCH, of=storage) == ""
    both = inventory(Means("confirm", True, True))
    assert "a power fence" in lacking(SILENT._replace(shut_out=True), LOOKS, WATCH, of=both)
    assert "a storage fence" in lacking(SILENT._replace(off_at=99.0), LOOKS, WATCH, of=both)


@pytest.mark.parametrize("policy", ["proceed", "confirm"])
def test_a_sign_of_life_ends_every_silence(policy: str) -> None:
    of = inventory(Means(policy))
    assert lacking(SILENT, LOOKS, WATCH, ATTEMPT, of=of) == ""
    assert lacking(SILENT, LOOKS, WATCH, ATTEMPT, sign(), of=of) == "kvm-03 could tell that kvm-01 lives"


@pytest.mark.parametrize("policy", ["proceed", "confirm"])
def test_whoever_meets_silence_from_more_than_half_of_the_cluster_is_the_one_who_is_cut_off(policy: str) -> None:
    of = inventory(Means(policy))
    half, more = frozenset({K1, K3}), frozenset({K1, K3, K4})
    assert lacking(SILENT, LOOKS._replace(silent=half), WATCH, ATTEMPT, of=of) == ""
    cut_off = lacking(SILENT, LOOKS._replace(silent=more), WATCH, ATTEMPT, of=of)
    assert cut_off == "the admin node was the one who was cut off"
    known = LOOKS._replace(silent=more, quarantined=frozenset({K4}))
    assert lacking(SILENT, known, WATCH, ATTEMPT, of=of) != ""
    assert lacking(SILENT, known._replace(quarantined=frozenset({K3, K4})), WATCH, ATTEMPT, of=of) == ""
    sibling = WATCH._replace(silent_to={**WATCH.silent_to, K3: frozenset({K1, K2, K4})})
    assert lacking(SILENT, LOOKS, sibling, ATTEMPT, of=of) == "kvm-03 was the one who was cut off"
    sibling = WATCH._replace(silent_to={**WATCH.silent_to, K3: frozenset({K1, K4})})
    assert lacking(SILENT, LOOKS, sibling, ATTEMPT, of=of) == ""


# ---------------------------------------------------------------- a second writer

OURS = Writer(K2, 1002, "run-1", 101.0, 0.0, False)
OLD = Writer(K1, 1001, "", 0.0, 0.0, False)
BACK = Writer(K1, 1003, "", 97.5, 1.5, False)
"""Brought back by another manager, after the scan at 95 s, when it had been dead there for 1.5 s."""


def excused(start: Sent, other: Writer, *noted: Any, of: Inventory = CONFIRM, ours: Writer = OURS) -> Excuse | None:
    return excuse_of(of, notes(start, LOOKS, *noted), VM_UUID, (other, ours))


def test_after_a_seen_death_only_a_copy_that_another_manager_brings_back_later_than_settle_is_excused() -> None:
    start = sent(Reason.CONFIRMED_DEAD)
    assert excused(start, BACK, SCAN) is Excuse.UNBIDDEN
    assert excused(start, BACK._replace(born_at=120.0), SCAN) is Excuse.UNBIDDEN
    assert excused(start, OLD, SCAN) is None, "it was there when the script looked"
    assert excused(start, BACK._replace(born_at=94.9), SCAN) is None, "so was this"
    assert excused(start, BACK._replace(idle_s=1.0), SCAN) is None, "two looks with 'settle' between them see that"
    assert excused(start, BACK._replace(by="run-2"), SCAN) is None, "hafence itself has brought it"
    assert excused(start, BACK, SCAN._replace(at=39.9)) is None, "a fresh look would have seen it"
    assert excused(start, BACK) is None, "nobody looked"


def test_what_a_clone_into_which_nobody_had_looked_says_in_the_suspects_place_is_believed() -> None:
    start, twin = sent(Reason.CONFIRMED_DEAD), SCAN._replace(machine=K3)
    dark = LOOKS._replace(at=91.0, seen=SIBLINGS - {K3})
    assert excused(start, OLD, dark, twin) is Excuse.TWIN
    assert excused(start, OLD, twin) is None, "its boot was known"
    assert excused(start, OLD, dark, SCAN) is None


def test_after_a_power_off_only_a_process_of_a_later_boot_is_excused() -> None:
    off = sent(Reason.POWERED_OFF, off_at=96.0)
    assert excused(off, BACK) is Excuse.ANEW
    assert excused(off, BACK._replace(born_at=95.9)) is None
    assert excused(off, OLD) is None, "a device that says 'off' of a host that runs has lied"
    assert excused(off, BACK._replace(by="run-2")) is None
    assert excused(off._replace(off_at=39.0), BACK) is None, "it was off too long ago"


def test_after_a_storage_fence_only_an_entry_that_has_run_out_or_a_new_client_is_excused() -> None:
    fenced = sent(Reason.STORAGE_FENCED, shut_out=True)
    assert excused(fenced, OLD._replace(lapsed=True)) is Excuse.LAPSED
    assert excused(fenced, OLD) is None, "something has let it in again"
    assert excused(fenced, BACK._replace(born_at=100.5)) is Excuse.ANEW
    assert excused(fenced, BACK) is None, "it was there when the disks were said to refuse it"
    assert excused(fenced, BACK._replace(born_at=100.5, by="run-2")) is None
    assert excused(sent(Reason.STORAGE_FENCED), OLD._replace(lapsed=True)) is None, "it was never shut out"


def test_silence_excuses_what_was_not_to_be_seen_and_only_where_the_policy_was_met() -> None:
    assert excused(SILENT, OLD, WATCH) is Excuse.SILENCE
    assert excused(SILENT, OLD, WATCH, sign()) is None
    assert excused(SILENT, OLD) is None
    assert excused(SILENT, OLD, WATCH, of=inventory(Means("prove"))) is None


def test_a_persons_word_excuses_only_while_it_holds() -> None:
    assert excused(sent(Reason.OPERATOR_CONFIRMED, stated=True), OLD) is Excuse.STATEMENT
    assert excused(sent(Reason.OPERATOR_CONFIRMED, stated=True), OLD, sign()) is None
    assert excused(sent(Reason.OPERATOR_CONFIRMED), OLD) is None


def test_without_fencing_what_the_inventory_accepts_is_excused() -> None:
    of = replace(CONFIRM, settings=replace(CONFIRM.settings, pre_fence=False))
    assert excused(sent(Reason.PRE_FENCE_OFF), OLD, of=of) is Excuse.UNFENCED
    assert excused(sent(Reason.PRE_FENCE_OFF), OLD) is None


@pytest.mark.parametrize("start", [sent(Reason.CONFIRMED_DEAD), SILENT], ids=["seen dead", "silent"])
def test_a_copy_elsewhere_is_excused_only_where_no_fresh_look_could_show_it(start: Sent) -> None:
    there = OLD._replace(host=K4)
    dark = LOOKS._replace(at=91.0, seen=SIBLINGS - {K4})
    watch = WATCH._replace(could_look=SIBLINGS - {K4})
    assert excused(start, there, dark, SCAN, watch) is Excuse.UNSEEN
    assert excused(start, there, SCAN, WATCH) is None, "the looks showed it"
    late = there._replace(born_at=90.5, idle_s=50.0)
    assert excused(start, late, SCAN, WATCH) is Excuse.UNBIDDEN
    assert excused(start, late._replace(idle_s=0.4), SCAN, WATCH) is None
    assert excused(start, there._replace(by="run-2"), dark, SCAN, watch) is None, "hafence knew of its own start"


def test_looks_that_are_too_old_excuse_no_copy_elsewhere() -> None:
    old = Notes()
    old.looks.append(LOOKS._replace(at=39.0, seen=frozenset()))
    old.scans.append(SCAN)
    old.sent.append(sent(Reason.CONFIRMED_DEAD))
    assert excuse_of(CONFIRM, old, VM_UUID, (OURS, OLD._replace(host=K4))) is None


# ---------------------------------------------------------------- whose start has to answer


def test_of_two_copies_that_hafence_started_the_later_start_answers() -> None:
    first = sent(Reason.CONFIRMED_DEAD, target=K3, at=50.0)
    second = sent(Reason.UNREACHABLE_CONFIRMED, run="run-2", suspect=K3)
    it = notes(second, WATCH._replace(run="run-2", suspect=K3), LOOKS._replace(run="run-2"))
    it.sent.insert(0, first)
    theirs = OURS._replace(by="run-2")
    mine = Writer(K3, 1002, "run-1", 51.0, 0.0, False)
    assert excuse_of(CONFIRM, it, VM_UUID, (theirs, mine)) is Excuse.SILENCE
    it.sent[-1] = second._replace(suspect=K1)
    assert excuse_of(CONFIRM, it, VM_UUID, (theirs, mine)) is None


@pytest.mark.parametrize("word", [Reason.UNREACHABLE_CONFIRMED, Reason.OPERATOR_CONFIRMED])
def test_a_copy_that_was_given_up_without_a_proof_is_excused_at_later_starts_that_name_its_host(word: Reason) -> None:
    """Started on kvm-03, which falls silent; on kvm-04, which is proved dead; now on kvm-02."""
    mine = Writer(K3, 1002, "run-0", 21.0, 0.0, False)
    first = sent(Reason.CONFIRMED_DEAD, run="run-0", target=K3, at=20.0)
    silent = sent(word, run="run-2", suspect=K3, target=K4, at=40.0, stated=True)
    seen = LOOKS._replace(seen=SIBLINGS - {K3}, silent=frozenset({K3}))
    before = WATCH._replace(run="run-2", suspect=K3, at=38.0), seen._replace(run="run-2", at=30.0)
    last = sent(Reason.CONFIRMED_DEAD, suspect=K4, named=frozenset({K3}))

    def told(*starts: Sent, looks: Looks = seen) -> Excuse | None:
        it = notes(last, *before, looks, SCAN._replace(host=K4, machine=K4))
        it.sent[:] = starts
        return excuse_of(CONFIRM, it, VM_UUID, (OURS, mine))

    excuse = {Reason.UNREACHABLE_CONFIRMED: Excuse.SILENCE, Reason.OPERATOR_CONFIRMED: Excuse.STATEMENT}[word]
    assert told(first, silent, last) is excuse
    assert told(first, silent, last._replace(named=frozenset())) is None, "no word of it"
    assert told(first, silent, last, looks=LOOKS) is None, "a look shows it"
    assert told(first, silent._replace(grounds=Reason.CONFIRMED_DEAD), last) is None, "a false proof is no silence"
    assert told(first, silent._replace(suspect=K1), last) is None, "another was silent"
    assert told(silent._replace(at=10.0), first, last) is None, "that silence came before the copy"
    assert told(first, silent._replace(stated=False, run="run-9"), last) is None, "that silence lacked its grounds"


def test_a_copy_that_comes_long_after_its_start_was_sent_is_the_earlier_starts() -> None:
    first = sent(Reason.CONFIRMED_DEAD, run="run-0", suspect=K4, target=K1, at=20.0)
    it = notes(SILENT, LOOKS, WATCH)
    it.sent.insert(0, first)
    late = Writer(K1, 1003, "run-0", 400.0, 0.0, False)
    assert excuse_of(CONFIRM, it, VM_UUID, (OURS, late)) is Excuse.SILENCE


def test_every_two_of_several_writers_must_be_excused() -> None:
    it = notes(SILENT, LOOKS, WATCH)
    assert excuse_of(CONFIRM, it, VM_UUID, (OURS, OLD, BACK)) is Excuse.SILENCE
    assert excuse_of(CONFIRM, it, VM_UUID, (OURS, OLD, OLD._replace(host=K4))) is None


def test_what_other_people_run_twice_is_not_hafences() -> None:
    it = notes(SILENT, LOOKS, WATCH)
    assert excuse_of(CONFIRM, it, VM_UUID, (OURS, OLD, OLD._replace(pid=1009))) is Excuse.SILENCE

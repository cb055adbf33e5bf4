"""What is said of a fence reply, a sibling, a target and a host: whole sentences, as an admin reads them."""

from __future__ import annotations

from dataclasses import replace

from hafence.core.attempts import Facts, FenceOrder, Reply, Verdict
from hafence.core.evidence import CutOff, NotSeen, Proof, Sign
from hafence.core.looks import Blind, Libvirt, Look, Silence, life_words, shows_life
from hafence.core.model import HostName, HostState, Uuid
from hafence.core.owners import Owner, RunBy
from hafence.core.placement import Against, Room, Unfit, choose_targets, keeps_apart
from hafence.core.replies import interpret, wrong_machine
from hafence.core.siblings import choose_siblings
from hafence.core.troubles import SIBLING_SIDE, Trouble, met_straight, way_out
from hafence.core.whys import ANOTHER_STORE, DISKS_DIFFER, SENTENCES, another_store, sentence
from hafence.core.wire import Faulty, Hello, ReplyFault, read_hello

from .make import behind, host, look, silence, uuid, vm
from .telling import assert_told

VM, OTHER = uuid(1), uuid(2)
MACHINE = "0123456789abcdef0123456789abcdef"
HELLO = f"hafence/1 n0nce hello clock=1763824000.123 machine={MACHINE} host=kvm-01"
K1, K2, K3, K4 = (HostName(f"kvm-0{n}") for n in (1, 2, 3, 4))


def order(*vms: Uuid) -> FenceOrder:
    return FenceOrder(K1, K2, vms, 20.0, 1.0, 1e12)


def reply(*words: str, status: int | None = 0, trouble: Trouble | None = None, note: str = "") -> Reply:
    stdout = "\n".join([HELLO, *(f"hafence/1 n0nce {word}" for word in words)]) + "\n"
    return Reply("n0nce", trouble, status, stdout, 0.4, 100.0, note)


def said(text: str, status: int | None = 0) -> Reply:
    return Reply("n0nce", None, status, text, 0.4, 100.0)


def unit(stop: str, name: str = "vm@web-01.service") -> Reply:
    """The reply of a fence of a VM that a systemd unit ran."""
    return reply(f"vm {VM} dead found=1 killed=1 by=unit unit={name} parent= stop={stop}", "end vms=1")


def other(words: str) -> Reply:
    """The reply of a fence of a VM that another manager ran."""
    return reply(f"vm {VM} dead found=1 killed=1 by=other {words}", "end vms=1")


DEAD = f"vm {VM} dead found=0"
REPLIES = {
    "dead, nothing was there": reply(DEAD, "end vms=1"),
    "dead, nothing was killed": reply(f"vm {VM} dead found=0 killed=0", "end vms=1"),
    "dead, the number is empty": reply(f"vm {VM} dead killed=", "end vms=1"),
    "dead, one killed": reply(f"vm {VM} dead found=1 killed=1", "end vms=1"),
    "dead, two killed": reply(f"vm {VM} dead found=2 killed=2", "end vms=1"),
    "dead, libvirt's own": reply(f"vm {VM} dead found=1 killed=1 by=libvirt", "end vms=1"),
    "dead, of a unit that was stopped": unit("stopped"),
    "dead, of a unit that starts again": unit("starts-again"),
    "dead, of a unit that was not stopped": unit("failed"),
    "dead, of a unit of others": unit("shared"),
    "dead, of a unit of the host": unit("never", "sshd.service"),
    "dead, of a unit without a word": unit("", ""),
    "dead, of another manager": reply(
        f"vm {VM} dead found=1 killed=1 by=other parent=vm-keeper unit= stop=", "end vms=1"
    ),
    "dead, of another scope": reply(
        f"vm {VM} dead found=1 killed=1 by=other parent=conmon unit=docker-1f.scope", "end vms=1"
    ),
    "dead, of nobody": other("unit= parent= stop="),
    "dead, of an unknown kind": reply(f"vm {VM} dead found=1 killed=1 by=fate", "end vms=1"),
    "dead, of a unit with an unknown word": unit("perhaps"),
    "dead, of a manager with a name of odd letters": reply(f"vm {VM} dead by=other parent=a;b", "end vms=1"),
    "alive again, and who runs it": reply(
        f"vm {VM} alive found=1 killed=1 why=respawned by=other parent=vm-keeper", "end vms=1", status=10
    ),
    "dead, and what was on its way was reset": reply(
        f"vm {VM} dead found=1 killed=1 why= flush=50 reset=2", "end vms=1"
    ),
    "dead, and one connection was reset": reply(f"vm {VM} dead found=1 killed=1 reset=1", "end vms=1"),
    "dead, and nothing was to be reset": reply(f"vm {VM} dead found=1 killed=1 reset=0", "end vms=1"),
    "dead, and what was reset is no number": reply(f"vm {VM} dead found=1 killed=1 reset=some", "end vms=1"),
    "dead, with a remark": reply(f"vm {VM} dead killed=1 why=virsh-destroy-hung", "end vms=1"),
    "alive in D state": reply(f"vm {VM} alive found=1 killed=1 why=state-D", "end vms=1", status=10),
    "alive": reply(f"vm {VM} alive found=1", "end vms=1", status=10),
    "unknown": reply(f"vm {VM} unknown", "end vms=1", status=11),
    "unknown, grep is missing": reply(f"vm {VM} unknown why=lacks-grep", "end vms=1", status=11),
    "unknown, who is in the way": reply(
        f"vm {VM} unknown why=another-program-writes-to-its-disk program=qemu-nbd pid=7", "end vms=1", status=11
    ),
    "a trouble": reply(DEAD, "end vms=1", trouble=Trouble.TIMED_OUT),
    "a trouble with a note": reply(DEAD, "end vms=1", trouble=Trouble.LOGIN_FAILED, note="3 keys tried"),
    "another protocol": said("hafence/2 n0nce hello"),
    "another protocol with a long name": said("hafence/" + "2" * 40 + " x"),
    "another protocol, twenty letters": said("hafence/234567890123\x1b x"),
    "another protocol, unprintable": said("hafence/\x1b[2J x"),
    "a foreign nonce": said("hafence/1 other hello"),
    "goes on": reply(DEAD, "end vms=1", DEAD),
    "begins twice": said(f"{HELLO}\n{HELLO}\n"),
    "no beginning": said(f"hafence/1 n0nce {DEAD}\n"),
    "the same VM twice": reply(DEAD, DEAD, "end vms=1"),
    "another count": reply(DEAD, "end vms=2"),
    "an unknown line": reply("note x", "end vms=0"),
    "truncated": reply(DEAD),
    "another VM": reply(f"vm {OTHER} dead found=0", "end vms=1"),
    "another status": reply(DEAD, "end vms=1", status=10),
    "no status": reply(DEAD, "end vms=1", status=None),
    "nothing, exit 127": said("", 127),
    "nothing, a program is missing": replace(said("", 127), not_run=ReplyFault.NO_TIMEOUT),
    "nothing, sudo speaks": replace(said("", 1), not_run=ReplyFault.SUDO_PASSWORD),
    "nothing, exit 0": said("welcome", 0),
    "nothing, no exit": said("", None),
}


def test_what_is_said_of_each_reply() -> None:
    told = {}
    for name, each in REPLIES.items():
        reading = interpret(order(VM), each).readings[VM]
        told[name] = [f"{reading.verdict.value}: {reading.detail}"]
    assert_told("replies", told)


def test_another_machine_is_named_with_the_way_back() -> None:
    other = replace(order(VM), machine_id="f" * 32)
    detail = interpret(other, reply(DEAD, "end vms=1")).readings[VM].detail
    assert detail == (
        "another machine answered (not the machine-id that kvm-01 had; if reinstalled: 'hafence rejoin kvm-01')"
    )


def test_a_reply_without_vms_answers_an_order_without_vms() -> None:
    assert interpret(order(), reply("end vms=0", status=11)).readings == {}
    assert interpret(order(), reply("end vms=0", status=0)).readings == {}


def test_what_the_script_counted_and_who_answered_come_with_the_verdict() -> None:
    found = interpret(order(VM), reply(f"vm {VM} dead found=2 killed=1 destroy=ok", "end vms=1")).readings[VM]
    assert found.facts == Facts(found=2, killed=1, more=(("destroy", "ok"),))
    assert (found.machine_id, found.trouble) == (MACHINE, None)
    nameless = replace(reply(DEAD, "end vms=1"), stdout=reply(DEAD, "end vms=1").stdout.replace(MACHINE, "-"))
    assert interpret(order(VM), nameless).readings[VM].machine_id is None
    for nothing in (reply("end vms=0"), reply(trouble=Trouble.CUT)):
        assert interpret(order(VM), nothing).readings[VM].facts == Facts()
        assert interpret(order(VM), nothing).readings[VM].machine_id is None


def test_what_a_script_said_of_a_key_is_to_be_had_as_text() -> None:
    facts = Facts(2, None, "D", "", (("destroy", "ok"),))
    words = [facts.word(key) for key in ("found", "killed", "state", "why", "destroy", "autostart", "by")]
    assert words == ["2", "", "D", "", "ok", "", ""]
    assert replace(facts, owner=Owner(RunBy.OTHER)).word("by") == "other"


def test_a_hello_is_one_under_its_own_nonce_alone() -> None:
    line = f"hafence/1 n0nce hello clock=1.5 machine={MACHINE} host=kvm-01"
    assert read_hello("n0nce", line) == Hello(1.5, MACHINE)
    assert read_hello("n0nce", line.replace(MACHINE, "-")) == Hello(1.5, None)
    for other in (line.replace("n0nce", "other"), line.replace("/1", "/2"), "hafence/1 n0nce end vms=1", ""):
        assert read_hello("n0nce", other) is None


def test_another_host_of_the_round_behind_the_address_is_known_by_its_boot() -> None:
    order_of = replace(order(VM), others=((HostName("kvm-03"), "b-3"), (HostName("kvm-04"), "b-4")))
    hello = Hello(1.5, MACHINE, "b-1")
    assert wrong_machine(order_of, hello) is None
    assert wrong_machine(order_of, replace(hello, boot_id=None)) is None
    wrong = wrong_machine(order_of, replace(hello, boot_id="b-4"))
    assert wrong == Faulty(ReplyFault.SAME_MACHINE, "kvm-04")
    assert "it is the same machine as kvm-04" in wrong.says
    cut = f"hafence/1 n0nce hello clock=1.5 machine={MACHINE} host=kvm-04 boot=b-4\n"
    assert interpret(order_of, said(cut, 11)).readings[VM].fault == wrong


def test_whose_sight_is_meant_is_told_with_the_evidence() -> None:
    hidden = NotSeen(1.0, (HostName("kvm-02"), HostName("kvm-03")))
    assert (hidden.says, hidden.proves) == ("nobody could say of kvm-02, kvm-03 that no copy is there", Proof.NOTHING)
    assert (CutOff(1.0, "3 of 4 are silent").proves, hidden.source) == (Proof.NOTHING, "admin node")


def hello(clock: str = "1.5", machine: str = MACHINE, name: str = "kvm-01") -> Reply:
    text = f"hafence/1 n0nce hello clock={clock} machine={machine} host={name}\n"
    return said(f"{text}hafence/1 n0nce {DEAD}\nhafence/1 n0nce end vms=1\n")


def test_the_shape_of_a_reply_is_kept_to_the_letter() -> None:
    good = [hello(), hello("1"), hello("1" * 12), hello(f"1.{'9' * 9}"), hello(machine="-"), hello(name="-")]
    good += [hello(name="a" * 255), hello(name="KVM.a_b-9")]
    bad = [hello(""), hello("1."), hello(".5"), hello("1" * 13), hello(f"1.{'9' * 10}"), hello("1,5"), hello("٣")]
    bad += [hello(machine="f" * 31), hello(machine="f" * 33), hello(machine="F" * 32), hello(machine="")]
    bad += [hello(name=""), hello(name="a" * 256), hello(name="a b"), hello(name="a/b"), hello(name="kvm-01 x")]
    for pair in ("a=", f"{'a' * 20}=1", f"a={'x' * 80}", "a=Az0.,:_-", "a_b=1"):
        good.append(reply(f"vm {VM} dead {pair}", "end vms=1"))
    for pair in ("=1", f"{'a' * 21}=1", f"a={'x' * 81}", "a=b c", "A=1", "a=/", "a", " a=1", "a=1 ", "a=1  b=2"):
        bad.append(reply(f"vm {VM} dead {pair}", "end vms=1"))
    bad += [reply(f"vm {VM[:-1]} dead a=", "end vms=1"), reply(f"vm {VM.upper()} dead a=", "end vms=1")]
    bad += [reply(DEAD, f"end vms={end}") for end in ("", "1 ", "01 x", "0000001", "-1", "one", "٣")]
    good += [reply(DEAD, "end vms=000001")]
    for each in good:
        assert interpret(order(VM), each).readings[VM].verdict is Verdict.CONFIRMED_DEAD, each.stdout
    for each in bad:
        assert interpret(order(VM), each).readings[VM].verdict is Verdict.AMBIGUOUS, each.stdout


def test_each_trouble_in_words_and_what_can_be_done_about_it() -> None:
    told = {}
    for trouble in Trouble:
        side = "sibling" if trouble in SIBLING_SIDE else "suspect"
        told[f"{trouble.name.lower()} ({side})"] = [
            trouble.says,
            f"straight: {met_straight(trouble)}",
            f"way out: {way_out(trouble)}",
        ]
    assert_told("troubles", told | {f"sign {sign.value}": [sign.says] for sign in Sign}, whole=True)


def test_a_trouble_met_straight_carries_its_note() -> None:
    assert met_straight(Trouble.TIMED_OUT, "5 s") == "it did not answer before the time-out (5 s)"
    assert Silence(K2, 1.0, Trouble.TIMED_OUT, "5 s").says == "it did not answer before the time-out (5 s)"
    assert Silence(K2, 1.0, Trouble.TIMED_OUT).says == "it did not answer before the time-out"


def test_in_what_way_a_host_has_shown_life() -> None:
    assert behind("kvm-03", "kvm-02").says == "it answers kvm-03, and did not answer the admin node"
    assert life_words(behind("kvm-03", "kvm-02")) == "answered kvm-03"
    assert life_words(look("kvm-02")) == "answered the admin node"
    assert life_words(Blind(K2, 1.0, "a forced command")) == "answered the admin node"
    refused = silence("kvm-02", Trouble.REFUSED)
    assert life_words(refused) == f"spoke to the admin node: {refused.says}"


def test_only_the_networks_silence_shows_no_life() -> None:
    silent = {trouble for trouble in Trouble if not shows_life(silence("kvm-02", trouble))}
    assert silent == {Trouble.TIMED_OUT, Trouble.NO_ROUTE, Trouble.FAST_NO_ROUTE, Trouble.NAME_UNKNOWN}
    assert shows_life(Blind(K2, 1.0, "x"))


def test_siblings_with_the_reason_against_each() -> None:
    hosts = [host("kvm-01"), host("kvm-02"), host("kvm-03"), host("kvm-04"), host("kvm-05"), host("kvm-06")]
    hosts += [host("kvm-07", cluster="other"), host("kvm-08", state=HostState.DISABLED)]
    looks: dict[HostName, Look] = {each.name: look(each.name) for each in hosts}
    looks[K2] = look("kvm-02", libvirt=Libvirt.FAILED)
    looks[K3] = silence("kvm-03")
    looks[HostName("kvm-05")] = Blind(HostName("kvm-05"), 1.0, "a forced command")
    del looks[HostName("kvm-06")]
    got = choose_siblings(hosts[0], hosts, [K4, K1], {K4: "fenced"}, looks)
    assert got.chosen == ("kvm-02", "kvm-05")
    assert_told("siblings", {name: [why] for name, why in got.excluded})


def test_siblings_go_named_then_healthy_then_by_name() -> None:
    hosts = [host(f"kvm-0{n}") for n in range(1, 7)]
    looks: dict[HostName, Look] = {each.name: look(each.name) for each in hosts}
    looks[K2] = look("kvm-02", libvirt=Libvirt.HUNG)
    named = [HostName("kvm-06"), K2]
    got = choose_siblings(hosts[0], list(reversed(hosts)), named, {}, looks)
    assert got.chosen == ("kvm-06", "kvm-02", "kvm-03", "kvm-04", "kvm-05")
    assert got.excluded == ()


def test_targets_with_the_reason_against_each() -> None:
    near = vm(2, name="db-02")
    hosts = [host(f"kvm-{n:02d}") for n in range(1, 13)]
    hosts[1] = host("kvm-02", state=HostState.MAINTENANCE)
    looks: dict[HostName, Look] = {each.name: look(each.name) for each in hosts}
    del looks[K3]
    looks[K4] = silence("kvm-04", Trouble.REFUSED)
    instead: list[Look] = [
        Blind(HostName("kvm-05"), 1.0, "a forced command"),
        look("kvm-06", libvirt=Libvirt.HUNG),
        look("kvm-07", missing=("flock", "ping", "setsid")),
        look("kvm-08", memory_free_mib=1023),
        look("kvm-09", near.uuid),
        replace(look("kvm-10"), active=frozenset({near.uuid})),
    ]
    looks.update({each.host: each for each in instead})
    room = Room(1024, {near.uuid: near}, {HostName("kvm-12"): frozenset({near.uuid})})
    got = choose_targets(K1, hosts, room, {HostName("kvm-11"): "fenced"}, looks)
    assert got.targets == ()
    assert_told("targets", {name: [unfit.says] for name, unfit in got.excluded})


def test_a_host_that_was_not_asked_for_is_named_with_the_one_that_was() -> None:
    room = Room(None, {}, {})
    looks: dict[HostName, Look] = {name: look(name) for name in (K2, K3)}
    got = choose_targets(K1, [host("kvm-02"), host("kvm-03")], room, {}, looks, K3)
    assert got.targets == (K3,)
    assert dict(got.excluded) == {K2: Unfit(Against.NOT_ASKED_FOR, "is not kvm-03, which was asked for")}


def test_memory_that_is_enough_to_the_last_mib_is_enough() -> None:
    looks: dict[HostName, Look] = {K2: look("kvm-02", memory_free_mib=1024)}
    assert choose_targets(K1, [host("kvm-02")], Room(1024, {}, {}), {}, looks).targets == (K2,)
    assert choose_targets(K1, [host("kvm-02")], Room(1025, {}, {}), {}, looks).targets == ()
    unknown: dict[HostName, Look] = {K2: look("kvm-02", memory_free_mib=None)}
    assert choose_targets(K1, [host("kvm-02")], Room(9999, {}, {}), {}, unknown).targets == (K2,)
    assert choose_targets(K1, [host("kvm-02")], Room(None, {}, {}), {}, looks).targets == (K2,)


def test_the_least_loaded_target_is_the_one_that_is_seen_to_be_and_by_the_records_where_nobody_looks() -> None:
    room = Room(None, {}, {K2: frozenset({uuid(8), uuid(9)}), K3: frozenset({uuid(7)})})
    hosts = [host("kvm-02"), host("kvm-03"), host("kvm-04")]
    looks: dict[HostName, Look] = {K2: look("kvm-02"), K3: look("kvm-03", uuid(7)), K4: look("kvm-04")}
    assert choose_targets(K1, hosts, room, {}, looks).targets == (K2, K4, K3)
    assert choose_targets(K1, hosts, room, {}, {}, looked=False).targets == (K4, K3, K2)


def test_neighbours_are_kept_apart_by_the_records_where_nobody_looks() -> None:
    near = vm(2, name="db-02")
    room = Room(None, {near.uuid: near}, {K2: frozenset({near.uuid})})
    got = choose_targets(K1, [host("kvm-02"), host("kvm-03")], room, {}, {}, looked=False)
    assert got.targets == (K3,)


def test_two_vms_without_a_word_on_each_other_are_not_kept_apart() -> None:
    assert not keeps_apart(vm(1), vm(2))
    assert not keeps_apart(vm(1, anti_affinity=("a",)), vm(2, anti_affinity=("b",)))


ABOUT = {
    "program": "kvm.real",
    "pid": "4711",
    "store": "3f2a9c0011223344",
    "run": "20261122T153000-3f2a9c",
    "age": "12",
}


def test_what_a_script_could_not_tell_is_told() -> None:
    told = {why: [sentence(why, ABOUT)] for why in SENTENCES}
    unnamed = ("a-program-bears-its-uuid", ANOTHER_STORE, DISKS_DIFFER, "the-kernel-holds-its-disk")
    told["nobody is named"] = [sentence(why) for why in unnamed]
    told["a word of its own"] = [sentence("did-not-settle")]
    told["no word"] = [sentence("")]
    told["another store, long ago"] = [f"it runs{another_store(ABOUT)}", f"it runs{another_store({'store': ''})}"]
    assert_told("whys", told)

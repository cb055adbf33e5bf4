"""What "nothing is here" needs beyond a search that finds nothing: libvirt's word, and the machine's own /proc."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from hafence.core.attempts import Reading, Verdict
from hafence.core.looks import Libvirt
from hafence.core.model import Settings, Uuid

from ..lab.require import lack
from .conftest import Shell
from .processes import Zoo, is_living
from .test_fence_finds import libvirt_runs
from .test_identity import looked

VIRSH = """#!/bin/sh
# A libvirt as {root}/states has it: "UUID WORDS" a line, "hangs" for one with which it is busy. All of it hangs while
# there is {root}/hung. What it is asked to destroy is in {root}/destroyed.
[ ! -e {root}/hung ] || exec sleep 60
for last; do :; done
case $* in
*' destroy '*)
    echo "$last" >>{root}/destroyed
    {destroy}
    exit
    ;;
esac
IFS=';'
for command in $last; do
    IFS=' '
    set -- $command
    IFS=';'
    case $1 in
    nodememstats) printf 'total  :  1 KiB\\nfree   :  1 KiB\\n\\n' ;;
    echo) shift; IFS=' '; echo "$*"; IFS=';' ;;
    list) if grep -qs hangs {root}/states; then exec sleep 60; fi; sed -n 's/ running$//p' {root}/states; echo ;;
    domstate)
        reason=''
        if [ "$2" = --reason ]; then reason=' (unknown)'; shift; fi
        said=$(sed -n "s/^$2 //p" {root}/states)
        [ "$said" != hangs ] || exec sleep 60
        [ -n "$said" ] || echo "error: failed to get domain '$2'" >&2
        printf '%s\\n\\n' "${said:+$said$reason}"
        ;;
    esac
done
"""


class Libvirtd:
    """A stand-in for libvirt on a host whose processes are this machine's."""

    def __init__(self, root: Path, destroy: str = "exit 0") -> None:
        self.root = root
        (root / "bin/virsh").write_text(VIRSH.replace("{root}", str(root)).replace("{destroy}", destroy))
        (root / "bin/virsh").chmod(0o755)
        self.says()

    def says(self, **states: str) -> None:
        (self.root / "states").write_text("".join(f"{vm} {state}\n" for vm, state in states.items()))

    def hangs(self) -> None:
        (self.root / "hung").touch()

    @property
    def destroyed(self) -> list[str]:
        path = self.root / "destroyed"
        return path.read_text().split() if path.exists() else []


def why(finding: Reading) -> tuple[Verdict, str]:
    return finding.verdict, finding.facts.word("why")


def quick(shell: Shell, root: Path) -> Shell:
    """On a host that gives libvirt a second."""
    return Shell(shell.command, str(root), replace(shell.settings, libvirt_timeout_s=1.0))


# ---------------------------------------------------------------- libvirt answers


@pytest.mark.parametrize("state", ["shut off", "crashed", ""])
def test_a_vm_that_libvirt_does_not_run_is_dead(shell: Shell, vm: str, root: Path, state: str) -> None:
    Libvirtd(root).says(**({vm: state} if state else {}))
    assert shell.at(root).fence(vm).verdict is Verdict.CONFIRMED_DEAD
    assert shell.at(root).rehearse(vm).verdict is Verdict.CONFIRMED_DEAD


@pytest.mark.parametrize("state", ["running", "paused", "idle", "in shutdown", "pmsuspended", "no state"])
def test_a_vm_that_libvirt_runs_and_that_has_no_process_is_being_started(
    shell: Shell, vm: str, root: Path, state: str
) -> None:
    libvirt = Libvirtd(root)
    libvirt.says(**{vm: state})
    assert why(shell.at(root).rehearse(vm)) == (Verdict.AMBIGUOUS, "being-started")
    assert libvirt.destroyed == []
    assert why(shell.at(root).fence(vm)) == (Verdict.AMBIGUOUS, "being-started")
    assert libvirt.destroyed == [vm]


def test_a_start_that_libvirt_gives_up_when_it_is_asked_to_is_none(shell: Shell, vm: str, root: Path) -> None:
    libvirt = Libvirtd(root, destroy=f": >{root}/states")
    libvirt.says(**{vm: "running"})
    assert shell.at(root).fence(vm).verdict is Verdict.CONFIRMED_DEAD


def test_a_vm_of_which_libvirt_says_nothing_while_it_answers_is_not_dead(shell: Shell, vm: str, root: Path) -> None:
    Libvirtd(root).says(**{vm: "hangs"})
    assert why(quick(shell, root).fence(vm)) == (Verdict.AMBIGUOUS, "libvirt-is-busy-with-it")
    assert why(quick(shell, root).rehearse(vm)) == (Verdict.AMBIGUOUS, "libvirt-is-busy-with-it")


def test_the_slow_start_of_another_vm_is_no_hindrance(shell: Shell, zoo: Zoo, vm: str, root: Path) -> None:
    other, third = (f"{vm[:-4]}{number:04}" for number in (1, 2))
    leftover = zoo.qemu("-uuid", vm)
    Libvirtd(root).says(**{other: "hangs", third: "running"})
    here = quick(shell, root)
    assert here.fence(vm).verdict is Verdict.CONFIRMED_DEAD
    assert not is_living(leftover.pid)
    findings = here.fence_all(here.order(other, vm, third))
    assert [why(finding)[1] for finding in findings.values()] == ["libvirt-is-busy-with-it", "", "being-started"]


BROKEN = {
    "says nothing": "exit 0",
    "says something else": "echo running",
    "loses the connection": (
        "printf 'total  :  1 KiB\\n\\nask\\nask {vm}\\n'; echo \"error: failed to get domain '{vm}'\" >&2;"
        " echo 'error: Disconnected from qemu:///system due to end of file' >&2; printf 'ask end\\nask\\n'"
    ),
    "loses the connection at the end": (
        "printf 'total  :  1 KiB\\n\\nask\\nask {vm}\\n'; echo \"error: failed to get domain '{vm}'\" >&2;"
        " echo 'ask end'; echo 'error: failed to connect to the hypervisor' >&2; exit 1"
    ),
    "names another VM": "printf 'ask\\nask {other}\\nshut off\\nask end\\nask\\n'",
    "knows a new state": "printf 'ask\\nask {vm}\\nsleepwalking\\nask end\\nask\\n'",
    "ends with an error": "printf 'ask\\nask {vm}\\nshut off\\nask end\\nask\\n'; exit 1",
    "stops short": "printf 'ask\\nask {vm}\\nshut off\\n'",
}


@pytest.mark.parametrize("how", BROKEN)
def test_an_answer_that_is_not_whole_is_none(shell: Shell, zoo: Zoo, vm: str, root: Path, how: str) -> None:
    zoo.qemu("x", name="libvirtd")
    script = BROKEN[how].replace("{vm}", vm).replace("{other}", vm[:-4] + "0000")
    (root / "bin/virsh").write_text(f"#!/bin/sh\n{script}\n")
    (root / "bin/virsh").chmod(0o755)
    assert why(shell.at(root).fence(vm)) == (Verdict.AMBIGUOUS, "libvirt-does-not-answer")


def test_what_an_older_virsh_says_of_a_vm_that_it_does_not_know_is_understood(
    shell: Shell, vm: str, root: Path
) -> None:
    says = f"error: failed to get domain '{vm}'\\nerror: Domain not found: no domain with matching name '{vm}'"
    (root / "bin/virsh").write_text(f'#!/bin/sh\nprintf "ask\\nask {vm}\\n{says}\\n\\nask end\\nask\\n"\n')
    (root / "bin/virsh").chmod(0o755)
    assert shell.at(root).fence(vm).verdict is Verdict.CONFIRMED_DEAD


# ---------------------------------------------------------------- libvirt does not answer


def test_beside_a_libvirt_that_hangs_nothing_found_is_no_proof(shell: Shell, zoo: Zoo, vm: str, root: Path) -> None:
    zoo.qemu("x", name="libvirtd")
    Libvirtd(root).hangs()
    assert why(quick(shell, root).fence(vm)) == (Verdict.AMBIGUOUS, "libvirt-does-not-answer")
    assert why(quick(shell, root).rehearse(vm)) == (Verdict.AMBIGUOUS, "libvirt-does-not-answer")


@pytest.mark.parametrize("daemon", ["libvirtd", "virtqemud", "lt-libvirtd"])
def test_a_daemon_that_nobody_can_ask_may_have_a_start_in_its_hands(
    shell: Shell, zoo: Zoo, vm: str, root: Path, daemon: str
) -> None:
    zoo.qemu("x", name=daemon)
    here = without_virsh(shell, root)
    assert why(here.fence(vm)) == (Verdict.AMBIGUOUS, "libvirt-cannot-be-asked")
    assert looked(here).libvirt is Libvirt.FAILED


def without_virsh(shell: Shell, root: Path) -> Shell:
    """A host without virsh: its PATH ends with the host's own programs, which are this machine's but for one."""
    for folder in ("/usr/bin", "/bin"):
        for path in Path(folder).iterdir():
            if path.name != "virsh" and not (root / "bin" / path.name).exists():
                (root / "bin" / path.name).symlink_to(path)
    text = "PATH=${ROOT:+$ROOT/bin:}"

    class Without(Shell):
        def run(self, program, within_s=30.0):  # type: ignore[no-untyped-def]
            start = program.text.index(text)
            end = program.text.index("\n", start)
            return Shell.run(self, replace(program, text=program.text[:start] + "PATH=$ROOT/bin" + program.text[end:]))

    return Without(shell.command, str(root), shell.settings)


def test_without_virsh_and_without_a_daemon_there_is_no_libvirt(shell: Shell, zoo: Zoo, vm: str, root: Path) -> None:
    leftover = zoo.qemu("-uuid", vm)
    finding = without_virsh(shell, root).fence(vm)
    assert (finding.facts.word("destroy"), finding.facts.word("killed")) == ("absent", "1")
    assert not is_living(leftover.pid)
    here = without_virsh(in_a_namespace(shell), root)  # no daemon of this machine is seen there
    assert here.fence(vm).verdict is Verdict.CONFIRMED_DEAD
    assert looked(here).libvirt is Libvirt.ABSENT


def test_a_daemon_that_is_down_has_nothing_in_its_hands(shell: Shell, zoo: Zoo, vm: str, root: Path) -> None:
    (root / "bin/virsh").write_text("#!/bin/sh\necho 'error: failed to connect to the hypervisor' >&2\nexit 1\n")
    (root / "bin/virsh").chmod(0o755)
    leftover = zoo.qemu("-uuid", vm)
    assert shell.at(root).fence(vm).facts.word("killed") == "1"
    assert not is_living(leftover.pid)
    here = in_a_namespace(shell).at(root)  # no daemon of this machine is seen there
    assert here.fence(vm).verdict is Verdict.CONFIRMED_DEAD
    assert looked(here).libvirt is Libvirt.DOWN


def test_a_leftover_that_libvirt_does_not_know_of_is_killed_and_not_called_dead_beside_a_libvirt_that_hangs(
    shell: Shell, zoo: Zoo, vm: str, root: Path
) -> None:
    zoo.qemu("x", name="libvirtd")
    leftover = zoo.qemu("-uuid", vm)
    Libvirtd(root).hangs()
    finding = quick(shell, root).fence(vm, within_s=6)
    assert why(finding) == (Verdict.AMBIGUOUS, "libvirt-does-not-answer")
    assert (finding.facts.word("destroy"), finding.facts.word("killed")) == ("timeout", "1")
    assert not is_living(leftover.pid)


def test_where_nobody_can_tell_who_is_connected_to_a_libvirt_that_hangs_it_may_start_the_vm(
    shell: Shell, zoo: Zoo, vm: str, root: Path
) -> None:
    zoo.qemu("x", name="libvirtd")
    leftover = zoo.qemu("-uuid", vm)
    libvirt_runs(root, "web-01", vm, leftover.pid)
    Libvirtd(root).hangs()
    assert why(quick(shell, root).fence(vm, within_s=6)) == (Verdict.AMBIGUOUS, "libvirt-may-still-start-it")


# ---------------------------------------------------------------- a look


def test_a_look_says_of_the_vms_that_it_is_about_what_libvirt_says(shell: Shell, vm: str, root: Path) -> None:
    other, third = (f"{vm[:-4]}{number:04}" for number in (1, 2))
    Libvirtd(root).says(**{other: "running"})
    look = looked(quick(shell, root), vms=(vm, other))
    assert look.libvirt is Libvirt.OK
    assert [sorted(seen) for seen in (look.active, look.starting, look.cleared)] == [[other], [other], [vm]]
    assert (look.lacks(Uuid(vm)), look.runs(Uuid(other)), look.lacks(Uuid(third))) == (True, True, True)


def test_a_start_that_holds_up_libvirts_lists_is_seen_by_whoever_asks_for_that_vm(
    shell: Shell, vm: str, root: Path
) -> None:
    other, third = (f"{vm[:-4]}{number:04}" for number in (1, 2))
    Libvirtd(root).says(**{vm: "hangs"})
    look = looked(quick(shell, root), vms=(other, vm, third))
    assert look.libvirt is Libvirt.BUSY
    assert [sorted(seen) for seen in (look.starting, look.cleared)] == [[vm], [other, third]]
    alone = looked(quick(shell, root), vms=(vm,))
    assert (alone.libvirt, sorted(alone.starting), alone.runs(Uuid(vm))) == (Libvirt.BUSY, [vm], True)
    of_another = looked(quick(shell, root), vms=(other,))
    assert (of_another.libvirt, of_another.lacks(Uuid(other))) == (Libvirt.BUSY, True)
    assert of_another.memory_free_mib is not None
    of_nobody = looked(quick(shell, root))
    assert (of_nobody.libvirt, of_nobody.lacks(Uuid(other))) == (Libvirt.BUSY, False)


def test_beside_a_libvirt_that_hangs_a_look_clears_nobody(shell: Shell, zoo: Zoo, vm: str, root: Path) -> None:
    zoo.qemu("x", name="libvirtd")
    Libvirtd(root).hangs()
    for vms in ((), (vm,)):
        look = looked(quick(shell, root), vms=vms)
        assert (look.libvirt, look.lacks(Uuid(vm)), look.runs(Uuid(vm))) == (Libvirt.HUNG, False, False)


# ---------------------------------------------------------------- whose processes these are


def strict(shell: Shell) -> Shell:
    """As the inventory has it where nobody says otherwise."""
    return replace(shell, settings=Settings())


def in_a_namespace(shell: Shell) -> Shell:
    if os.geteuid() != 0:
        lack("needs root to make a PID namespace")
    words = ("unshare", "-m", "-p", "--fork", "--kill-child", "--mount-proc")
    return replace(shell, command=(*words, *shell.command))


def test_a_list_of_processes_that_is_not_the_machines_proves_nothing(shell: Shell, zoo: Zoo, vm: str) -> None:
    leftover = zoo.qemu("-uuid", vm)
    inside = in_a_namespace(strict(shell))
    assert why(inside.fence(vm)) == (Verdict.AMBIGUOUS, "not-initial-pid-namespace")
    assert why(inside.rehearse(vm)) == (Verdict.AMBIGUOUS, "not-initial-pid-namespace")
    assert is_living(leftover.pid)


def test_where_the_inventory_says_so_any_list_will_do(shell: Shell, vm: str) -> None:
    assert in_a_namespace(shell).fence(vm).verdict is Verdict.CONFIRMED_DEAD


def test_the_machines_own_list_will_do(shell: Shell, zoo: Zoo, vm: str) -> None:
    if os.readlink("/proc/self/ns/pid") != "pid:[4026531836]":
        lack("needs to run in the machine's own PID namespace")
    leftover = zoo.qemu("-uuid", vm)
    assert strict(shell).rehearse(vm).facts.word("found") == "1"
    assert strict(shell).fence(vm).facts.word("killed") == "1"
    assert not is_living(leftover.pid)


def test_hidden_processes_hide_nothing_from_who_may_see_them_all(shell: Shell, vm: str) -> None:
    script = "mount -t proc -o hidepid=2 proc /proc && exec "
    inside = in_a_namespace(shell)
    whole = replace(inside, command=(*inside.command[:-2], "/bin/sh", "-c", script + " ".join(shell.command)))
    assert whole.fence(vm).verdict is Verdict.CONFIRMED_DEAD
    blind = script + "setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace " + " ".join(shell.command)
    less = replace(inside, command=(*inside.command[:-2], "/bin/sh", "-c", blind))
    assert why(less.fence(vm)) == (Verdict.AMBIGUOUS, "proc-hides-processes")

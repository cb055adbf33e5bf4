"""Starts and their settling on a target, in both worlds."""

from __future__ import annotations

from hafence.core.marks import Claim
from tests.conformance.steps import (
    BEGAN,
    Ask,
    Placed,
    Step,
    at_once,
    does,
    fence,
    look,
    look_for,
    settle,
    start,
    strike,
)
from tests.conformance.worlds import Real, compare
from tests.lab.cluster import Lab
from tests.lab.command import wait_starting
from tests.lab.proc import wait_until

HOME, TARGET, PROXY, FOURTH = "kvm-01", "kvm-02", "kvm-03", "kvm-04"


def kill(real: Real) -> None:
    """The VM's process ends by itself."""
    real.lab.kill_qemu(real.lab.vms["web"])


ABSENT = [Placed("web", HOME, "absent")]
BOTH: tuple[Ask, Ask] = (start("web", TARGET), settle("web", TARGET))


def test_a_start_is_made_once(lab: Lab) -> None:
    steps: list[Step] = [
        *BOTH,
        start("web", TARGET, ticket=2),
        look(TARGET),
        fence(TARGET, PROXY, "web"),
        look(TARGET),
    ]
    compare(lab, ABSENT, steps)


def test_two_starts_at_once_bring_one_process(lab: Lab) -> None:
    compare(lab, ABSENT, [at_once(start("web", TARGET), start("web", TARGET)), look(TARGET)])


OURS, THEIRS = Claim("a" * 16, "run-a", 60.0), Claim("b" * 16, "run-b", 60.0)
IMPATIENT = Claim("b" * 16, "run-b", 0.0)
"""To whom no mark is young."""


def test_what_another_store_s_run_has_marked_is_left_alone_while_the_mark_is_young(lab: Lab) -> None:
    steps: list[Step] = [
        fence(HOME, PROXY, "web", claim=OURS),
        look_for("web", HOME, TARGET),
        fence(HOME, PROXY, "web", claim=THEIRS),
        start("web", TARGET, claim=OURS),
        start("web", TARGET, ticket=2, claim=THEIRS),
        settle("web", TARGET, ticket=2, claim=THEIRS),
        look_for("web", HOME, TARGET),
        fence(TARGET, PROXY, "web", rehearse=True, claim=THEIRS),
        fence(TARGET, PROXY, "web", claim=THEIRS),
        fence(TARGET, PROXY, "web", claim=IMPATIENT),
        start("web", TARGET, ticket=3, claim=OURS),
        start("web", TARGET, ticket=4, claim=IMPATIENT),
        look_for("web", HOME, TARGET),
    ]
    compare(lab, [Placed("web", HOME)], steps)


def test_an_older_start_does_nothing(lab: Lab) -> None:
    steps: list[Step] = [
        settle("web", TARGET, ticket=5),
        start("web", TARGET, ticket=4),
        start("web", TARGET, ticket=5),
        settle("web", TARGET, ticket=4),
        start("web", TARGET, ticket=6),
        look(TARGET),
    ]
    compare(lab, ABSENT, steps)


def test_a_start_that_comes_too_late_does_nothing(lab: Lab) -> None:
    compare(lab, ABSENT, [start("web", TARGET, lease_s=-1), settle("web", TARGET), look(TARGET)])


def test_a_start_whose_newer_ticket_a_boot_has_forgotten_does_nothing(lab: Lab) -> None:
    steps: list[Step] = [
        settle("web", TARGET, ticket=5),
        strike("reboot", TARGET, sim=(f"power_off {TARGET}", f"power_on {TARGET}")),
        start("web", TARGET, ticket=4, boot=BEGAN),
        look(TARGET),
        start("web", TARGET, ticket=4),
    ]
    compare(lab, ABSENT, steps)


def test_a_start_where_the_vm_is_defined_already(lab: Lab) -> None:
    def define(real: Real) -> None:
        real.lab.hosts[TARGET].virsh(f"define {real.lab.vms['web'].xml}")

    compare(lab, ABSENT, [does(define, f"qemu web {TARGET} defined"), look(TARGET), *BOTH, look(TARGET)])


def test_a_start_where_the_vm_runs_as_a_stray(lab: Lab) -> None:
    stray = does(lambda real: real.lab.start_stray(TARGET, real.lab.vms["web"]), f"qemu web {TARGET} begins")
    compare(lab, ABSENT, [stray, *BOTH, look(TARGET)])


def test_a_start_that_fails_leaves_nothing(lab: Lab) -> None:
    failing = strike("failing_start", TARGET, sim=[f"starts {TARGET}=fails"])
    compare(lab, ABSENT, [failing, *BOTH, look(TARGET)])


def test_a_start_that_fails_after_its_process_began_leaves_nothing(lab: Lab) -> None:
    failing = strike("failing_start", TARGET, "no", "started", sim=[f"starts {TARGET}=fails"])
    compare(lab, ABSENT, [failing, *BOTH, look(TARGET)])


def test_a_vm_that_ends_right_after_its_start(lab: Lab) -> None:
    steps: list[Step] = [
        does(lambda real: None, f"starts {TARGET}=dies"),
        start("web", TARGET),
        does(kill, sim_waits_s=5),
        settle("web", TARGET),
        look(TARGET),
    ]
    compare(lab, ABSENT, steps)


def test_a_vm_that_is_paused_right_after_its_start(lab: Lab) -> None:
    def is_paused(real: Real) -> None:
        asked = f"domstate {real.lab.vms['web'].uuid}"
        wait_until(lambda: "paused" in real.lab.hosts[TARGET].virsh(asked), "it is paused")

    steps: list[Step] = [
        strike("pausing_start", TARGET, sim=[f"starts {TARGET}=pauses"]),
        start("web", TARGET),
        does(is_paused),
        look_for("web", TARGET, HOME),
        settle("web", TARGET),
    ]
    compare(lab, ABSENT, steps)


def test_a_slow_start_is_unknown_until_it_is_there(lab: Lab) -> None:
    slow = strike("slow_start", TARGET, sim=[f"starts {TARGET}=slow"])
    under_way = does(lambda real: wait_starting(real.lab, TARGET, real.lab.vms["web"]))

    def go_on(real: Real) -> None:
        for fault in list(real.lab.faults):
            fault.heal()
        real.lab.wait_copies(real.lab.vms["web"].uuid, 1)

    steps: list[Step] = [
        slow,
        start("web", TARGET, within_s=2),
        under_way,
        look(TARGET),
        settle("web", TARGET, within_s=2),
        start("web", TARGET, ticket=2, within_s=2),
        does(go_on, sim_waits_s=60),
        settle("web", TARGET, ticket=2),
        look(TARGET),
    ]
    compare(lab, ABSENT, steps)


def test_a_start_whose_target_loses_power(lab: Lab) -> None:
    steps: list[Step] = [
        start("web", TARGET),
        strike("power_off", TARGET, sim=[f"power_off {TARGET}"]),
        settle("web", TARGET),
        start("web", TARGET),
    ]
    compare(lab, ABSENT, steps)


def test_a_target_that_has_forgotten_its_tickets_by_a_reboot(lab: Lab) -> None:
    steps: list[Step] = [
        settle("web", TARGET, ticket=5),
        strike("reboot", TARGET, sim=[f"power_off {TARGET}", f"power_on {TARGET}"]),
        start("web", TARGET, ticket=4),
        look(TARGET),
    ]
    compare(lab, ABSENT, steps)


def test_a_target_short_of_memory_says_so(lab: Lab) -> None:
    compare(lab, ABSENT, [strike("short_of_memory", TARGET, 16, sim=[f"memory {TARGET}=16"]), look(TARGET, FOURTH)])

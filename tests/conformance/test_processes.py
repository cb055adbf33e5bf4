"""A VM's processes, in whatever state: what looks, rehearsals and fences say of them, in both worlds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.steps import Midway, Placed, Step, at_once, does, fence, look, start, strike
from tests.conformance.worlds import Real, compare
from tests.lab import faults, guard, guests
from tests.lab.cluster import Lab
from tests.lab.command import wait_starting
from tests.lab.proc import arguments
from tests.lab.storage import make_file
from tests.lab.vm import FileDisk, LabVm, qemu_arguments

SUSPECT, PROXY, TARGET = "kvm-01", "kvm-02", "kvm-03"


def vm(name: str) -> Callable[[Real], LabVm]:
    """The lab's VM of that name."""
    return lambda real: real.lab.vms[name]


def pid(name: str) -> Callable[[Real], int]:
    """The process of the lab's VM of that name."""
    return lambda real: real.lab.qemu(real.lab.vms[name]).pid


def all_around(*more: Step, within_s: float = 6.0) -> list[Step]:
    """Look, rehearse, fence, and look again."""
    return [
        *more,
        at_once(look(SUSPECT), fence(SUSPECT, PROXY, rehearse=True)),
        fence(SUSPECT, PROXY, within_s=within_s),
        look(SUSPECT),
    ]


def test_what_sigkill_ends(lab: Lab) -> None:
    vms = [
        Placed("plain", SUSPECT),
        Placed("transient", SUSPECT, "transient"),
        Placed("autostarts", SUSPECT, "autostarts"),
        Placed("absent", SUSPECT, "absent"),
        Placed("stopped", SUSPECT),
        Placed("zombie-leader", SUSPECT),
        Placed("two-copies", SUSPECT),
    ]
    steps = all_around(
        strike("stopped", pid("stopped")),
        strike("zombie_leader", pid("zombie-leader"), sim=["qemu zombie-leader kvm-01 zombie-leader"]),
        does(lambda real: real.lab.start_stray(SUSPECT, vm("two-copies")(real)), "qemu two-copies kvm-01 begins"),
    )
    compare(lab, vms, steps)


def test_what_sigkill_does_not_end_and_what_comes_back(lab: Lab) -> None:
    vms = [
        Placed("plain", SUSPECT),
        Placed("unkillable", SUSPECT),
        Placed("zombie-and-unkillable", SUSPECT),
        Placed("respawned", SUSPECT, "absent"),
    ]

    def zombie_in_state_d(real: Real) -> None:
        who = pid("zombie-and-unkillable")(real)
        faults.zombie_leader(real.lab, who)
        faults.unkillable(real.lab, who)

    steps = all_around(
        strike("unkillable", pid("unkillable"), sim=["qemu unkillable kvm-01 unkillable"]),
        does(
            zombie_in_state_d,
            "qemu zombie-and-unkillable kvm-01 zombie-leader",
            "qemu zombie-and-unkillable kvm-01 unkillable",
        ),
        strike(
            "respawner",
            SUSPECT,
            vm("respawned"),
            sim=["qemu respawned kvm-01 begins", "qemu respawned kvm-01 respawns 0.1"],
        ),
    )
    thaw = does(lambda real: real.lab.freezer.thaw_all(), "thaw kvm-01", sim_waits_s=1.0)
    settled = does(lambda real: real.lab.wait_copies(real.lab.vms["unkillable"].uuid, 0))
    compare(lab, vms, [*steps, thaw, settled, fence(SUSPECT, PROXY, "unkillable", "zombie-and-unkillable")])


def test_who_runs_a_vm_and_whether_it_may_return(lab: Lab) -> None:
    vms = [Placed("plain", SUSPECT), Placed("of-a-unit", SUSPECT, "absent"), Placed("managed", SUSPECT, "absent")]
    steps = all_around(
        strike(
            "systemd_unit",
            SUSPECT,
            vm("of-a-unit"),
            60.0,
            sim=["qemu of-a-unit kvm-01 begins", "qemu of-a-unit kvm-01 unit 60"],
        ),
        strike(
            "respawner",
            SUSPECT,
            vm("managed"),
            60.0,
            sim=["qemu managed kvm-01 begins", "qemu managed kvm-01 managed 60"],
        ),
    )
    compare(lab, vms, steps, to_the_end=False)  # the manager brings its own back a minute later


def test_a_program_that_bears_a_vm_s_uuid(lab: Lab) -> None:
    def under_another_name(real: Real) -> None:
        argv = qemu_arguments("hidden", vm("hidden")(real).uuid)
        real.lab.hosts[SUSPECT].spawn([real.lab.another_emulator(SUSPECT), *argv[1:]])
        real.lab.wait_copies(vm("hidden")(real).uuid, 1)

    hides = does(under_another_name, "qemu hidden kvm-01 begins", "qemu hidden kvm-01 hidden")
    compare(lab, [Placed("hidden", SUSPECT, "absent")], all_around(hides))


def test_another_program_that_writes_to_a_vm_s_disk(lab: Lab) -> None:
    disks = {name: FileDisk(make_file(lab.folder / "vms" / f"{name}.raw")) for name in ("running", "gone", "well")}

    def hold(real: Real) -> None:
        for name in ("running", "gone"):
            real.lab.hosts[SUSPECT].spawn(["sh", "-c", f"exec 7<>{disks[name].path}; exec sleep 3600"])

    holds = does(hold, "qemu running kvm-01 holds", "qemu gone kvm-01 holds")
    vms = [Placed("running", SUSPECT), Placed("gone", SUSPECT, "absent"), Placed("well", SUSPECT)]
    compare(lab, vms, all_around(holds), disks)


def test_a_fence_of_a_vm_that_somebody_is_starting(lab: Lab) -> None:
    def create(real: Real) -> None:
        real.lab.hosts[SUSPECT].spawn(["virsh", "-c", "qemu:///system", "create", str(vm("starting")(real).xml)])
        wait_starting(real.lab, SUSPECT, vm("starting")(real))

    steps: list[Step] = [
        does(lambda real: faults.slow_start(real.lab, SUSPECT)),
        does(create, "qemu starting kvm-01 starts-slowly"),
        look(SUSPECT),
        fence(SUSPECT, PROXY),
    ]
    compare(lab, [Placed("starting", SUSPECT, "absent")], steps, to_the_end=False)


@pytest.mark.parametrize("libvirtd", ["hung", "gone"])
def test_autostart_and_a_libvirtd_that_does_not_answer(lab: Lab, libvirtd: str) -> None:
    vms = [Placed("autostarts", SUSPECT, "autostarts"), Placed("absent", SUSPECT, "absent")]
    steps = all_around(strike(f"libvirtd_{libvirtd}", SUSPECT, sim=[f"libvirtd kvm-01={libvirtd}"]))
    compare(lab, vms, steps)


def test_a_fence_whose_lease_has_ended_kills_nothing(lab: Lab) -> None:
    late = fence(SUSPECT, PROXY, lease_s=-1.0)
    vms = [Placed("plain", SUSPECT), Placed("absent", SUSPECT, "absent")]
    compare(lab, vms, [late, look(SUSPECT), fence(SUSPECT, None), look(SUSPECT)])


def test_a_reboot_takes_every_process_and_brings_back_what_autostarts(lab: Lab) -> None:
    vms = [Placed("plain", SUSPECT), Placed("autostarts", SUSPECT, "autostarts")]
    booted = does(
        lambda real: real.lab.wait_copies(real.lab.vms["autostarts"].uuid, 1), "power_off kvm-01", "power_on kvm-01"
    )
    compare(lab, vms, [strike("reboot", SUSPECT), booted, *all_around()])


def test_what_libvirt_guests_has_saved_comes_back_with_its_host_unless_it_was_fenced(lab: Lab) -> None:
    vms = [Placed("fenced", SUSPECT), Placed("kept", SUSPECT)]
    steps: list[Step] = [
        does(
            lambda real: guests.goes_down(real.lab.hosts[SUSPECT]),
            "qemu fenced kvm-01 saved",
            "qemu kept kvm-01 saved",
        ),
        look(SUSPECT),
        fence(SUSPECT, PROXY, "fenced", rehearse=True),
        fence(SUSPECT, PROXY, "fenced"),
        look(SUSPECT),
        strike("reboot", SUSPECT),
        does(lambda real: guests.comes_up(real.lab.hosts[SUSPECT]), "power_off kvm-01", "power_on kvm-01"),
        look(SUSPECT),
    ]
    compare(lab, vms, steps)


def test_with_the_guard_only_what_hafence_starts_comes_up_on_a_host_that_has_booted(lab: Lab) -> None:
    vms = [Placed("autostarts", SUSPECT, "autostarts"), Placed("absent", SUSPECT, "absent")]
    steps: list[Step] = [
        does(lambda real: guard.install(real.lab.hosts[SUSPECT]), "guard kvm-01=on"),
        strike("reboot", SUSPECT),
        does(lambda real: None, "power_off kvm-01", "power_on kvm-01"),
        look(SUSPECT),
        start("absent", SUSPECT),
        look(SUSPECT),
    ]
    compare(lab, vms, steps)


def test_a_fence_of_a_vm_whose_start_is_under_way(lab: Lab) -> None:
    vms = [Placed("starting", SUSPECT, "absent")]
    steps: list[Step] = [
        strike("slow_start", SUSPECT, sim=["starts kvm-01=slow"]),
        start("starting", SUSPECT, within_s=3),
        does(lambda real: wait_starting(real.lab, SUSPECT, vm("starting")(real))),
        look(SUSPECT),
        fence(SUSPECT, PROXY),
    ]
    compare(lab, vms, steps, to_the_end=False)


# ---------------------------------------------------------------- midway


def destroying(real: Real) -> bool:
    """Whether the fence script is at it: it has asked a libvirtd that hangs."""
    lines = [arguments(each) for each in real.lab.hosts[SUSPECT].processes()]
    return any("virsh" in line and "destroy" in line for line in lines)


MIDWAY = {
    "the sibling freezes": strike("frozen_host", PROXY, sim=[f"freeze {PROXY}"]),
    "the sibling is cut off": strike("link_down", PROXY, sim=[f"cut {PROXY} - *"]),
    "the suspect freezes": strike("frozen_host", SUSPECT, sim=[f"freeze {SUSPECT}"]),
    "the suspect loses its power": strike("power_off", SUSPECT, sim=[f"power_off {SUSPECT}"]),
}


@pytest.mark.parametrize("what", MIDWAY)
def test_a_fence_in_whose_midst_something_happens(lab: Lab, what: str) -> None:
    steps: list[Step] = [
        strike("libvirtd_hung", SUSPECT, sim=["libvirtd kvm-01=hung"]),
        Midway(MIDWAY[what], destroying, 1.0),
        fence(SUSPECT, PROXY, within_s=3),
        look(SUSPECT),
        fence(SUSPECT, TARGET, within_s=3),
    ]
    compare(lab, [Placed("plain", SUSPECT)], steps)

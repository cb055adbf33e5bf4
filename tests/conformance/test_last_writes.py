"""What a dead process has under way to its disks: what fences make of it, in both worlds."""

from __future__ import annotations

from collections.abc import Callable

from tests.conformance.steps import Placed, Step, does, fence, strike
from tests.conformance.worlds import Real, compare
from tests.lab.ceph import queue_write, write_from_vm
from tests.lab.cluster import Lab
from tests.lab.proc import wait_until
from tests.lab.storage import HangingPath, Nbd, loop, make_file, wait_quiet
from tests.lab.vm import BlockDisk, FileDisk

SUSPECT, PROXY, VM = "kvm-01", "kvm-02", "web-01"
CUT = "cut kvm-01 - storage"


def writes(cut: Callable[[], object]) -> Callable[[Real], None]:
    """The VM writes, and its way to its disk is cut in the middle of that."""

    def write(real: Real) -> None:
        vm = real.lab.vms[VM]
        wait_quiet(real.lab, vm)
        cut()
        queue_write(real.lab, vm, 0xEE)

    return write


def test_bytes_in_the_queue_of_a_connection(lab: Lab, array: Nbd) -> None:
    cut = does(writes(lambda: array.cut(SUSPECT)), "qemu web-01 kvm-01 leaves queue", CUT)
    steps: list[Step] = [cut, fence(SUSPECT, PROXY), fence(SUSPECT, PROXY)]
    compare(lab, [Placed(VM, SUSPECT)], steps, {VM: array.disk})


def test_bytes_in_the_queue_that_cannot_be_ended(lab: Lab, array: Nbd) -> None:
    steps: list[Step] = [
        strike("missing_program", SUSPECT, "ss", sim=["lacks kvm-01=ss"]),
        does(writes(lambda: array.cut(SUSPECT)), "qemu web-01 kvm-01 leaves queue", CUT),
        fence(SUSPECT, PROXY),
        fence(SUSPECT, PROXY),
    ]
    compare(lab, [Placed(VM, SUSPECT)], steps, {VM: array.disk})


def test_a_request_that_goes_on_without_its_process(lab: Lab) -> None:
    with HangingPath(lab) as path:
        steps: list[Step] = [
            does(writes(path.hang), "qemu web-01 kvm-01 leaves request", CUT),
            does(lambda real: wait_until(path.in_flight, "it is under way")),
            fence(SUSPECT, PROXY),
            does(lambda real: returned(path), "mend kvm-01 - storage", sim_waits_s=6.0),
            fence(SUSPECT, PROXY),
        ]
        compare(lab, [Placed(VM, SUSPECT)], steps, {VM: BlockDisk(path.device, aio="io_uring")})


def test_a_process_that_writes_to_newer_disks(lab: Lab) -> None:
    path = make_file(lab.folder / "vms" / "first.raw")
    newer = path.with_name("newer.qcow2")
    newer.unlink(missing_ok=True)
    words = f"snapshot-create-as {VM} one --disk-only --no-metadata --diskspec vda,file={newer}"
    steps: list[Step] = [
        does(lambda real: real.lab.hosts[SUSPECT].virsh(words), "qemu web-01 kvm-01 differs"),
        fence(SUSPECT, PROXY, rehearse=True, starts=True),
        fence(SUSPECT, PROXY, starts=True),
        fence(SUSPECT, PROXY),
    ]
    compare(lab, [Placed(VM, SUSPECT)], steps, {VM: FileDisk(path)})


def returned(path: HangingPath) -> None:
    path.returns()
    wait_until(lambda: not path.in_flight(), "it has landed")


def test_pages_of_a_device_that_somebody_else_has_open(lab: Lab) -> None:
    with loop(make_file(lab.folder / "lv" / "disk.raw")) as device, device.open("rb"):
        disk = BlockDisk(device, cache="writeback", aio="threads")
        steps: list[Step] = [
            does(
                lambda real: write_from_vm(real.lab, real.lab.vms[VM], 0xEE),
                "qemu web-01 kvm-01 leaves cache",
            ),
            strike("libvirtd_hung", SUSPECT, sim=["libvirtd kvm-01=hung"]),
            fence(SUSPECT, PROXY),
        ]
        compare(lab, [Placed(VM, SUSPECT)], steps, {VM: disk})

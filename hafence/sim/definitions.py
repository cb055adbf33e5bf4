"""From which disks a VM is started in the simulated world: a definition names the disks of one generation.

A snapshot, a pivot or a hot-plug makes the next generation. Which definition a run goes by is said by the product's own
rule (core/captures.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from ..core.captures import Capture, FetchFault, NotFetched, Origin, Source, digest_of, origin_of
from ..core.drift import Drift, Outline, drift_between
from ..core.model import HostName, Uuid
from ..effects import Drifts, FetchDefinitions
from .hosts import SimHost
from .kernel import Act
from .libvirt import Answer, answer_of
from .observed import reach
from .run import SimRun
from .world import EPOCH, World

FETCH_S = 0.2


def document(generation: int) -> str:
    """A definition that names the disks of a generation."""
    return f"<domain>{generation}</domain>"


def _generation_in(xml: str) -> int:
    return int(xml.removeprefix("<domain>").removesuffix("</domain>"))


def in_inventory(world: World, vm: Uuid) -> str:
    """The digest of the definition in the inventory, '' where there is none."""
    return "" if vm in world.unstartable else digest_of(document(world.named.get(vm, 0)))


def source_of(world: World, run: SimRun, vm: Uuid) -> Source:
    """From what a run would start a VM: looked up once, as in the product. What was captured it has heard with what
    else the store knows (Recall)."""
    if vm not in run.sources:
        capture = run.captures.get(vm)
        if capture is not None and origin_of(in_inventory(world, vm), capture) is Origin.CAPTURE:
            run.sources[vm] = (Source("", capture, Origin.CAPTURE), _generation_in(capture.xml))
        else:
            named = world.named.get(vm, 0)
            other = capture is not None and _generation_in(capture.xml) != named
            run.sources[vm] = (Source(world.unstartable.get(vm, ""), capture, Origin.INVENTORY, other), named)
    return run.sources[vm][0]


def generation_of(world: World, run: SimRun, vm: Uuid) -> int:
    """The generation of the disks from which a run would start a VM."""
    source_of(world, run, vm)
    return run.sources[vm][1]


def drifts(world: World, run: SimRun, effect: Drifts) -> Mapping[Uuid, tuple[Drift, ...]]:
    """The product compares disks, networks, memory and machines; here there are disks."""
    found = {}
    for capture in effect.captures:
        if not source_of(world, run, capture.vm).why_not:
            live, start = (Outline({"vda": str(n)}) for n in (_generation_in(capture.xml), _named(run, capture.vm)))
            found[capture.vm] = drift_between(live, start)
    return found


def _named(run: SimRun, vm: Uuid) -> int:
    return run.sources[vm][1]


def fetch(world: World, run: SimRun, effect: FetchDefinitions) -> Act[Mapping[Uuid, Capture | NotFetched]]:
    """What libvirt on a host says of VMs."""
    host, at = world.host(effect.host).answers_for, EPOCH + world.now + run.admin.clock_offset_s
    beside = {vm: in_inventory(world, vm) for vm in effect.vms}
    if why := (yield from reach(world, run, host, FETCH_S)):
        return dict.fromkeys(effect.vms, NotFetched(FetchFault.NO_ANSWER, why))
    return {vm: _of_one(host, effect.host, vm, at, beside[vm]) for vm in effect.vms}


def _of_one(host: SimHost, name: HostName, vm: Uuid, at: float, beside: str) -> Capture | NotFetched:
    if answer_of(host) is not Answer.ANSWERS:
        return NotFetched(FetchFault.FAILED, "libvirt does not answer")
    living = [qemu for qemu in host.found(vm) if not qemu.stray]
    return Capture(vm, name, at, beside, document(living[0].disks)) if living else NotFetched(FetchFault.NOT_LIVE)

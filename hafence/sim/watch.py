"""The session of a fence that stays on the suspect: its script there, and its end by the run."""

from __future__ import annotations

from ..core.given_back import GivenBack
from ..core.model import Uuid
from ..core.watch import WatchReport, joined
from ..effects import EndWatch, GiveBack
from .kernel import Act
from .libvirt import forget, know_again
from .observed import reach
from .run import Session, SimRun
from .world import EPOCH, World

ROUND_S = 0.5
DONE_S = 0.05


def watch_script(world: World, run: SimRun, session: Session) -> Act[None]:
    """What the script on the suspect does: it kills what comes to life, while it has leave to."""
    host = session.host
    while True:
        yield ROUND_S
        world.touch(host.name)
        if session.done or run.crashed or run.ended_at is not None:
            return
        heard = session.passes() and not run.admin.held
        if heard and EPOCH + world.now + run.admin.clock_offset_s < session.not_after:
            _end_what_came(world, session)


def _end_what_came(world: World, session: Session) -> None:
    for vm in session.order.vms:
        for qemu in session.host.found(vm):
            session.came[vm] += 1
            world.say(session.host.name, f"the watch sends SIGKILL to qemu {qemu.pid} of {world.name_of(vm)}")
            world.kill(qemu)


def renewed(run: SimRun, vm: Uuid, expires_at: float) -> None:
    """A watch may go on for as long as the lease."""
    for session in run.watches:
        if vm in session.order.vms:
            session.not_after = expires_at


def end_watch(world: World, run: SimRun, effect: EndWatch) -> Act[WatchReport]:
    """End the sessions that watch the VM on the suspect; each looks once more."""
    mine = [s for s in run.watches if s.order.suspect == effect.suspect and effect.vm in s.order.vms]
    run.watches = [session for session in run.watches if session not in mine]
    yield DONE_S
    world.touch(effect.suspect)
    return joined(effect.suspect, [_end(world, effect, session) for session in mine])


def give_back(world: World, run: SimRun, effect: GiveBack) -> Act[GivenBack]:
    """Definitions that were set aside are given back, where the host answers and its libvirt does."""
    host = world.host(effect.host)
    if why := (yield from reach(world, run, host)):
        return GivenBack(frozenset(), why)
    if EPOCH + world.now + run.admin.clock_offset_s >= effect.not_after:
        return GivenBack(frozenset(), "the time allowed for it had passed")
    back = know_again(host, effect.vms)
    return GivenBack(back, "" if back == set(effect.vms) else "libvirt there did not take it")


def _end(world: World, effect: EndWatch, session: Session) -> WatchReport:
    whole = session.passes() and session.host.boot == session.boot
    if whole:
        _end_what_came(world, session)
    session.done = True
    definitions: dict[Uuid, bool] = {}
    if whole and effect.aside:
        asked = ((vm, forget(session.host, vm)) for vm in session.order.vms)
        definitions = {vm: is_aside for vm, is_aside in asked if is_aside is not None}
    living = frozenset(vm for vm in session.order.vms if session.host.found(vm)) if whole else frozenset()
    return WatchReport(effect.suspect, dict(session.came), living, whole, definitions)

"""Effects on hosts: what a run meets on its way to a host, and the script that it leaves there."""

from __future__ import annotations

from typing import Any

from ..core.attempts import FenceOrder, FenceReport, Reply
from ..core.evidence import Sign, WitnessReport
from ..core.model import HostName
from ..core.not_run import why_not_run
from ..core.replies import STATUS_DEAD, interpret
from ..core.starts import StartReply, StartResult
from ..core.troubles import Trouble, met_straight
from ..effects import Fence, Settle, Start, Witness
from .definitions import generation_of
from .hosts import SimHost
from .kernel import Act, Join, Task
from .network import seconds_to_meet, signs_seen, trouble_reaching
from .observed import (
    RUNS_NOTHING,
    able_siblings,
    answers,
    glance,
    note_attempt,
    note_planned,
    note_scan,
    note_sent,
    note_watch,
)
from .run import Session, SimRun
from .scripts import Printed, Settled, fence_script, settle_script, start_script
from .scripts import clock as host_clock
from .watch import watch_script
from .world import EPOCH, World

GRACE_S = 3.0
"""How much longer than a script may take hafence waits for its end."""
LOOK_S = 0.3
OPEN_S = 0.05
_SPOKE = frozenset({Trouble.REFUSED, Trouble.HOST_KEY_CHANGED, Trouble.HOST_KEY_UNKNOWN, Trouble.SESSION_REFUSED})
"""After any other trouble a sibling must be seen to work, or it is the one that is frozen or gone."""
_OF_SIBLING = {
    Trouble.LOGIN_FAILED: Trouble.SIBLING_LOGIN,
    Trouble.HOST_KEY_CHANGED: Trouble.SIBLING_HOST_KEY,
    Trouble.HOST_KEY_UNKNOWN: Trouble.SIBLING_HOST_KEY,
}
_BY_PING = frozenset({Sign.PING, Sign.ICMP_ERROR})


def clock(world: World, run: SimRun) -> float:
    """The admin node's clock."""
    return EPOCH + world.agenda.now + run.admin.clock_offset_s


# ---------------------------------------------------------------- fencing


def fence(world: World, run: SimRun, effect: Fence) -> Act[FenceReport]:
    """Carry out a fence order through its proxy, and read the reply by the product's own rule."""
    if not effect.order.rehearse and effect.order.proxy is not None:  # what goes straight ends a copy of its own
        note_planned(world, run, f"fences on {effect.order.suspect}", effect.order.suspect)
    reply = yield from _carry_out(world, run, effect.order)
    return interpret(effect.order, run.policy.doctor(effect.order, reply))


def _carry_out(world: World, run: SimRun, order: FenceOrder) -> Act[Reply]:
    begun, asked_at = world.now, clock(world, run)
    nonce = f"{run.id}.{world.agenda.steps}"
    suspect = world.host(order.suspect).answers_for
    trouble = yield from _open(world, run, order)
    if trouble is None and suspect.sshd == "nosession":
        trouble = Trouble.SESSION_REFUSED
    if trouble is not None or suspect.sshd == "forced":
        status = None if trouble is not None else 1
        not_run = why_not_run(status, "", "")
        return Reply(nonce, trouble, status, "", world.now - begun, asked_at, not_run=not_run)
    within_s = min(order.within_s, order.not_after - clock(world, run))
    named = {vm: generation_of(world, run, vm) for vm in order.vms}
    fencing = fence_script(world, suspect, order, nonce, world.now + within_s, named)
    script = _fence_and_stay(world, run, order, suspect, fencing)
    task = world.agenda.spawn(script, suspect, f"{suspect.name} fence", suspect.slow_s)
    trouble = yield from _await(world, run, task, order.within_s + GRACE_S, suspect, order.proxy)
    printed: Printed | None = None if trouble else task.value
    if printed is not None and not order.rehearse:
        note_scan(world, run, order.suspect, suspect, printed)
    text, status = (printed.stdout, printed.status) if printed else ("", None)
    return Reply(nonce, trouble, status, text, world.now - begun, asked_at)


def _fence_and_stay(
    world: World, run: SimRun, order: FenceOrder, suspect: SimHost, script: Act[Printed]
) -> Act[Printed]:
    """The fence's script; one that is to watch stays where every VM is dead."""
    printed = yield from script
    if order.watch and printed.status == STATUS_DEAD:
        session = Session(order, suspect, lambda: _way_back(world, run, suspect, order.proxy) is None)
        run.watches.append(session)
        world.agenda.spawn(watch_script(world, run, session), suspect, f"{suspect.name} watch")
    return printed


def _open(world: World, run: SimRun, order: FenceOrder) -> Act[Trouble | None]:
    """The way to the suspect: the sibling, then the tunnel and the login. What was met, or None."""
    timeout_s = run.inventory.settings.connect_timeout_s
    source = run.admin.name
    suspect = world.host(order.suspect).answers_for
    if order.proxy is not None:
        sibling = world.host(order.proxy)
        world.touch(sibling.name)
        trouble = trouble_reaching(world.network, source, sibling)
        yield seconds_to_meet(trouble, timeout_s)
        world.touch(sibling.name)
        if trouble is not None:
            return _OF_SIBLING.get(trouble, Trouble.SIBLING_UNREACHABLE)
        if sibling.sshd == "noforward":
            return Trouble.SIBLING_FORBIDS
        source = sibling.name
    world.touch(suspect.name)
    trouble = trouble_reaching(world.network, source, suspect)
    answered = answers(world.network, source, suspect)
    yield seconds_to_meet(trouble, timeout_s)
    if order.proxy is not None:
        world.touch(order.proxy)
        if trouble_reaching(world.network, run.admin.name, world.host(order.proxy)) is not None:
            return trouble if trouble in _SPOKE else Trouble.SIBLING_FROZEN
        note_attempt(world, run, order, answered)
    if trouble is None and trouble_reaching(world.network, source, suspect) is not None:
        return Trouble.NO_REPLY_IN_TIME
    return trouble


def _await(
    world: World, run: SimRun, task: Task, within_s: float, host: SimHost, proxy: HostName | None
) -> Act[Trouble | None]:
    """Wait for a script's end and its reply. A reply that is on its way when a link drops comes when it mends."""
    deadline = world.now + within_s
    boot = host.boot
    yield Join(task, within_s)
    while True:
        world.touch(host.name)
        trouble = _way_back(world, run, host, proxy)
        if trouble is None:
            if task.done:
                return None
            if host.boot != boot:
                return Trouble.CUT
            trouble = Trouble.NO_REPLY_IN_TIME
        if world.now >= deadline:
            return trouble
        yield deadline - world.now


def _way_back(world: World, run: SimRun, host: SimHost, proxy: HostName | None) -> Trouble | None:
    source = run.admin.name
    if proxy is not None:
        world.touch(proxy)
        sibling = world.host(proxy)
        if not (world.network.passes(source, proxy) and sibling.up) or sibling.held:
            return Trouble.SIBLING_FROZEN
        source = proxy
    if not (world.network.passes(source, host.name) and host.up) or host.held:
        return Trouble.NO_REPLY_IN_TIME
    return None


# ---------------------------------------------------------------- starting


def start(world: World, run: SimRun, effect: Start) -> Act[StartReply]:
    """Send a start and wait for what comes of it."""
    reply = yield from _on_target(world, run, effect, effect.order.not_after)
    return run.policy.doctor_start(effect.order, reply, False)


def settle(world: World, run: SimRun, effect: Settle) -> Act[StartReply]:
    """Ask the target what became of a start."""
    reply = yield from _on_target(world, run, effect, effect.order.not_after)
    return run.policy.doctor_start(effect.order, reply, True)


def _on_target(world: World, run: SimRun, effect: Start | Settle, not_after: float) -> Act[StartReply]:
    order = effect.order
    host = world.host(order.target)
    timeout_s = run.inventory.settings.connect_timeout_s
    world.touch(host.name)
    trouble = trouble_reaching(world.network, run.admin.name, host)
    yield seconds_to_meet(trouble, timeout_s)
    world.touch(host.name)
    if trouble is None and not (host.up and world.network.passes(run.admin.name, host.name)):
        trouble = Trouble.NO_REPLY_IN_TIME
    if trouble is not None or host.sshd in RUNS_NOTHING:
        result = StartResult.CLEAN if isinstance(effect, Start) else StartResult.UNKNOWN
        return StartReply(result, met_straight(trouble) if trouble else "it runs no script", clock(world, run))
    until = world.now + min(order.within_s, not_after - clock(world, run))
    if isinstance(effect, Start):
        run.sent.append((world.now, order.vm, order.target))
        if order.boot_id:  # by the clock of a target that was looked into, too
            until = min(until, world.now + not_after + order.clock_offset_s - host_clock(world, host))
        disks = generation_of(world, run, order.vm)
        note_sent(world, run, order, until, disks)
        script = start_script(world, host, order, run.id, until, disks)
    else:
        if all(vm != order.vm for _, vm, _ in run.sent):  # what an earlier run has left
            note_planned(world, run, f"settles a start on {order.target}", HostName(order.target))
        script = settle_script(world, host, order, until)
    task = world.agenda.spawn(script, host, f"{host.name} {type(effect).__name__.lower()}", host.slow_s)
    trouble = yield from _await(world, run, task, order.within_s + GRACE_S, host, None)
    if trouble is not None:
        return StartReply(StartResult.UNKNOWN, met_straight(trouble), clock(world, run))
    settled: Settled = task.value
    return StartReply(settled.result, settled.says, clock(world, run))


# ---------------------------------------------------------------- witnesses


def witness(world: World, run: SimRun, effect: Witness) -> Act[tuple[WitnessReport, ...]]:
    """Everybody looks for signs of life, at once."""
    suspect = world.host(effect.suspect).answers_for
    members = [h for h in run.inventory.members(run.inventory.hosts[effect.suspect].cluster) if h.name != suspect.name]
    working = [name for name in effect.siblings if _can_witness(world, run, name)]
    able = able_siblings(world, run, world.host(effect.suspect))
    asked_at = clock(world, run)
    yield LOOK_S
    world.touch(suspect.name)
    first = glance(world, run, suspect)
    seen: dict[HostName | None, frozenset[Sign]] = {name: _signs(world, name, suspect) for name in working}
    seen[None] = signs_seen(world.network, run.admin.name, suspect, run.admin.same_segment)
    if not all(seen.values()):
        yield run.inventory.settings.connect_timeout_s
        world.touch(suspect.name)
        seen = {
            name: seen[name] | (_signs(world, name, suspect) if name else seen[name])
            for name in seen
            if name is None or _can_witness(world, run, name)
        }
    note_watch(world, run, effect, able, first)
    reports = []
    for witness_name in (*effect.siblings, None):
        if witness_name not in seen:
            says = "it could not be reached"
            reports.append(WitnessReport(witness_name, asked_at, frozenset(), False, says))
            continue
        peers = [host.name for host in members if host.name != witness_name] if witness_name else []
        reached = sum(1 for peer in peers if _by_tcp(world, witness_name or "", peer))
        signs = seen[witness_name]
        # A suspect's "network unreachable" reads like a route that the witness itself lacks.
        sees = not (suspect.firewall == "reject-net" and signs)
        if witness_name and world.host(witness_name).lacks == "ping":
            sees, signs = False, signs - _BY_PING
        says = ", ".join(sorted(sign.says for sign in signs)) or "no sign of life"
        reports.append(WitnessReport(witness_name, asked_at, signs, sees, says, len(peers), reached))
    return tuple(reports)


def _by_tcp(world: World, witness: str, peer: HostName) -> bool:
    """Whether a peer takes or refuses a connection."""
    return not signs_seen(world.network, witness, world.host(peer), False).isdisjoint((Sign.SYN_ACK, Sign.RST))


def _can_witness(world: World, run: SimRun, name: HostName) -> bool:
    world.touch(name)
    host = world.host(name)
    return host.sshd not in RUNS_NOTHING and trouble_reaching(world.network, run.admin.name, host) is None


def _signs(world: World, name: HostName, suspect: SimHost) -> frozenset[Any]:
    return signs_seen(world.network, name, suspect, same_segment=True)

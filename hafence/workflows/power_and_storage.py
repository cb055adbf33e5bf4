"""The second level of a fence: the power of the suspect, and its way to the storage.

They follow where the kill through a sibling did not settle it, and what they prove goes to the gate like any other
evidence. A network outage must not become a power outage: an observer who is cut off uses neither.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..core.attempts import Verdict
from ..core.decision import Refused, is_final, judge, signs_of_life
from ..core.evidence import Observation, Proof
from ..core.looks import HostLook, Look, life_words, shows_life
from ..core.model import HostName, Unreachable, Uuid
from ..core.planned import forbidden
from ..core.power import no_power_fence, of_another_machine, was_seen_off
from ..core.record import record_of
from ..core.second_level import FenceTried, SecondLevelKind, SecondLevelReply
from ..core.storage.port import StorageFence
from ..core.storage.registry import storage_fence_of
from ..core.stored import Recollection
from ..effects import Answer, Ask, NoteSecondLevel, Now, Parallel, SpendStatement, Witness, Workflow, do
from .fencing_state import Fencing
from .planned import planned_now
from .power_fence import power_fence
from .storage_fence import Remembered, StorageOrder, fence_storage, shut_out_left_open
from .vm_run import Request

AFTER_DEATH_S = 12.0
"""How long a start waits for a storage that is asked to shut out the clients of the dead: its first call may hang."""
Level = Workflow[Mapping[Uuid, SecondLevelReply]]
"""A fence of the second level that is about to be used: what it comes to for each VM."""


def second_level(fencing: Fencing) -> Workflow[Refused | None]:
    """Power and storage, where they are configured. The refusal where work was announced while siblings were asked:
    then neither is used.

    A silent suspect meets both at once, for the policy `confirm` wants every fence that is configured. One that
    lives is kept from its storage first, which leaves its other VMs alone; its power is for what is then still refused.
    """
    policy = fencing.run.inventory.settings.unreachable
    silent = policy is not Unreachable.PROCEED
    vms = tuple(vm for vm in fencing.vm_runs if _refused(fencing, vm) or (silent and _unreachable(fencing, vm)))
    if not vms or not fencing.candidates.chosen or not _is_configured(fencing):
        return None
    if fencing.cut_off() and fencing.open_vms():
        return None
    refusal = forbidden(fencing.suspect, (yield from planned_now(fencing.run, fencing.view.memory.planned)))
    if refusal is not None:
        return refusal
    if not _lives(fencing):
        storage = yield from _storage(fencing, vms)
        power = yield from _power(fencing, vms)
        yield from _use(fencing, vms, (*storage, *power))
        return None
    yield from _use(fencing, vms, (yield from _storage(fencing, vms)))
    left = tuple(vm for vm in vms if _refused(fencing, vm))
    if left:
        yield from _use(fencing, left, (yield from _power(fencing, left)))
    return None


def _is_configured(fencing: Fencing) -> bool:
    cluster = fencing.run.inventory.cluster_of(fencing.suspect.name)
    return bool(fencing.suspect.power) or storage_fence_of(cluster) is not None


def _refused(fencing: Fencing, vm: Uuid) -> bool:
    """Whether the VM is refused so far, and a fence of the second level could change that."""
    case = fencing.case(vm)
    return isinstance(judge(case), Refused) and not is_final(case)


def _unreachable(fencing: Fencing, vm: Uuid) -> bool:
    return fencing.verdict(vm) is Verdict.UNREACHABLE


def _lives(fencing: Fencing) -> bool:
    """Whether anything was seen of the suspect's life, by anyone."""
    spoke = (Verdict.STILL_ALIVE, Verdict.AMBIGUOUS)
    return any(fencing.verdict(vm) in spoke or signs_of_life(fencing.case(vm)) for vm in fencing.vm_runs)


def _not_after(fencing: Fencing, vms: tuple[Uuid, ...]) -> Workflow[float]:
    not_after = math.inf
    for vm in vms:
        not_after = min(not_after, (yield from fencing.vm_runs[vm].renew()))
    return not_after


def _storage(fencing: Fencing, vms: tuple[Uuid, ...]) -> Workflow[tuple[Level, ...]]:
    inventory = fencing.run.inventory
    fence = storage_fence_of(inventory.cluster_of(fencing.suspect.name))
    if fence is None:
        return ()
    order = yield from _storage_order(fencing, vms, inventory.settings.power_timeout_s)
    remembered: Remembered = {}
    for vm in vms:
        remembered.update(fencing.vm_runs[vm].clients)
    return (_fence_storage(fencing, fence, order, remembered),)


def _storage_order(fencing: Fencing, vms: tuple[Uuid, ...], within_s: float) -> Workflow[StorageOrder]:
    # Only a host that was looked into is known to run no copy: another one's client on the images is a stranger's.
    seen = tuple(name for name in fencing.candidates.chosen if isinstance(fencing.view.looks.get(name), HostLook))
    return StorageOrder(
        suspect=fencing.suspect,
        vms=vms,
        siblings=seen,
        not_after=(yield from _not_after(fencing, vms)),
        within_s=within_s,
        rehearse=fencing.run.dry_run,
        alone=not _other_vms(fencing),
    )


def _fence_storage(fencing: Fencing, fence: StorageFence[Any], order: StorageOrder, remembered: Remembered) -> Level:
    replies = yield from fence_storage(fencing.run.inventory, fence, order, remembered)
    for vm in order.vms:
        fencing.vm_runs[vm].clients.update(remembered)
    yield from do(NoteSecondLevel(fencing.suspect.name, SecondLevelKind.STORAGE, replies))
    return replies


def shut_out_the_dead(fencing: Fencing) -> Workflow[None]:
    """After a confirmed death: what the network still holds of the dead process must not be written by the storage."""
    inventory = fencing.run.inventory
    fence = storage_fence_of(inventory.cluster_of(fencing.suspect.name))
    vms = tuple(vm for vm in fencing.vm_runs if fencing.verdict(vm) is Verdict.CONFIRMED_DEAD)
    if fence is None or not vms or fencing.run.dry_run:
        return
    order = yield from _storage_order(fencing, vms, AFTER_DEATH_S)
    replies = yield from shut_out_left_open(inventory, fence, order)
    if not replies:
        return
    yield from do(NoteSecondLevel(fencing.suspect.name, SecondLevelKind.STORAGE, replies))
    now = yield from do(Now())
    for vm, reply in replies.items():
        _note(fencing, vm, reply, now)


def _power(fencing: Fencing, vms: tuple[Uuid, ...]) -> Workflow[tuple[Level, ...]]:
    if not fencing.suspect.power:
        return ()
    others = _other_vms(fencing)
    if others and _lives(fencing) and not (yield from _agreed(fencing, len(others))):
        says = f"not used: {len(others)} other VM(s) are there and nobody agreed to switch them off; --yes agrees"
        now = yield from do(Now())
        reply = no_power_fence(fencing.suspect.name, says, now)
        for vm in vms:
            _note(fencing, vm, reply, now)
        return ()
    return (_switch_off(fencing, vms, (yield from _not_after(fencing, vms))),)


def _switch_off(fencing: Fencing, vms: tuple[Uuid, ...], not_after: float) -> Level:
    within_s = fencing.run.inventory.settings.power_timeout_s
    reply = yield from power_fence(fencing.suspect, not_after, within_s, fencing.run.dry_run)
    if was_seen_off(reply):
        reply = yield from _seen_off_and_alive(fencing, reply)
    replies = dict.fromkeys(vms, reply)
    yield from do(NoteSecondLevel(fencing.suspect.name, SecondLevelKind.POWER, replies))
    return replies


def _seen_off_and_alive(fencing: Fencing, reply: SecondLevelReply) -> Workflow[SecondLevelReply]:
    """Look for signs of life once more: a host that goes on answering is not the one whose power is off. A device that
    is entered with another host is believed else, and that one switched off for nothing."""
    suspect = fencing.suspect.name
    if fencing.run.dry_run:  # the device has said so by itself, and nothing was switched
        signs = [f"{suspect} shows signs of life"] if _lives(fencing) else []
    else:
        reports = yield from do(Witness(suspect, fencing.candidates.chosen))
        alive = tuple(report for report in reports if report.signs)
        fencing.reports = (*fencing.reports, *alive)
        signs = [f"{report.name} saw it alive after that" for report in alive]
    return of_another_machine(suspect, reply, signs, (yield from do(Now()))) if signs else reply


def _agreed(fencing: Fencing, others: int) -> Workflow[bool]:
    """A silent host may be switched off. One that lives, with other VMs on it, only if the admin agrees."""
    if fencing.run.yes:
        return True
    if fencing.run.dry_run:
        return False
    question = f"{fencing.suspect.name} shows signs of life, with {others} other VM(s) on it. Switch its power off?"
    return (yield from do(Ask(question))) is Answer.YES


def _other_vms(fencing: Fencing) -> frozenset[Uuid]:
    """The VMs on the suspect that this run does not fence: those seen there, or else those recorded there."""
    look = fencing.view.looks.get(fencing.suspect.name)
    if isinstance(look, HostLook):
        here = look.active | set(look.copies)
    else:
        records = fencing.view.memory.records
        every = ((vm.uuid, record_of(vm, records)) for vm in fencing.run.inventory.vms.values())
        here = frozenset(uuid for uuid, record in every if record.host == fencing.suspect.name)
    return frozenset(here - fencing.vm_runs.keys())


def _use(fencing: Fencing, vms: tuple[Uuid, ...], levels: tuple[Level, ...]) -> Workflow[None]:
    """Use them side by side, and note what each came to for each VM.

    The attempt through a sibling that came before has marked each VM as one of which something may have been killed.
    """
    if not levels:
        return
    answers = yield from do(Parallel(levels))
    now = yield from do(Now())
    for _, replies in zip(levels, answers, strict=True):
        for vm in vms:
            reply = replies[vm]
            _note(fencing, vm, reply, now)
            if fencing.run.dry_run and reply.done:
                fencing.extra[vm].append(
                    Observation(reply.kind.value, "foretold", now, reply.says, _PROVES[reply.kind])
                )


def _note(fencing: Fencing, vm: Uuid, reply: SecondLevelReply, at: float) -> None:
    fencing.extra[vm] += (FenceTried(reply.kind, reply.done, at, reply.says), *reply.evidence)
    if reply.shut_out_until is not None:  # a power fence beside it knows nothing of the storage
        fencing.vm_runs[vm].shut_out_until = reply.shut_out_until


_PROVES = {SecondLevelKind.POWER: Proof.HOST_OFF, SecondLevelKind.STORAGE: Proof.DISKS_FENCED}
"""What a fence proves that has worked."""


def spend_refuted(run: Request, memory: Recollection, looks: Mapping[HostName, Look]) -> Workflow[None]:
    """End every statement that a host is powered off whose host was just seen alive: it has recovered."""
    for name in sorted(memory.statements.keys() & looks.keys()):
        look = looks[name]
        if shows_life(look) and not run.dry_run:
            yield from do(SpendStatement(name, f"{name} was seen alive: it {life_words(look)}"))


def spend_if_seen_alive(fencing: Fencing) -> Workflow[None]:
    """The same for the suspect, when a sibling has seen a sign of its life."""
    name = fencing.suspect.name
    look = fencing.view.looks.get(name)
    if fencing.run.dry_run or name not in fencing.view.memory.statements or (look is not None and shows_life(look)):
        return
    signs = [sign for vm in fencing.vm_runs for sign in signs_of_life(fencing.case(vm))]
    if signs:
        yield from do(SpendStatement(name, signs[0]))

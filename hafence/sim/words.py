"""What a run does, in a line an admin can read: the lines of `expect.log`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.looks import HostLook, Look, Silence, shows_life
from ..core.model import HostName, Inventory
from ..core.outcome import Exit, Outcome, exit_of
from ..core.replies import interpret
from ..core.stored import Busy, Lease
from ..effects import (
    DropLease,
    Effect,
    Fence,
    FenceStorage,
    Interrupted,
    LearnMachine,
    LeaseLost,
    LiftQuarantine,
    LiftStorageFence,
    LookAt,
    PowerOff,
    Quarantine,
    Recall,
    RecordStatement,
    RenewLease,
    RenewStorageFence,
    RunHooks,
    SecondLevelReply,
    Settle,
    SpendStatement,
    Start,
    StoreError,
    TakeLease,
    Together,
    Witness,
    WriteRecord,
)
from ..workflows.host_status import HostOutcome


def words(inventory: Inventory, effect: Effect[Any], answer: Any, machines: Mapping[HostName, str]) -> list[str]:
    """The lines that tell an effect and its answer; none for what is of no interest. `machines`: known machine-ids."""
    if isinstance(answer, LeaseLost | StoreError | Interrupted):
        kind = {LeaseLost: "lost its lease", StoreError: "store error", Interrupted: "interrupted"}[type(answer)]
        return [f"{type(effect).__name__}: {kind}{f' ({answer})' if str(answer) else ''}"]
    match effect:
        case Together(parts):
            played = zip(parts, answer, strict=True)
            return [line for part, each in played for line in words(inventory, part, each, machines)]
        case RenewLease() | Recall():
            return []
        case TakeLease() | DropLease() | WriteRecord() | Quarantine() | LiftQuarantine() | LearnMachine():
            return _stored(inventory, effect, answer)
        case RecordStatement():
            return [f"records the statement on {effect.host}"]
        case SpendStatement():
            return [f"ends the statement on {effect.host}: {effect.why}"]
        case LookAt():
            return [f"looks: {name} {_look(inventory, look)}" for name, look in sorted(answer.items())]
        case Fence(order):
            how = "rehearses the fence of" if order.rehearse else "fences"
            through = f"through {order.proxy}" if order.proxy else "straight"
            findings = interpret(order, answer, machines.get(order.suspect))
            return [
                f"{how} {_vm(inventory, vm)} on {order.suspect} {through}: {found.verdict.value}, {found.detail}"
                for vm, found in findings.items()
            ]
        case Witness():
            return [f"witness {report.name}: {_report(report.could_look, report.says)}" for report in answer]
        case Start(sent) | Settle(sent):
            verb = "starts" if isinstance(effect, Start) else "settles"
            return [f"{verb} {_vm(inventory, sent.vm)} on {sent.target}: {answer.result.value}, {answer.says}"]
        case RunHooks():
            said = "; ".join(f"{r.name}: {r.error}" for r in answer if r.error)
            return [f"hooks: {said or 'all agree'}"]
        case PowerOff():
            return [_level(f"power of {effect.host}", answer)]
        case FenceStorage():
            return [_level(f"storage of {_vm(inventory, vm)}", each) for vm, each in sorted(answer.items())]
        case LiftStorageFence() | RenewStorageFence():
            return [answer] if answer else []
    return []


def _stored(inventory: Inventory, effect: Effect[Any], answer: Any) -> list[str]:
    match effect, answer:
        case TakeLease(), Lease():
            return [f"takes the lease on {_vm(inventory, effect.vm)}"]
        case TakeLease(), Busy():
            return [f"finds the lease on {_vm(inventory, effect.vm)} taken by {answer.run}, {answer.holder}"]
        case WriteRecord(), _:
            return [f"records {_vm(inventory, answer.uuid)}: {answer.words}"]
        case Quarantine(), _:
            return [f"puts {effect.host} into quarantine: {effect.why}"]
        case LiftQuarantine(), _:
            return [f"takes {effect.host} out of quarantine"]
        case LearnMachine(), _:
            return [f"learns the machine-id of {effect.host}"]
    return []


def _look(inventory: Inventory, look: Look) -> str:
    if isinstance(look, Silence):
        return f"{'lets nobody in' if shows_life(look) else 'is silent'}: {look.says}"
    if not isinstance(look, HostLook):
        return f"lets nobody look: {look.says}"
    copies = [f"{count} of {_vm(inventory, vm)}" for vm, count in sorted(look.copies.items())]
    libvirt = "" if look.libvirt.value == "ok" else f", libvirt {look.libvirt.value}"
    return f"runs {' and '.join(copies) or 'none'}{libvirt}"


def _report(could_look: bool, says: str) -> str:
    return says if could_look else f"could not look, {says}"


def _level(name: str, reply: SecondLevelReply) -> str:
    seen = "".join(f"; {evidence.says}" for evidence in reply.evidence if evidence.says != reply.says)
    return f"{name}: {'done' if reply.done else 'not done'}, {reply.says}{seen}"


def _vm(inventory: Inventory, uuid: str) -> str:
    return next((vm.name for vm in inventory.vms.values() if vm.uuid == uuid), uuid)


def outcome_words(outcome: Outcome) -> list[str]:
    """The lines that end a run."""
    verdict = outcome.verdict.value if outcome.verdict else "no verdict"
    first = f"exit {int(outcome.exit)}: {outcome.decision.value} ({outcome.reason.value}, {verdict}): {outcome.message}"
    risks = [f"residual risk: {risk}" for risk in outcome.residual_risk]
    notes = [f"note: {note}" for note in outcome.notes] if outcome.dry_run else []
    return [*notes, first, *risks]


def end_words(result: Any) -> list[str]:
    """The lines that end a run beside its outcomes: of a command on a host, of several VMs, of a run cut short."""
    match result:
        case HostOutcome():
            if result.done:
                return [f"exit {int(Exit.DONE)}: done: {result.message}"]
            ways = f" Way out: {'; or '.join(result.ways_out)}." if result.ways_out else ""
            return [f"exit {int(result.exit)}: refused: {result.message.rstrip('.')}.{ways}"]
        case StoreError():
            return [f"exit {int(Exit.STORE)}: {result}. Nothing was killed and nothing started."]
        case Interrupted():
            return [f"exit {int(Exit.INTERRUPTED)}: interrupted"]
        case (Outcome(), Outcome(), *_):
            return [f"exit {int(exit_of(result))} of all {len(result)}"]
    return []

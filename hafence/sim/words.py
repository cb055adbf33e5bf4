"""What a run does, as the changes of state that it makes and sees: the lines of `expect.log`.

No sentence that hafence says to people stands here: those are held once, in tests/core/told/. So a reworded sentence
changes no log, and a log that changes is another course of things.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.attempts import Reading
from ..core.audit import worst
from ..core.captures import Capture
from ..core.capturing import Captured
from ..core.evidence import WitnessReport
from ..core.incidents import name_of_claim
from ..core.looks import Blind, HostLook, Libvirt, Look, Silence, shows_life
from ..core.model import Inventory, Uuid
from ..core.outcome import Decision, Exit, Outcome, exit_of
from ..core.owners import RunBy, owner_words
from ..core.record import VmRecord
from ..core.risks import Risk
from ..core.second_level import SecondLevelKind, SecondLevelReply
from ..core.starts import StartReply
from ..core.storage.port import ClientsSeen, EntriesSeen, Unanswered
from ..core.storage.rehearsal import Rehearsal
from ..core.stored import Busy, Lease
from ..core.survey import Finding
from ..effects import (
    AddEntries,
    AskClients,
    AwaitReady,
    DropLease,
    Effect,
    EndWatch,
    EndWork,
    Fence,
    FetchDefinitions,
    GiveBack,
    Interrupted,
    KeepCapture,
    LearnMachine,
    LeaseLost,
    LiftQuarantine,
    ListEntries,
    LookAt,
    NoteSecondLevel,
    PlanWork,
    Quarantine,
    RecordStatement,
    RehearseStorage,
    RemoveEntries,
    RunHooks,
    SendOff,
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
from ..workflows.planned_work import WorkOutcome

_THROWN = {LeaseLost: "lost its lease", StoreError: "store error", Interrupted: "interrupted"}


def words(inventory: Inventory, effect: Effect[Any], answer: Any) -> list[str]:
    """The lines that tell an effect and its answer; none for what changes and shows nothing."""
    if isinstance(answer, LeaseLost | StoreError | Interrupted):
        return [f"{type(effect).__name__}: {_THROWN[type(answer)]}"]
    match effect:
        case Together(parts):
            return [line for part, each in zip(parts, answer, strict=True) for line in words(inventory, part, each)]
        case LookAt():
            return [f"looks: {_looks(inventory, answer)}"]
        case Fence(order):
            what = "rehearses" if order.rehearse else "fences"
            through = f"through {order.proxy}" if order.proxy else "straight"
            return [
                f"{what} {_vm(inventory, vm)} on {order.suspect} {through}: {_reading(reading)}"
                for vm, reading in answer.readings.items()
                if vm in inventory.vms  # an audit rehearses with one that is nowhere
            ]
        case FetchDefinitions(host):
            return [
                f"fetches the definition of {_vm(inventory, vm)} from {host}:"
                f" {'captured' if isinstance(came, Capture) else came.why.value}"
                for vm, came in answer.items()
            ]
        case EndWatch():
            what = f"{sum(answer.came.values())} came back" if answer.came else "nothing came back"
            end = "" if answer.whole else ", and it was cut off"
            return [f"ends the watch on {effect.suspect}: {what}{end}"]
        case GiveBack(host, vms):
            given = [_vm(inventory, vm) for vm in vms if vm in answer.vms]
            return [f"gives back on {host}: {' '.join(given) or '-'}"]
        case Witness():
            return [f"witnesses: {', '.join(_report(report) for report in answer)}"] if answer else []
        case Start(sent) | Settle(sent):
            verb = "starts" if isinstance(effect, Start) else "settles"
            return [f"{verb} {_vm(inventory, sent.vm)} on {sent.target}: {_start(answer)}"]
        case AwaitReady(vm, target):
            return [f"waits for {_vm(inventory, vm)} on {target} to serve: {answer.serves.value}"]
        case RunHooks():
            return [f"hooks: {' '.join(r.name for r in answer if r.error) or 'all'} {_agree(answer)}"]
        case SendOff(device):
            return [f"tells {device.agent} of {device.host}, level {device.level}: off"]
        case AskClients(asker) | ListEntries(asker) | AddEntries(asker) | RemoveEntries(asker) | RehearseStorage(asker):
            return [f"{_STORAGE_VERBS[type(effect)]} through {asker.says}: {_storage(answer)}"]
        case NoteSecondLevel(suspect, SecondLevelKind.POWER, replies):
            return [_level(f"power of {suspect}", each) for each in list(replies.values())[:1]]
        case NoteSecondLevel(_, SecondLevelKind.STORAGE, replies):
            return [_level(f"storage of {_vm(inventory, vm)}", each) for vm, each in sorted(replies.items())]
    return _stored(inventory, effect, answer)


_STORAGE_VERBS: Mapping[type[Effect[Any]], str] = {
    AskClients: "asks who the clients are",
    ListEntries: "lists who is shut out",
    AddEntries: "shuts out",
    RemoveEntries: "lets in",
    RehearseStorage: "asks whether it could shut out",
}


def _storage(answer: ClientsSeen[Any] | EntriesSeen[Any] | Rehearsal | Unanswered) -> str:
    match answer:
        case Unanswered():
            return "no answer"
        case Rehearsal():
            return " ".join(each.value for each in answer.hindrances) or "it could"
        case EntriesSeen():
            return " ".join(each.client.text for each in answer.entries) or "-"
        case ClientsSeen():
            seen = {c.text for volume in answer.volumes.values() for c in (*volume.watchers, *volume.lockers)}
            return " ".join(sorted(seen)) or "-"


def _stored(inventory: Inventory, effect: Effect[Any], answer: Any) -> list[str]:
    match effect, answer:
        case TakeLease(), Lease():
            return [f"takes the lease on {_vm(inventory, effect.vm)}"]
        case TakeLease(), Busy():
            return [f"finds the lease on {_vm(inventory, effect.vm)} taken by {answer.run}, {answer.holder}"]
        case DropLease(), _:
            return []
        case WriteRecord(), _:
            return [f"records {_vm(inventory, answer.uuid)}: {record_words(answer)}"]
        case Quarantine(), _:
            return [f"puts {effect.host} into quarantine"]
        case LiftQuarantine(), _:
            return [f"takes {effect.host} out of quarantine"]
        case LearnMachine(), _:
            return [f"learns the machine-id of {effect.host}"]
        case RecordStatement(), _:
            return [f"records the statement on {effect.host}"]
        case PlanWork(kind, names), _:
            return [f"records {kind.value} {', '.join(names)}"]
        case EndWork(kind, names), _:
            return [f"ends {kind.value} {', '.join(names)}"]
        case KeepCapture(), _:
            return [f"keeps the definition of {_vm(inventory, effect.capture.vm)}"]
        case SpendStatement(), _:
            return [f"ends the statement on {effect.host}"]
    return []


def record_words(record: VmRecord) -> str:
    """A record's state, its hosts and why it may start."""
    hosts = " ".join(
        f"{name}={host}" for name, host in (("host", record.host), ("last", record.last_host)) if host is not None
    )
    grounds = f" grounds={record.grounds.value}" if record.grounds else ""
    kept = "".join(f" shut_out={each.host}" for each in record.shut_out)
    kept += "".join(f" unproven={host}" for host in record.unproven)
    return f"{record.state.value} {hosts}{grounds}{kept}"


def _looks(inventory: Inventory, looks: Mapping[Any, Look]) -> str:
    return ", ".join(f"{name} {_look(inventory, look)}" for name, look in sorted(looks.items()))


def _look(inventory: Inventory, look: Look) -> str:
    match look:
        case Silence():
            if look.seen is not None:
                return f"silent ({look.trouble.value}; through {look.seen.through}: {_look(inventory, look.seen)})"
            return f"{'lives' if shows_life(look) else 'silent'} ({look.trouble.value})"
        case Blind():
            return "lives (blind)"
        case HostLook():
            copies = [f"{count}x {_vm(inventory, vm)}" for vm, count in sorted(look.copies.items())]
            libvirt = "" if look.libvirt is Libvirt.OK else f" libvirt={look.libvirt.value}"
            return f"{' + '.join(copies) or '-'}{libvirt}"


def _reading(reading: Reading) -> str:
    parts = [reading.verdict.value]
    facts = reading.facts
    if reading.trouble is not None:
        parts.append(f"trouble={reading.trouble.value}")
    if reading.fault is not None:
        parts.append(f"fault={reading.fault.fault.value}")
    named = (("found", facts.found), ("killed", facts.killed), ("state", facts.state), ("why", facts.why))
    parts += [f"{name}={value}" for name, value in named if value]
    parts += [f"{name}={facts.word(name)}" for name in ("store", "run", "age", "saved", "guests") if facts.word(name)]
    if facts.owner is not None and facts.owner.by is not RunBy.LIBVIRT:
        parts += [f"{name}={value}" for name, value in owner_words(facts.owner).items()]
    return " ".join([*parts, *(["foretold"] if reading.foretold else [])])


def _report(report: WitnessReport) -> str:
    signs = "+".join(sorted(sign.value for sign in report.signs)) or "-"
    return f"{report.witness or 'admin node'} {signs}{'' if report.could_look else ' (could not look)'}"


def _start(reply: StartReply) -> str:
    return reply.result.value


def _agree(results: Iterable[Any]) -> str:
    bad = sum(1 for result in results if result.error)
    return "agree" if not bad else "says no" if bad == 1 else "say no"


def _level(name: str, reply: SecondLevelReply) -> str:
    proofs = " ".join(evidence.proves.value for evidence in reply.evidence)
    return f"{name}: {'done' if reply.done else 'not done'} {proofs}".rstrip()


def _vm(inventory: Inventory, uuid: Uuid) -> str:
    known = inventory.vms.get(uuid)
    return known.name if known else name_of_claim(uuid, inventory.hosts) or uuid


def risk_words(risk: Risk) -> str:
    """A risk's kind and hosts."""
    return f"{risk.kind.value} {' '.join(risk.hosts)}"


_STARTS = (Decision.STARTED, Decision.FAILED)


def outcome_words(outcome: Outcome) -> list[str]:
    """The lines that end a run."""
    verdict = outcome.verdict.value if outcome.verdict else "no verdict"
    where = f" on {outcome.host}" if outcome.host else ""
    dry = " (dry run)" if outcome.dry_run else ""
    source = outcome.source
    dry += " from its capture" if source is not None and source.is_capture and outcome.decision in _STARTS else ""
    first = f"exit {int(outcome.exit)}: {outcome.decision.value} ({outcome.reason.value}, {verdict}){where}{dry}"
    return [first, *(f"risk: {risk_words(risk)}" for risk in outcome.residual_risk)]


def end_words(result: Any) -> list[str]:
    """The lines that end a run beside its outcomes: of a command on a host, of several VMs, of a run cut short."""
    match result:
        case HostOutcome():
            exit_ = Exit.DONE if result.done else result.exit
            return [f"exit {int(exit_)}: {'done' if result.done else 'refused'} ({result.reason.value}) {result.host}"]
        case WorkOutcome(reason, names):
            return [f"exit 0: done ({reason.value}) {', '.join(names)}"]
        case StoreError():
            return [f"exit {int(Exit.STORE)}: store error"]
        case Interrupted():
            return [f"exit {int(Exit.INTERRUPTED)}: interrupted"]
        case (Finding(), *_):
            return [f"exit {int(worst(result))}: finds {', '.join(f'{each.code} {each.subject}' for each in result)}"]
        case (Captured(), *_):
            ends = [f"{each.name} {each.why.value if each.why else 'captured'}" for each in result]
            return [f"ends: {', '.join(ends)}"]
        case (Outcome(), Outcome(), *_):
            return [f"exit {int(exit_of(result))} of all {len(result)}"]
    return []

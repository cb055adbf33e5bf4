"""Effects and their answers in words: what the live view and the plain lines show of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ...core.attempts import FenceOrder, FenceReport, Reading, Verdict
from ...core.evidence import WitnessReport
from ...core.incidents import name_of_claim
from ...core.looks import Blind, HostLook, Libvirt, Look
from ...core.model import HostName, Inventory, Uuid, Vm
from ...core.outcome import Decision, Exit, Outcome
from ...core.ready import Readiness, Serves
from ...core.second_level import SecondLevelKind, SecondLevelReply
from ...core.starts import StartReply, StartResult
from ...core.storage.port import Asker, EntriesSeen, HasText, Unanswered
from ...core.stored import Busy
from ...effects import (
    AddEntries,
    Ask,
    AskClients,
    AskPower,
    AwaitReady,
    Effect,
    EndWork,
    Fence,
    FetchDefinitions,
    Interrupted,
    LeaseLost,
    LiftQuarantine,
    ListEntries,
    LookAt,
    NoteOutcome,
    NoteSecondLevel,
    PlanWork,
    Quarantine,
    RecordStatement,
    RehearseStorage,
    RemoveEntries,
    RunHooks,
    SendOff,
    Settle,
    Sleep,
    SpendStatement,
    Start,
    StoreError,
    TakeLease,
    Witness,
    WriteRecord,
)
from .tally import Tally


class Mark(Enum):
    """How a step is marked. The value is the mark in plain text."""

    GOOD = "ok"
    BAD = "!!"
    ODD = "!"
    NEUTRAL = "-"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a step came to. An attempt has a `prefix`, its key in a log; on a screen, a `subject`."""

    mark: Mark
    text: str
    prefix: str = ""
    subject: str = ""


_VERDICT_MARKS = {
    Verdict.CONFIRMED_DEAD: Mark.GOOD,
    Verdict.STILL_ALIVE: Mark.BAD,
    Verdict.UNREACHABLE: Mark.ODD,
    Verdict.AMBIGUOUS: Mark.BAD,
}
_SHOWN_NAMES = 6
"""Names in one list before the rest is only counted."""


class Steps:
    """Puts one run's effects into words.

    Of a `batch` of VMs each step of each would hide what matters: a line tells that one runs, or what else has come of
    it, and the tally how far all have come.
    """

    def __init__(self, inventory: Inventory | None, batch: Collection[Vm] = ()) -> None:
        self._names: Mapping[Uuid, str] = {}
        self._hosts = tuple(inventory.hosts) if inventory is not None else ()
        self._priorities = {vm.uuid: vm.priority for vm in batch} if len(batch) > 1 else {}
        self.tally = Tally(len(batch)) if len(batch) > 1 else None
        if inventory is not None:
            self._names = {uuid: vm.name for uuid, vm in inventory.vms.items()}

    def name(self, vm: Uuid) -> str:
        """The VM's name, or its UUID if the inventory has none."""
        return self._names.get(vm) or name_of_claim(vm, self._hosts) or vm

    def names(self, vms: tuple[Uuid, ...]) -> str:
        """Several VMs in words that fit a line."""
        return shortened([self.name(vm) for vm in vms])

    def doing(self, effect: Effect[Any]) -> str:
        """What is going on while the effect is performed; '' for what takes no time that anyone would notice."""
        match effect:
            case LookAt(hosts, (vm,)):
                return f"looking into {count(len(hosts), 'host')} for {self.name(vm)}"
            case LookAt(hosts):
                return f"looking into {count(len(hosts), 'host')}"
            case Fence(order):
                verb = "rehearsing the fence of" if order.rehearse else "fencing"
                return f"{verb} {self.names(order.vms)} on {order.suspect} {_through(order.proxy)}"
            case Witness(suspect, siblings):
                return f"looking for signs of life of {suspect} from {count(len(siblings), 'sibling')} and from here"
            case Start(order):
                return f"starting {self.name(order.vm)} on {order.target}"
            case Settle(order):
                return f"settling on {order.target} what became of the start of {self.name(order.vm)}"
            case AwaitReady(vm, target, ready):
                return f"waiting until {self.name(vm)} serves on {target}: {ready.says}"
            case FetchDefinitions(host, vms):
                return f"fetching from {host} the definition of {self.names(vms)}"
            case RunHooks():
                return "running the before-start hooks"
            case AskPower(device):
                return f"asking {device.agent} for the power of {device.host}"
            case SendOff(device):
                return f"switching off {device.host} by {device.agent}"
            case AskClients(asker, volumes):
                return f"asking {asker.says} who uses {shortened(list(volumes))}"
            case ListEntries(asker):
                return f"asking {asker.says} whom the storage shuts out"
            case RehearseStorage(asker):
                return f"asking {asker.says} whether the storage could shut out"
            case AddEntries(asker, clients):
                return f"shutting out {_clients(clients)} through {asker.says}"
            case RemoveEntries(asker, clients):
                return f"letting in {_clients(clients)} through {asker.says}"
            case TakeLease(vm, wait_s) if wait_s:
                return f"waiting for the lease on {self.name(vm)}"
            case Sleep(seconds):
                return f"waiting {seconds:.1f} s"
        return ""

    def done(self, effect: Effect[Any], answer: Any) -> tuple[Line, ...]:
        """What the effect came to; nothing for what only -v shows."""
        match answer:
            case Interrupted() | KeyboardInterrupt():
                doing = self.doing(effect)
                return (Line(Mark.ODD, f"interrupted while {doing}" if doing else "interrupted"),)
            case StoreError():
                return (Line(Mark.BAD, str(answer)),)
            case LeaseLost():
                return (Line(Mark.BAD, f"the lease is lost: {answer}"),)
            case BaseException():
                return (Line(Mark.BAD, type(answer).__name__),)
        match effect:
            case LookAt(_, (_,)):  # one of many VMs: a line for each that answers, each time, would hide all else
                return tuple(line for line in _looked(answer) if line.mark is not Mark.GOOD)
            case LookAt():
                return _looked(answer)
            case Fence(order):
                return self._fenced(order, answer)
            case Witness():
                return tuple(_witnessed(report) for report in answer)
            case Start(order) | Settle(order):
                return (_start_line(f"{self._rank(order.vm)}{self.name(order.vm)} on {order.target}", answer),)
            case AwaitReady(vm, target):
                return _serves(self.name(vm), target, answer)
            case RunHooks():
                return tuple(line for line in _hooks(answer) if self.tally is None or line.mark is not Mark.GOOD)
            case NoteOutcome(outcome):
                return self._ended(outcome)
            case NoteSecondLevel(_, SecondLevelKind.POWER, replies):
                return tuple(_second_level(reply) for reply in list(replies.values())[:1])
            case NoteSecondLevel(_, SecondLevelKind.STORAGE, replies):
                return tuple(_second_level(reply, f" ({self.name(vm)})") for vm, reply in replies.items())
            case RemoveEntries(asker, clients):
                return (_removed(asker, clients, answer),)
        return self._recorded(effect, answer)

    def small(self, effect: Effect[Any]) -> str:
        """The words for an effect that only -v shows."""
        words = type(effect).__name__
        return "".join(f" {c.lower()}" if c.isupper() else c for c in words).strip()

    def _recorded(self, effect: Effect[Any], answer: Any) -> tuple[Line, ...]:
        match effect:
            case WriteRecord() if self.tally is not None:
                return ()
            case WriteRecord(record):
                return (Line(Mark.NEUTRAL, f"recorded: {self.name(record.uuid)} is {record.words}"),)
            case Quarantine(host):
                return (Line(Mark.NEUTRAL, f"{host} is in quarantine until 'hafence rejoin {host}'"),)
            case LiftQuarantine(host):
                return (Line(Mark.GOOD, f"{host} is taken back"),)
            case RecordStatement(host, reason):
                return (Line(Mark.NEUTRAL, f"recorded: {host} is stated to be powered off: {reason}"),)
            case SpendStatement(host, why):
                return (Line(Mark.NEUTRAL, f"the statement that {host} is off has ended: {why}"),)
            case PlanWork(kind, names, reason):
                return (Line(Mark.NEUTRAL, f"recorded: {kind.value} {', '.join(names)}: {reason}"),)
            case EndWork(kind, names):
                return (Line(Mark.NEUTRAL, f"recorded: {kind.value} {', '.join(names)} is over"),)
            case TakeLease(vm) if isinstance(answer, Busy):
                return (Line(Mark.ODD, f"the lease on {self.name(vm)} is held by {answer.holder} (run {answer.run})"),)
            case Ask():
                return (Line(Mark.NEUTRAL, f"asked: {effect.question} Answer: {answer.value}"),)
        return ()

    def _rank(self, vm: Uuid) -> str:
        """`p100 `: the priority of one of many."""
        return f"p{self._priorities[vm]} " if vm in self._priorities else ""

    def _ended(self, outcome: Outcome) -> tuple[Line, ...]:
        """Of one of many: its start has been told, if all went well."""
        if self.tally is None or outcome.dry_run:
            return ()
        self.tally.ended(outcome)
        if outcome.exit is Exit.DONE:
            return ()
        mark = Mark.ODD if outcome.decision is Decision.REFUSED else Mark.BAD
        name = f"{self._rank(outcome.uuid)}{outcome.name}"
        return (Line(mark, f"{name}: {outcome.decision.value} ({outcome.reason.value})"),)

    def _fenced(self, order: FenceOrder, report: FenceReport) -> tuple[Line, ...]:
        return tuple(self._attempt(order, vm, reading) for vm, reading in report.readings.items())

    def _attempt(self, order: FenceOrder, vm: Uuid, reading: Reading) -> Line:
        name = self.name(vm)
        prefix = f"[HA pre-fence vm={name} suspect={order.suspect} proxy={order.proxy or '-'}]"
        subject = f"{name} on {order.suspect} {_through(order.proxy)}"
        if order.rehearse and reading.verdict is Verdict.STILL_ALIVE:
            return Line(Mark.ODD, f"rehearsed: {_rehearsed(reading)}", prefix, subject)
        mark = Mark.ODD if reading.sibling_side else _VERDICT_MARKS[reading.verdict]
        return Line(mark, f"{reading.verdict.value}: {reading.detail}", prefix, subject)


def _rehearsed(reading: Reading) -> str:
    if reading.facts.state == "D":
        return "a leftover is there in state D, which SIGKILL would not end now"
    found = reading.facts.found
    return f"{'a leftover' if found is None else count(found, 'leftover')} there, for the fence to kill"


def _through(proxy: HostName | None) -> str:
    return f"through {proxy}" if proxy else "from here"


def _looked(looks: Mapping[HostName, Look]) -> tuple[Line, ...]:
    """One line for those that answer, one for each that does not."""
    fine = [name for name, look in looks.items() if isinstance(look, HostLook) and look.libvirt is Libvirt.OK]
    lines = [Line(Mark.GOOD, f"{shortened(sorted(fine))} answer{'s' if len(fine) == 1 else ''}")] if fine else []
    for name, look in sorted(looks.items()):
        if name not in fine:
            lines.append(Line(Mark.ODD, f"{name}: {_trouble(look)}"))
    return tuple(lines)


def _trouble(look: Look) -> str:
    match look:
        case HostLook():
            return f"answers, but its libvirt does not ({look.libvirt.value})"
        case Blind():
            return f"lets nobody look into it ({look.says})"
        case _:
            return look.says


def _witnessed(report: WitnessReport) -> Line:
    if report.signs:
        return Line(Mark.BAD, f"{report.name}: {report.says}")
    return Line(Mark.NEUTRAL if report.could_look else Mark.ODD, f"{report.name}: {report.says}")


def _start_line(what: str, reply: StartReply) -> Line:
    marks = {
        StartResult.RUNNING: Mark.GOOD,
        StartResult.CLEAN: Mark.ODD,
        StartResult.BARRED: Mark.ODD,
        StartResult.UNKNOWN: Mark.BAD,
    }
    words = {
        StartResult.RUNNING: "",
        StartResult.CLEAN: "nothing runs there: ",
        StartResult.BARRED: "not started: ",
        StartResult.UNKNOWN: "NOT KNOWN: ",
    }
    return Line(marks[reply.result], f"{what}: {words[reply.result]}{reply.says}")


def _serves(vm: str, target: HostName, readiness: Readiness) -> tuple[Line, ...]:
    """Nothing while it does not: what it is that goes on, and for how long, is seen where that is shown."""
    match readiness.serves:
        case Serves.YES:
            return (Line(Mark.GOOD, f"{vm} serves: {readiness.says}"),)
        case Serves.UNKNOWN:
            return (Line(Mark.ODD, f"whether {vm} serves, {target} can't be asked: {readiness.says}"),)
    return ()


def _hooks(results: tuple[Any, ...]) -> tuple[Line, ...]:
    if not results:
        return ()
    bad = [Line(Mark.BAD, f"hook {result.name}: {result.error}") for result in results if result.error]
    agreed = len(results) - len(bad)
    return (*([Line(Mark.GOOD, f"{count(agreed, 'hook')} agreed")] if agreed else []), *bad)


def _second_level(reply: SecondLevelReply, of: str = "") -> Line:
    return Line(Mark.GOOD if reply.done else Mark.BAD, f"{reply.kind.says}{of}: {reply.says}")


def _clients(clients: Sequence[HasText]) -> str:
    return shortened([client.text for client in clients])


def _removed(asker: Asker, clients: Sequence[HasText], answer: EntriesSeen[Any] | Unanswered) -> Line:
    if isinstance(answer, Unanswered):
        return Line(Mark.BAD, f"letting in {_clients(clients)} through {asker.says}: {answer.says}")
    left = {entry.client for entry in answer.entries} & set(clients)
    if left:
        return Line(Mark.BAD, f"still shut out: {_clients(sorted(left))}")
    return Line(Mark.GOOD, f"let in again: {_clients(clients)}")


def shortened(names: list[str]) -> str:
    """A list in words, the end of a long one only counted."""
    if len(names) > _SHOWN_NAMES:
        return f"{', '.join(names[:_SHOWN_NAMES])} and {len(names) - _SHOWN_NAMES} more"
    if len(names) > 1:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return "".join(names) or "nothing"


def count(number: int, what: str) -> str:
    """`1 host`, `4 hosts`."""
    return f"{number} {what}{'' if number == 1 else 's'}"

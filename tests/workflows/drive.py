"""A world that answers a workflow as a test says, and writes down every effect with all that it asks for.

The simulator's world is alive; this one is a script, so that a test can show what a workflow asks for after exactly
these answers, to the last field of an order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar

from hafence.core.attempts import FenceReport, Reply
from hafence.core.captures import Capture, Source
from hafence.core.evidence import WitnessReport
from hafence.core.looks import Look
from hafence.core.model import Inventory
from hafence.core.outcome import Outcome
from hafence.core.ready import Readiness, Serves
from hafence.core.replies import interpret
from hafence.core.risks import Risk
from hafence.core.starts import StartReply, StartResult
from hafence.core.storage.port import EntriesSeen, WritableDisk
from hafence.core.storage.rehearsal import Rehearsal
from hafence.core.stored import Lease, Recollection
from hafence.core.troubles import Trouble
from hafence.core.watch import WatchReport
from hafence.effects import (
    Answer,
    Ask,
    AwaitReady,
    Drifts,
    DropLease,
    Effect,
    EndWatch,
    EndWork,
    Fence,
    FetchDefinitions,
    Interrupted,
    KeepCapture,
    LearnMachine,
    LeaseLost,
    LiftQuarantine,
    ListEntries,
    LookAt,
    MemoryNeed,
    NeedsOf,
    NoteOutcome,
    NoteSecondLevel,
    Now,
    OwnAddresses,
    Parallel,
    PlanWork,
    Quarantine,
    Recall,
    RecallEvacuations,
    RecallPlanned,
    RecordStatement,
    RehearseStorage,
    RemoveEntries,
    RenewLease,
    RunHooks,
    SendOff,
    Settle,
    SharedDisks,
    SharedHostKeys,
    Sleep,
    SpendStatement,
    Start,
    Startable,
    StoreError,
    StoreHealth,
    TakeLease,
    Tell,
    Together,
    Uptime,
    Witness,
    Workflow,
    WritableDisks,
    WriteRecord,
)

R = TypeVar("R")
E = TypeVar("E")
MACHINE = "0123456789abcdef0123456789abcdef"
EMPTY = Recollection({}, {}, {}, {})
SILENT = (
    *(Tell, DropLease, Quarantine, LiftQuarantine, LearnMachine, RecordStatement, SpendStatement),
    *(SendOff, NoteOutcome, NoteSecondLevel, PlanWork, EndWork, KeepCapture),
)
"""Effects that are answered with nothing."""


def says(word: str, status: int, pairs: str = "") -> Callable[[Fence], FenceReport]:
    """What is read of a whole reply to any fence order, with one verdict on every VM."""

    def report(effect: Fence) -> FenceReport:
        start = "hafence/1 n0nce "
        lines = [f"{start}hello clock=1.0 machine={MACHINE} host=-"]
        lines += [f"{start}vm {vm} {word}{pairs}" for vm in effect.order.vms]
        lines += [f"{start}end vms={len(effect.order.vms)}"]
        reply = Reply("n0nce", None, status, "\n".join(lines) + "\n", 0.41239, 100.0)
        return interpret(effect.order, reply)

    return report


DEAD, ALIVE, UNKNOWN = says("dead", 0, " found=1 killed=1"), says("alive", 10), says("unknown", 11)


def fails(trouble: Trouble) -> Callable[[Fence], FenceReport]:
    """An attempt that came to nothing."""
    return lambda effect: interpret(effect.order, Reply("n0nce", trouble, None, "", 5.0, 100.0))


def started(result: StartResult, words: str = "said so") -> StartReply:
    """What came of a start or a settle."""
    return StartReply(result, words, 100.0)


@dataclass
class Desk:
    """The script. `answers`: an effect's answer; a list is used up one by one, its last stays; an exception is raised
    into the workflow; a callable is asked; None is the usual one. `takes` is how long an effect takes, in seconds."""

    inventory: Inventory
    looks: list[dict[str, Look]]
    memory: Recollection = EMPTY
    answers: dict[type[Any], Any] = field(default_factory=dict)
    takes: dict[type[Any], float] = field(default_factory=dict)
    clock: float = 100.0
    log: list[str] = field(default_factory=list)
    asked: list[Effect[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """A list is used up, and the case may be told again."""
        self.answers = {kind: list(it) if isinstance(it, list) else it for kind, it in self.answers.items()}

    def run(self, story: Workflow[R], within: str = "") -> R:
        """The workflow's end. Of several side by side one after the other is played, each `within` them."""
        try:
            effect = next(story)
            while True:
                if isinstance(effect, Parallel):
                    self.log.append(f"{within}side by side:")
                elif not isinstance(effect, Now | NoteOutcome) and (
                    not isinstance(effect, RecallPlanned | RecallEvacuations) or type(effect) in self.answers
                ):
                    self.log.append(within + shown(effect))
                self.asked += effect.effects if isinstance(effect, Together) else [effect]
                answer = self._ended(effect, within) if isinstance(effect, Parallel) else self.answer(effect)
                effect = story.throw(answer) if isinstance(answer, BaseException) else story.send(answer)
        except StopIteration as end:
            result: R = end.value
            return result

    def _ended(self, effect: Parallel, within: str) -> Any:
        """What workflows side by side ended in."""
        if Parallel in self.answers:
            return self.answer(effect)
        ends, errors = [], []
        for number, workflow in enumerate(effect.workflows, 1):
            try:
                ends.append(self.run(workflow, f"{within}  {number} "))
            except (LeaseLost, StoreError, Interrupted) as error:
                errors.append(error)
        return errors[0] if errors else tuple(ends)

    def of(self, kind: type[E]) -> list[E]:
        """The effects of one kind that were asked for, alone or together with others."""
        return [effect for effect in self.asked if isinstance(effect, kind)]

    def answer(self, effect: Effect[Any]) -> Any:
        """What the world answers."""
        self.clock += self.takes.get(type(effect), 0.0)
        if isinstance(effect, Together) and Together not in self.answers:
            answers = tuple(self.answer(each) for each in effect.effects)
            if effect.first_may_do and not isinstance(answers[0], BaseException) and answers[0].settles:
                return (answers[0], *(() for _ in answers[1:]))
            return next((each for each in answers if isinstance(each, BaseException)), answers)
        if type(effect) not in self.answers:
            return self._usual(effect)
        answer = self.answers[type(effect)]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(effect)
        return self._usual(effect) if answer is None else answer

    def _usual(self, effect: Effect[Any]) -> Any:
        match effect:
            case Now():
                return self.clock
            case Uptime():
                return 99_999.0
            case Sleep():
                self.clock += effect.seconds
                return None
            case Ask():
                return Answer.NOBODY
            case TakeLease():
                return Lease(effect.vm, 7, self.clock + 120.0)
            case RenewLease():
                return replace(effect.lease, expires_at=self.clock + 120.0)
            case Recall():
                return self.memory
            case RecallPlanned():
                return self.memory.planned
            case WriteRecord():
                return replace(effect.record, revision=effect.record.revision + 1)
            case LookAt():
                seen = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
                return {name: seen[name] for name in effect.hosts if name in seen}
            case Fence():
                return DEAD(effect)
            case EndWatch():
                return WatchReport(effect.suspect, whole=True)
            case Witness():
                return tuple(nothing_seen(name) for name in (*effect.siblings, None))
            case Start():
                return started(StartResult.RUNNING)
            case Settle():
                return started(StartResult.CLEAN)
            case AwaitReady():
                return Readiness(Serves.YES, "it answers", self.clock)
            case MemoryNeed():
                return None
            case NeedsOf():
                return ()
            case RecallEvacuations() | RunHooks() | StoreHealth() | SharedHostKeys() | SharedDisks():
                return ()
            case Startable():
                return Source()
            case Drifts():
                return {capture.vm: () for capture in effect.captures}
            case FetchDefinitions():
                return {vm: Capture(vm, effect.host, self.clock, "", "<domain/>") for vm in effect.vms}
            case WritableDisks():
                return (WritableDisk(f"rbd:rbd/{self.inventory.vms[effect.vm].name}", "vda (network)"),)
            case OwnAddresses():
                return ()
            case RehearseStorage():
                return Rehearsal((), self.clock)
            case ListEntries() | RemoveEntries():
                return EntriesSeen((), self.clock)
        assert isinstance(effect, SILENT), f"the script has no answer to {effect}"
        return None


def nothing_seen(witness: str | None) -> WitnessReport:
    """A witness that could look, and saw no life."""
    return WitnessReport(witness, 100.0, frozenset(), True, "no sign of life", 2, 2)


def shown(value: object) -> str:
    """A value on one line: kinds, the fields that are not at their default, by name, and words.

    Sentences are left out (…): whatever hafence says stands once, in told/said.txt.
    """
    if isinstance(value, Enum):
        return str(value.value)
    if is_dataclass(value) and not isinstance(value, type):
        given = [each for each in fields(value) if each.init and getattr(value, each.name) != each.default]
        inside = [f"{each.name}={shown(getattr(value, each.name))}" for each in given]
        return f"{type(value).__name__}({', '.join(inside)})"
    if isinstance(value, tuple | list):
        return f"[{', '.join(shown(each) for each in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{shown(key)}: {shown(each)}" for key, each in value.items()) + "}"
    if isinstance(value, frozenset):
        return "{" + ", ".join(sorted(shown(each) for each in value)) + "}"
    return "…" if is_sentence(value) else _short(str(value))


def _short(text: str) -> str:
    return text.replace("6d6f6a5a-0000-4000-8000-0000000000", "vm-")


def is_sentence(value: object) -> bool:
    """Whether a text is for a person to read: words, and no name or address."""
    return isinstance(value, str) and " " in value


def sentences(value: object) -> Iterator[str]:
    """Every sentence in a value, in the order of its fields."""
    if is_sentence(value):
        yield str(value)
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            if each.name not in ("source", "kind"):  # who saw it is no sentence
                yield from sentences(getattr(value, each.name))
        if isinstance(value, Risk):
            yield value.says
    elif isinstance(value, tuple | list | frozenset):
        for item in value:
            yield from sentences(item)


def outcome_lines(outcome: Outcome) -> list[str]:
    """Every field of an outcome that tells what came of it; of its sentences how many."""
    dry = " (dry run)" if outcome.dry_run else ""
    lines = [
        f"=> {outcome.decision.value} {outcome.reason.value}, exit {outcome.exit.value}{dry}",
        f"   {outcome.name} ({shown(outcome.uuid)})",
        f"   {outcome.run}: from {outcome.suspect} to {outcome.host}, {shown(outcome.verdict)}",
    ]
    lines += [f"   attempt: {shown(each)}" for each in outcome.attempts]
    lines += [
        f"   evidence: {each.kind}, {each.source}, at {each.at}: {each.proves.value}" for each in outcome.evidence
    ]
    lines += [f"   risk: {shown(each)}" for each in outcome.residual_risk]
    counts = [
        f"{len(said)} {name}" for name, said in (("ways out", outcome.ways_out), ("notes", outcome.notes)) if said
    ]
    return [*lines, f"   {', '.join(counts)}"] if counts else lines

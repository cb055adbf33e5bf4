"""A run as lines of JSON: one object for each thing that happens, as it happens, for a program that follows it.

Each has `event`, `at` and `run`; the words of `event` are stable, and each kind has its schema in
docs/json/evacuate-lines.json. The last line is the document that `--json` prints, and has no `event`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...core.looks import Blind, HostLook, Look, Silence
from ...core.model import HostName, Inventory, Uuid, Vm
from ...effects import (
    Answer,
    Ask,
    AwaitReady,
    Effect,
    Fence,
    LookAt,
    NoteOutcome,
    NoteSecondLevel,
    Quarantine,
    Start,
    Tell,
    WriteRecord,
)
from ...voice import Voice
from .output import print_line
from .times import timestamp

Event = dict[str, Any]


class LinesVoice:
    """Prints the events of a run on stdout, and has another voice say on stderr what it says to people."""

    def __init__(self, inventory: Inventory, people: Voice) -> None:
        self._names: Mapping[Uuid, str] = {uuid: vm.name for uuid, vm in inventory.vms.items()}
        self._people = people
        self._run = ""

    def begin(self, run: str, host: HostName, dry_run: bool, vms: Iterable[Vm]) -> None:
        """The run has an id: what it is about."""
        self._run = run
        self.tell("began", host=host, dry_run=dry_run, vms=[self._vm(vm.uuid) for vm in vms])

    def tell(self, event: str, **more: Any) -> None:
        """Print one event."""
        print_line({"event": event, "at": timestamp(time.time()), "run": self._run, **more})

    def begins(self, effect: Effect[Any], budget_s: float | None) -> None:
        """A start is told before it is sent, too."""
        self._people.begins(effect, budget_s)
        if isinstance(effect, Start):
            self.tell("starting", vm=self._vm(effect.order.vm), target=effect.order.target)

    def ends(self, effect: Effect[Any], answer: Any, seconds: float) -> None:
        """What the effect came to. One that ended in an exception is told by what the run makes of it."""
        self._people.ends(effect, answer, seconds)
        if not isinstance(answer, BaseException):
            for event in self._events(effect, answer):
                self.tell(**event)

    def tells(self, text: str) -> None:
        """Told when the effect ends."""
        self._people.tells(text)

    def asks(self, question: str) -> Answer:
        """Ask on the terminal."""
        return self._people.asks(question)

    def _vm(self, vm: Uuid) -> dict[str, str]:
        return {"uuid": vm, "name": self._names.get(vm, vm)}

    def _events(self, effect: Effect[Any], answer: Any) -> Iterator[Event]:
        match effect:
            case Tell(text):
                yield {"event": "said", "says": text}
            case Ask(question):
                yield {"event": "asked", "question": question, "answer": answer.value}
            case LookAt():
                yield {"event": "looked", "hosts": {name: _seen(look) for name, look in sorted(answer.items())}}
            case Fence(order):
                found = [{**self._vm(vm), "verdict": each.verdict.value} for vm, each in answer.readings.items()]
                through: Event = {"suspect": order.suspect, "proxy": order.proxy, "rehearsed": order.rehearse}
                yield {"event": "fenced", **through, "vms": found}
            case NoteSecondLevel(suspect, kind, replies):
                done = [{**self._vm(vm), "done": reply.done} for vm, reply in replies.items()]
                yield {"event": "second_level", "suspect": suspect, "level": kind.value, "vms": done}
            case Quarantine(host):
                yield {"event": "quarantined", "host": host}
            case Start(order):
                sent: Event = {"vm": self._vm(order.vm), "target": order.target}
                yield {"event": "start_ended", **sent, "result": answer.result.value}
            case AwaitReady(vm, target):
                asked: Event = {"vm": self._vm(vm), "target": target}
                yield {"event": "awaited", **asked, "serves": answer.serves.value, "says": answer.says}
            case WriteRecord(record):
                state = {"state": record.state.value, "host": record.host}
                yield {"event": "recorded", "vm": self._vm(record.uuid), **state}
            case NoteOutcome(outcome):
                yield {
                    "event": "outcome",
                    "vm": {"uuid": outcome.uuid, "name": outcome.name},
                    "decision": outcome.decision.value,
                    "reason": outcome.reason.value,
                    "host": outcome.host,
                    "message": outcome.message,
                    "exit": int(outcome.exit),
                }


def _seen(look: Look) -> str:
    match look:
        case HostLook():
            return "answers"
        case Blind():
            return "blind"
        case Silence():
            return "silent"

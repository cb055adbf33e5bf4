"""What the workflows are told in the cases of the search, each distinct conversation once.

A workflow is a generator: what it does depends on the answers that it gets and on nothing else. So a mutant that gives
the same effects to the same answers changes nothing in a case, and that is seen without a world, thousands of times
a second. Only in cases where it parts from the recorded conversation the world has to be asked what comes of it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from hafence.core.model import Inventory
from hafence.core.outcome import Outcome
from hafence.effects import Ask, Effect, Interrupted, LeaseLost, Parallel, Quarantine, StoreError, Tell
from hafence.sim import case, commands
from hafence.sim.case import CasePlayer, Played
from hafence.sim.explore import Events, cases, first_case
from hafence.sim.oracle import QUIET_S
from hafence.sim.pairs import pair_cases
from hafence.sim.policies import Arm, arm_of
from hafence.sim.random_cases import random_cases
from hafence.sim.situations import COMBINED, SITUATIONS, inventory
from hafence.workflows.host_status import HostOutcome
from hafence.workflows.vm_run import Request


class Piece(NamedTuple):
    """A part of the search: a policy and its fences, how many runs, which situation, how many faults."""

    policy: str
    storage: bool
    power: bool
    kind: str
    """alone | pair | random."""
    situation: str
    faults: int

    @property
    def arm(self) -> Arm:
        """The policy and its means."""
        return arm_of(self.policy, self.storage, self.power)

    @property
    def words(self) -> str:
        """The piece for people, in one word each: `confirm+storage alone/1 isolated`."""
        means = "".join(f"+{name}" for name, there in (("storage", self.storage), ("power", self.power)) if there)
        return f"{self.policy}{means} {self.kind}/{self.faults} {self.situation}"

    def player(self) -> CasePlayer:
        """What plays its cases."""
        return CasePlayer(inventory(self.arm.means), self.arm.policy)

    def cases(self, player: CasePlayer) -> Iterator[tuple[Events, Any]]:
        """Its cases, each played."""
        match self.kind:
            case "alone":
                yield from cases(player, first_case(self.situation), self.faults)
            case "pair":
                yield from pair_cases(player, self.situation, self.faults)
            case _:
                for _, events, played in random_cases(player, self.situation, 0, RANDOM, self.faults):
                    yield events, played


def piece_of(words: str) -> Piece:
    """The piece that `words` is of."""
    arm, kind, situation = words.split(" ")
    policy, *means = arm.split("+")
    kind, _, faults = kind.partition("/")
    return Piece(policy, "storage" in means, "power" in means, kind, situation, int(faults))


RANDOM = 600
"""Random cases of one arm."""
_NO_FENCE = (False, False)
_EVERY = [(storage, power) for storage in (False, True) for power in (False, True)]


def pieces(small: bool = False) -> list[Piece]:
    """What the mutants are given, the quickest first. `small`: no faults, one run."""
    arms = [(policy, *means) for policy in ("confirm", "proceed", "prove") for means in _EVERY]
    found = [Piece(*arm, "alone", name, 0) for arm in arms for name in SITUATIONS]
    if small:
        return found
    with_faults = [("confirm", *means) for means in _EVERY]
    with_faults += [("proceed", False, False), ("proceed", True, True), ("prove", False, False), ("prove", False, True)]
    found += [Piece(*arm, "alone", name, 1) for arm in with_faults for name in SITUATIONS]
    found += [Piece(*arm, "random", "sensitivity", 5) for arm in with_faults]
    apart = [name for name in SITUATIONS if name not in COMBINED]
    found += [Piece("confirm", *means, "pair", name, 0) for means in (_NO_FENCE, (True, True)) for name in apart]
    found += [Piece("confirm", *_NO_FENCE, "pair", name, 1) for name in apart]
    return found


# ---------------------------------------------------------------- conversations

THROWN = object()
"""Stands for an answer where an exception was thrown into the workflow."""


@dataclass(slots=True)
class Talk:
    """What one run asked for and was told. `end` is its outcome, or None where it was cut off."""

    inventory: Inventory
    words: str
    request: Request
    turns: list[tuple[Effect[Any], Any, Any]] = field(default_factory=list)
    """(effect, answer, None), or (effect, THROWN, the exception)."""
    beside: dict[int, list[Talk]] = field(default_factory=dict)
    """What was said to the workflows that it had side by side in a turn."""
    end: Any = None
    ended: bool = False
    cases: list[Case] = field(default_factory=list)
    """Some of the cases in which it was heard."""

    def key(self) -> bytes:
        """The same for two conversations in which the workflow was told the same."""
        wishes = (self.request.id, self.words, self.inventory.settings, _means(self.inventory))
        return blake2b(pickle.dumps((wishes, self._told())), digest_size=16).digest()

    def _told(self) -> Any:
        told = [(answer is THROWN, repr(error) if answer is THROWN else answer) for _, answer, error in self.turns]
        return told, self.ended, [(turn, [part._told() for part in parts]) for turn, parts in self.beside.items()]


def _means(known: Inventory) -> tuple[bool, bool]:
    return any(host.power for host in known.hosts.values()), any(each.ceph for each in known.clusters.values())


MOST_CASES = 24
"""Cases that are kept of one conversation, of which no more than two of one situation under one policy: what comes of a
mutant can differ in worlds that told a run the same."""


class Case(NamedTuple):
    """A case of the search, and how many starts hafence sends in it, before everything is mended."""

    piece: Piece
    events: Events
    starts: int


def starts_in(events: Events, played: Played) -> int:
    """How many starts were sent before everything is mended."""
    mended_at = max(event.at for event in events) + QUIET_S
    return sum(sent.at < mended_at for sent in played.simulation.world.notes.sent)


class Corpus:
    """Every distinct conversation of the cases that were recorded."""

    def __init__(self) -> None:
        self.talks: dict[bytes, Talk] = {}
        self.cases = 0
        self._heard: list[Talk] = []

    def record(self, these: Iterable[Piece]) -> None:
        """Play the cases of these pieces, which must keep every promise, and keep what was said in them."""
        read_command, play_case = commands.read_command, case.play_case
        try:
            commands.read_command = lambda inventory, words: self._listening(
                inventory, words, *read_command(inventory, words)
            )
            for piece in these:
                case.play_case = lambda *args, piece=piece: self._kept(piece, args[1], play_case(*args))
                for _ in piece.cases(piece.player()):
                    pass
        finally:
            commands.read_command, case.play_case = read_command, play_case

    def _listening(self, known: Inventory, words: str, make: Any, wishes: dict[str, Any]) -> Any:
        def make_heard(request: Request) -> Any:
            talk = Talk(known, words, request)
            self._heard.append(talk)
            return _heard(make(request), talk)

        return make_heard, wishes

    def _kept(self, piece: Piece, events: Events, played: Played) -> Played:
        if any(violation.rule != "budget" for violation in played.violations):  # a run may be held for good here
            raise AssertionError(f"without any mutant, {piece.words}: {events}: {played.violations}")
        self.cases += 1
        told = Case(piece, events, starts_in(events, played))
        for talk in self._heard:
            known = self.talks.setdefault(talk.key(), talk)
            same = sum(each.piece[:5] == piece[:5] for each in known.cases)
            if len(known.cases) < MOST_CASES and same < 2:
                known.cases.append(told)
        self._heard.clear()
        return played


def _heard(workflow: Generator[Any, Any, Any], talk: Talk) -> Generator[Any, Any, Any]:
    """The workflow, with what is said to it written down, and to those that it has side by side."""
    try:
        effect = next(workflow)
        while True:
            asked = effect
            if isinstance(effect, Parallel):
                talk.beside[len(talk.turns)] = parts = [
                    Talk(talk.inventory, talk.words, talk.request) for _ in effect.workflows
                ]
                asked = Parallel(tuple(map(_heard, effect.workflows, parts)))
            try:
                answer = yield asked
            except Exception as error:
                talk.turns.append((effect, THROWN, error))
                effect = workflow.throw(error)
            else:
                talk.turns.append((effect, answer, None))
                effect = workflow.send(answer)
    except StopIteration as end:
        talk.end, talk.ended = end.value, True
        return end.value
    except (LeaseLost, StoreError, Interrupted) as ended:
        talk.end, talk.ended = type(ended), True
        raise


def departs(talk: Talk, make: Callable[[Request], Any]) -> bool:
    """Whether a workflow does anything else than in the conversation when it is told the same. Words do not count."""
    return _departs(talk, make(talk.request))


def _departs(talk: Talk, workflow: Generator[Any, Any, Any]) -> bool:
    if not talk.turns and not talk.ended:
        return False  # it was cut off before anything was said to it
    try:
        asked = next(workflow)
        for number, (effect, answer, error) in enumerate(talk.turns):
            if not _same(asked, effect):
                return True
            beside = talk.beside.get(number, ())
            if any(map(_departs, beside, getattr(asked, "workflows", ()))):
                return True
            asked = workflow.throw(error) if answer is THROWN else workflow.send(answer)
    except StopIteration as end:
        return not talk.ended or not _same_end(end.value, talk.end)
    except (LeaseLost, StoreError, Interrupted) as ended:
        return not talk.ended or talk.end is not type(ended)
    except Exception:
        return True
    return talk.ended


def _same(one: Effect[Any], other: Effect[Any]) -> bool:
    if type(one) is type(other) and isinstance(one, Tell | Ask):
        return True
    if isinstance(one, Parallel) and isinstance(other, Parallel):
        return len(one.workflows) == len(other.workflows)
    if isinstance(one, Quarantine) and isinstance(other, Quarantine):
        return one.host == other.host
    return one == other


def _same_end(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same_end, one, other))
    if isinstance(one, Outcome) and isinstance(other, Outcome):
        return (one.decision, one.reason, one.host, one.exit) == (other.decision, other.reason, other.host, other.exit)
    if isinstance(one, HostOutcome) and isinstance(other, HostOutcome):
        return (one.reason, one.exit) == (other.reason, other.exit)
    return bool(one == other)

"""Random cases, and the shortest of those that break a promise.

Each case has a seed of its own, made of the search's seed and its number: any one can be played again alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from .arguments import BadEvent
from .case import CasePlayer, Played
from .events import Event
from .explore import Events
from .situations import ADMINS, RUN_AT_S, SITUATIONS, SUSPECT, VM

HOSTS = ("kvm-01", "kvm-02", "kvm-03", "kvm-04")
_SETTINGS = (
    ("sshd", ("ok", "gone", "hung", "login", "forced")),
    ("libvirtd", ("ok", "hung")),
    ("firewall", ("", "drop", "reject")),
    ("bmc", ("ok", "ignores", "gone")),
    ("starts", ("", "fails", "dies", "slow")),
    ("slow", ("0", "8", "40")),
)

_MANAGERS = (
    *("respawns 0.4", "respawns 2", "respawns 30", "autostarts", "unit 2", "managed 30", "starts-slowly"),
    *("migrates kvm-03 10", "hidden"),
)
"""What others do who care for the VM: some sooner, some later than `settle`."""


def random_case(seed: str, faults: int) -> tuple[str, Events]:
    """A situation's name and a case in it: up to three runs, and up to so many faults while they go on."""
    dice = Random(seed)  # noqa: S311  # a reproducible search, not a secret
    situation = dice.choice(tuple(SITUATIONS))
    events = [*SITUATIONS[situation], Event(RUN_AT_S, "run", _command(dice, "admin-1"))]
    for _ in range(dice.choice((0, 0, 1, 2))):
        events.append(Event(_moment(dice), "run", _command(dice, dice.choice(ADMINS))))
    for _ in range(dice.randint(0, faults)):
        events += _fault(dice)
    return situation, tuple(sorted(events, key=lambda event: event.at))


def _moment(dice: Random) -> float:
    """Mostly while a run goes on, sometimes around a lease's end or much later."""
    return round(RUN_AT_S + dice.choice((dice.uniform(0, 4), dice.uniform(0, 30), dice.uniform(0, 300))), 3)


def _command(dice: Random, admin: str) -> str:
    wishes = dice.choice(("", "--yes", "--yes", "--yes --wait 200", "--to kvm-03 --yes"))
    return f"{admin}: start-vm {VM} {wishes}".rstrip()


def _fault(dice: Random) -> list[Event]:
    at = _moment(dice)
    later = round(at + dice.choice((0.5, 5.0, 20.0, 70.0, 150.0)), 3)
    return dice.choice(_KINDS)(dice, at, later)


def _cut(dice: Random, at: float, later: float) -> list[Event]:
    one, other = dice.sample((*HOSTS, *ADMINS, "storage", "store"), 2)
    link = f"{one} {dice.choice(('-', '-', '>'))} {other}"
    mended = dice.random() < 0.6
    return [Event(at, "cut", link), *([Event(later, "mend", f"{one} - {other}")] if mended else [])]


def _mend(dice: Random, at: float, later: float) -> list[Event]:
    return [Event(at, "mend", f"{SUSPECT} - {dice.choice(('*', *HOSTS[1:], *ADMINS, 'storage'))}")]


def _pause(dice: Random, at: float, later: float) -> list[Event]:
    admin = dice.choice(ADMINS)
    return [Event(at, "hold", admin), Event(later, "release", admin)]


def _end_run(dice: Random, at: float, later: float) -> list[Event]:
    return [dice.choice((Event(at, "crash", dice.choice(ADMINS)), Event(at, "interrupt", "run-1")))]


def _power(dice: Random, at: float, later: float) -> list[Event]:
    host = dice.choice((SUSPECT, *HOSTS))
    back = dice.random() < 0.4
    return [Event(at, "power_off", host), *([Event(later, "power_on", host)] if back else [])]


def _memory(dice: Random, at: float, later: float) -> list[Event]:
    host = dice.choice((SUSPECT, *HOSTS))
    return [Event(at, "freeze", host), Event(later, "unfreeze", host)]


def _state_of_host(dice: Random, at: float, later: float) -> list[Event]:
    verb, values = dice.choice(_SETTINGS)
    return [Event(at, verb, f"{dice.choice((SUSPECT, *HOSTS))}={dice.choice(values)}")]


def _store(dice: Random, at: float, later: float) -> list[Event]:
    which = dice.choice(("store", "store", "storage"))
    what = "forbids" if which == "storage" and dice.random() < 0.3 else "down"
    return [Event(at, which, what), Event(later, which, "up")]


def _process(dice: Random, at: float, later: float) -> list[Event]:
    does = dice.choice(("unkillable", "killable", "zombie-leader", "dies", *_MANAGERS))
    return [Event(at, "qemu", f"{VM} {dice.choice((SUSPECT, *HOSTS))} {does}")]


def _statement(dice: Random, at: float, later: float) -> list[Event]:
    """A person says that the suspect is powered off. Mostly it is not."""
    return [Event(at, "state", SUSPECT)]


_KINDS: tuple[Callable[[Random, float, float], list[Event]], ...] = (
    _cut,
    _cut,
    _mend,
    _pause,
    _pause,
    _end_run,
    _power,
    _memory,
    _state_of_host,
    _state_of_host,
    _store,
    _process,
    _statement,
)


def random_cases(
    player: CasePlayer, seed: str, first: int, runs: int, faults: int
) -> Iterator[tuple[str, Events, Played]]:
    """So many random cases from the first of that number on, each played."""
    for number in range(first, first + runs):
        situation, events = random_case(f"{seed}/{number}", faults)
        yield situation, events, player.play(events)


def shrink(player: CasePlayer, events: Events, rule: str) -> Events:
    """The shortest case that still breaks the rule: events are left out for as long as that is so.

    Its times are those that an events file can hold, where that makes no difference.
    """
    written = tuple(replace(event, at=round(event.at, 4)) for event in events)
    short = written if _breaks(player, written, rule) else events
    again = True
    while again:
        again = False
        for number in range(len(short)):
            fewer = short[:number] + short[number + 1 :]
            if any(event.verb == "run" for event in fewer) and _breaks(player, fewer, rule):
                short, again = fewer, True
                break
    return short


def _breaks(player: CasePlayer, events: Events, rule: str) -> bool:
    try:
        violations = player.play(events).violations
    except BadEvent:
        return False  # one of them makes no sense without what was left out
    return any(violation.rule == rule for violation in violations)

"""Commands as they are typed, turned into workflows: `start-vm web-01 --yes`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from ..core.audit import find_all
from ..core.model import HostName, Inventory
from ..core.stored import WorkKind
from ..core.survey import Finding
from ..effects import Workflow
from ..workflows.audit import audit, can_be_renewed, renew_storage_fences, with_renewed
from ..workflows.capture import capture
from ..workflows.evacuate import evacuate
from ..workflows.fence import fence
from ..workflows.host_status import confirm_dead, rejoin
from ..workflows.planned_work import WorkOutcome, announce, end
from ..workflows.start_vm import start_vm
from ..workflows.vm_run import Request
from .arguments import BadEvent, read_admin, read_amount
from .events import VERBS, Event
from .run import SimRun
from .simulation import Simulation

_WISHES = {"--yes": "yes", "--dry-run": "dry_run"}
_OPTIONS = frozenset({"--host", "--reason", "--confirm", "--cluster", "--for"})
_FLAGS = frozenset({"--renew", "--end"})


def begin_command(simulation: Simulation, admin: str, words: str) -> SimRun:
    """Begin the run that the words ask for, on an admin node, now."""
    node = read_admin(simulation.world, admin)
    make, wishes = read_command(simulation.world.inventory, words)
    return simulation.begin(node.name, make, words, **wishes)


def read_command(inventory: Inventory, words: str) -> tuple[Callable[[Request], Workflow[Any]], dict[str, Any]]:
    """The workflow that a command tells, and what the admin wants of it. BadEvent with a sentence."""
    command, *rest = _split(words) or [""]
    plain: list[str] = []
    wishes: dict[str, Any] = {}
    options: dict[str, str] = {}
    siblings: list[HostName] = []
    while rest:
        word = rest.pop(0)
        if word in _WISHES:
            wishes[_WISHES[word]] = True
        elif word in _FLAGS:
            options[word] = word
        elif not word.startswith("--"):
            plain.append(word)
        elif not rest:
            raise BadEvent(f"{word} wants a value")
        elif word == "--sibling":
            siblings.append(HostName(rest.pop(0)))
        elif word == "--to":
            wishes["to"] = HostName(rest.pop(0))
        elif word == "--wait":
            wishes["wait_s"] = read_amount(rest.pop(0))
        elif word in _OPTIONS:
            options[word] = rest.pop(0)
        else:
            raise BadEvent(f"{words!r}: no option {word}")
    if siblings:
        wishes["siblings"] = tuple(siblings)
    try:
        return _story(inventory, command, plain, options), wishes
    except IndexError:
        raise BadEvent(f"{words!r}: of which VM or host?") from None
    except LookupError as error:
        raise BadEvent(f"{words!r}: {error}") from None


@cache
def _split(words: str) -> tuple[str, ...]:
    """The words of a command line. The search types the same few a million times."""
    try:
        return tuple(shlex.split(words))
    except ValueError as error:
        raise BadEvent(f"{words!r}: {error}") from None


def _story(
    inventory: Inventory, command: str, plain: list[str], options: dict[str, str]
) -> Callable[[Request], Workflow[Any]]:
    if command == "start-vm":
        vm = inventory.find_vm(plain[0])
        return lambda run: start_vm(run, vm)
    if command == "fence":
        vms = tuple(inventory.find_vm(text) for text in plain)
        host = inventory.find_host(options["--host"]).name if "--host" in options else None
        return lambda run: fence(run, vms, host)
    if command == "evacuate":
        left = inventory.find_host(plain[0])
        return lambda run: evacuate(run, left)
    if command == "capture":
        kept = tuple(inventory.find_vm(text) for text in plain) or tuple(inventory.vms.values())
        return lambda run: capture(run, kept)
    if command == "confirm-dead":
        stated = inventory.find_host(plain[0])
        return lambda run: confirm_dead(run, stated, options.get("--reason", "seen"))
    if command == "audit":
        return lambda run: _audited(run, renew="--renew" in options)
    if command == "rejoin":
        back = inventory.find_host(plain[0])
        return lambda run: rejoin(run, back)
    if command in ("disarm", "arm", "maintenance"):
        return _planned_work(inventory, command, plain, options)
    raise BadEvent(f"the simulator knows no command {command!r}")


def _planned_work(
    inventory: Inventory, command: str, plain: list[str], options: dict[str, str]
) -> Callable[[Request], Workflow[WorkOutcome]]:
    kind = WorkKind.MAINTENANCE if command == "maintenance" else WorkKind.DISARMED
    names: tuple[str, ...] = (options["--cluster"],) if "--cluster" in options else (*inventory.clusters,)
    if kind is WorkKind.MAINTENANCE:
        names = (inventory.find_host(plain[0]).name,)
    if command == "arm" or "--end" in options:
        return lambda run: end(kind, names)
    return lambda run: announce(kind, names, options.get("--reason", "work"), read_amount(options.get("--for", "3600")))


def _audited(run: Request, renew: bool) -> Workflow[tuple[Finding, ...]]:
    """An audit, and what the command does where it is told to renew."""
    scene = yield from audit(run)
    if renew:
        ending = can_be_renewed(scene)
        scene = with_renewed(scene, (yield from renew_storage_fences(run, ending, scene.looks)))
    return find_all(scene)


def verbs() -> list[str]:
    """Everything that can happen, in the words of `events.yaml`."""
    return sorted([*VERBS, "run"])


def schedule(simulation: Simulation, event: Event) -> None:
    """Have an event happen at its time. What is scheduled first comes first at the same moment."""
    call = _run if event.verb == "run" else VERBS.get(event.verb)
    if call is None:
        raise BadEvent(f"no event is called {event.verb!r}; there are {', '.join(verbs())}")
    simulation.world.agenda.call_at(event.at, partial(_happen, simulation, event, call))


def _happen(simulation: Simulation, event: Event, call: Callable[[Simulation, str], object]) -> None:
    try:
        call(simulation, event.what)
    except BadEvent as error:
        if event.place:
            raise BadEvent(f"{event.place}: {error}") from None
        raise


def _run(simulation: Simulation, what: str) -> None:
    admin, _, words = what.partition(": ")
    begin_command(simulation, admin, words)

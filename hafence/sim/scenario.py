"""Scenario folders: a README, an inventory, what happens (`events.yaml`), and the log that must come of it.

    events:
      - {at: 0, cut: kvm-01 - storage}
      - {at: 40, run: start-vm web-01 --yes, on: admin-1}

Every VM runs at the beginning where the inventory says. A missing `expect.log` fails: `--bless` writes one, for
a person to read before it is believed.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from ..core.model import Inventory
from ..inventory.faults import Mistakes
from ..inventory.tree import Map, Seq
from ..inventory.yaml_tree import read_inventory, read_tree
from .arguments import BadEvent, read_amount
from .commands import schedule, verbs
from .events import Event
from .oracle import QUIET_S, Violation, check_planned, check_records, check_runs, check_splits, check_starts
from .run import Policy
from .simulation import Simulation
from .situations import ADMINS
from .store import SimStore
from .words import record_words
from .world import EPOCH, World

EXPECTED = "expect.log"
EVENTS = "events.yaml"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of playing one folder. `ok`: the log is the expected one and the oracle held."""

    folder: str
    log: str
    expected: str | None
    violations: tuple[Violation, ...]
    blessed: bool = False

    @property
    def ok(self) -> bool:
        """Whether the scenario came out as it should."""
        return self.log == self.expected and not self.violations

    @property
    def says(self) -> str:
        """What is wrong, for people; '' when all is well."""
        lines = [f"{self.folder}: the oracle: {v.rule}: {v.says}" for v in self.violations]
        if self.expected is None:
            lines.append(f"{self.folder}: no {EXPECTED}: read the log, and write it with --bless")
        elif self.log != self.expected:
            diff = difflib.unified_diff(
                self.expected.splitlines(), self.log.splitlines(), EXPECTED, "now", lineterm="", n=1
            )
            lines += [f"{self.folder}: the log is another:", *diff]
        return "\n".join(lines)


def play_folder(path: str | Path, bless: bool = False, policy: Policy | None = None) -> Result:
    """Play a scenario folder. InventoryError or BadEvent (with the place) if it can't be read."""
    folder = Path(path)
    inventory = read_inventory(str(folder / "inventory.yaml"))
    events = read_events(folder / EVENTS)
    log, violations = play_events(inventory, events, policy)
    wanted = folder / EXPECTED
    if bless:
        wanted.write_text(log, encoding="utf-8")
    expected = wanted.read_text(encoding="utf-8") if wanted.exists() else None
    return Result(str(path), log, expected, violations, bless)


def play_events(
    inventory: Inventory, events: tuple[Event, ...], policy: Policy | None = None
) -> tuple[str, tuple[Violation, ...]]:
    """The log of a case, and what the oracle has against it. Liveness is for the search alone."""
    world = World(inventory, ADMINS)
    simulation = Simulation(world, policy)
    lines: list[str] = []
    world.log = lambda at, who, text: lines.append(f"{at:7.1f}  {who:9} {text}")
    for uuid, vm in inventory.vms.items():
        world.begin_qemu(uuid, world.hosts[vm.host])
        world.hosts[vm.host].defined.add(uuid)
    for event in events:
        schedule(simulation, event)
    last = max((event.at for event in events), default=0.0)
    found = [] if simulation.play(last + QUIET_S) else [Violation("budget", "the world never comes to rest")]
    found += check_records(simulation) + check_runs(simulation) + check_splits(simulation) + check_starts(simulation)
    found += check_planned(simulation)
    lines += ["", *_in_the_end(world)]
    return "\n".join(lines) + "\n", tuple(found)


def _in_the_end(world: World) -> list[str]:
    """How the world is when all is quiet: what is recorded, and what is the case."""
    lines = []
    for store in world.stores:
        lines += _in_store(world, store, f" by store {store.store_id()}" if len(world.stores) > 1 else "")
    return lines


def _in_store(world: World, store: SimStore, whose: str) -> list[str]:
    lines = []
    for uuid, vm in sorted(world.inventory.vms.items(), key=lambda item: item[1].name):
        record = store.records.get(uuid)
        believed = record_words(record) if record else f"running host={vm.host}, as the inventory says"
        writers = world.writers(uuid)
        copies = [
            f"{qemu.host.name} ({'can write' if qemu in writers else 'cannot write'})"
            for qemu in world.qemus.get(uuid, [])
        ]
        lines.append(
            f"in the end {vm.name} is recorded{whose} as {believed}; it runs on {', '.join(copies) or 'no host'}"
        )
    lines += [f"in the end {row.host} is in quarantine{whose}" for row in store.quarantined()]
    stated = sorted(store.recall(EPOCH + world.now).statements)
    return lines + [f"in the end a person's word holds{whose} that {host} is powered off" for host in stated]


def read_events(path: Path) -> tuple[Event, ...]:
    """The events of a file, in the order of their times. BadEvent with file and line."""
    faults = Mistakes()
    tree = read_tree(str(path), faults)
    if tree is None or faults:
        raise BadEvent(str(faults.error()))
    listed = tree.values.get("events")
    if not isinstance(listed, Seq) or set(tree.values) != {"events"}:
        raise BadEvent(f"{path}: wants one key, events: a list of what happens")
    events = []
    for line, item in zip(listed.lines, listed.items, strict=True):
        if not isinstance(item, Map):
            raise BadEvent(f"{path}:{line}: write each event as {{at: SECONDS, VERB: …}}")
        try:
            events.append(_event(item, f"{path}:{line}"))
        except BadEvent as error:
            raise BadEvent(f"{path}:{line}: {error}") from None
    _check_interrupts(events)
    return tuple(sorted(events, key=lambda event: event.at))


def _check_interrupts(events: list[Event]) -> None:
    """Runs are named by number before they are: one that never is would never be interrupted, and nobody told."""
    runs = {f"run-{n}" for n in range(1, 1 + sum(1 for event in events if event.verb == "run"))}
    for event in events:
        if event.verb == "interrupt" and event.what not in runs:
            raise BadEvent(f"{event.place}: no run {event.what!r}; there will be {', '.join(sorted(runs)) or 'none'}")


def _event(item: Map, place: str) -> Event:
    texts: dict[str, str] = {}
    for key, value in item.values.items():
        if value is not None and not isinstance(value, str):
            raise BadEvent(f"{key} wants a text")
        texts[key] = value or ""
    try:
        at = read_amount(texts.pop("at", ""))
    except BadEvent as error:
        raise BadEvent(f"at: wants a number of seconds: {error}") from None
    admin = texts.pop("on", ADMINS[0]) if "run" in texts else None
    if len(texts) != 1:
        raise BadEvent(f"one thing happens at a time, out of {', '.join(verbs())}")
    [(verb, what)] = texts.items()
    if verb not in verbs():
        raise BadEvent(f"no event is called {verb!r}; there are {', '.join(verbs())}")
    return Event(at, verb, f"{admin}: {what}" if admin else what, place)

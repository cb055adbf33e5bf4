"""An answer, reduced to what workflows and rules read of it: lines that must be the same in both worlds.

Not compared: sentences for people, process numbers, exact seconds, sizes of memory. Two troubles count as one: whether
silence ends in a time-out or in "no route" depends on how long the kernel has known the neighbour. A "no route" that
comes too fast is told apart where a verdict is made of it, in a fence's reply; elsewhere nothing reads which it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hafence.core.attempts import NO_FACTS, Reading
from hafence.core.evidence import WitnessReport
from hafence.core.looks import Blind, HostLook, Look, Silence, shows_life
from hafence.core.model import Inventory, Uuid
from hafence.core.second_level import SecondLevelReply
from hafence.core.storage.ceph import Client
from hafence.core.storage.port import ClientsSeen, EntriesSeen, Unanswered
from hafence.core.troubles import Trouble
from hafence.effects import (
    AskClients,
    AskPower,
    Effect,
    EndWatch,
    Fence,
    GiveBack,
    ListEntries,
    LookAt,
    RehearseStorage,
    Settle,
    Start,
    Together,
    Witness,
)

CLOCKS_AGREE_S = 5.0
SHORT_MIB = 64


def lines(inventory: Inventory, effect: Effect[Any], answer: Any) -> list[str]:
    """What is read of the answer to an effect."""
    names = {uuid: vm.name for uuid, vm in inventory.vms.items()}
    match effect:
        case Together(parts):
            return [line for part, each in zip(parts, answer, strict=True) for line in lines(inventory, part, each)]
        case LookAt():
            return [f"look {host}: {_look(names, each)}" for host, each in answer.items()]
        case Fence(order):
            how = f"{'rehearsal' if order.rehearse else 'fence'} {order.suspect} through {order.proxy or 'nobody'}"
            return [f"{how}, {names[vm]}: {_reading(each, order.rehearse)}" for vm, each in answer.readings.items()]
        case Witness(suspect):
            return [f"witness {report.name} of {suspect}: {_report(report)}" for report in answer]
        case Start(order) | Settle(order):
            what = type(effect).__name__.lower()
            return [f"{what} {names[order.vm]} on {order.target}: {answer.result.value}"]
        case GiveBack(host):
            return [f"given back on {host}: {_vms(names, answer.vms)}"]
        case EndWatch():
            definitions = ", ".join(f"{names[vm]} {aside}" for vm, aside in sorted(answer.definitions.items()))
            return [f"watch: came {len(answer.came)}, whole {answer.whole}, set aside [{definitions}]"]
        case AskPower(device):
            return [f"power of {device.host}: {answer.power.value}"]
        case AskClients(asker):
            return [f"clients, by {asker.says}: {_clients(inventory, answer)}"]
        case ListEntries(asker):
            return [f"shut out, by {asker.says}: {_entries(inventory, answer)}"]
        case RehearseStorage(asker):
            lacks = "no answer" if isinstance(answer, Unanswered) else str([each.value for each in answer.hindrances])
            return [f"lacks, by {asker.says}: {lacks}"]
    raise AssertionError(f"nothing tells what is read of {effect}")


def _look(names: Mapping[Uuid, str], look: Look) -> str:
    match look:
        case Blind():
            return "blind"
        case Silence():
            behind = f"; through {look.seen.through}: {_look(names, look.seen)}" if look.seen is not None else ""
            met = _trouble(look.trouble, fast=False)
            return f"{met}, {'shows' if shows_life(look) else 'no sign of'} life{behind}"
        case HostLook():
            copies = ", ".join(f"{names[vm]} x{count}" for vm, count in sorted(look.copies.items(), key=str))
            agrees = abs(look.clock_offset_s) < CLOCKS_AGREE_S
            memory = _memory(look)
            return (
                f"libvirt {look.libvirt.value}; copies [{copies}]; active {_vms(names, look.active)};"
                f" defined {_vms(names, look.defined)}; autostart {_vms(names, look.autostart)};"
                f" saved {_vms(names, look.saved)}; listed {_vms(names, look.listed)};"
                f" aside {_vms(names, look.aside)};"
                f" held {_vms(names, look.held)};"
                f" in doubt {_vms(names, look.doubtful)}; halted {_vms(names, look.halted)};"
                f" memory {memory}; clock {'agrees' if agrees else 'differs'};"
                f" machine {'played' if look.machine_id else 'not played'}; missing {sorted(look.missing)}"
            )


def _memory(look: HostLook) -> str:
    if look.memory_free_mib is None or look.memory_total_mib is None:
        return "not told"
    return "short" if look.memory_free_mib < SHORT_MIB else "there"


def _vms(names: Mapping[Uuid, str], vms: Iterable[Uuid]) -> str:
    return "[" + ", ".join(sorted(names[vm] for vm in vms)) + "]"


_SILENT = frozenset({Trouble.TIMED_OUT, Trouble.NO_ROUTE})


def _trouble(trouble: Trouble, fast: bool) -> str:
    if trouble in _SILENT or (trouble is Trouble.FAST_NO_ROUTE and not fast):
        return "nothing answers"
    return trouble.name


def _reading(reading: Reading, rehearse: bool) -> str:
    said = reading.verdict.value
    if reading.trouble is not None:
        said += f", {_trouble(reading.trouble, fast=True)}"
    if reading.sibling_side:
        said += ", on the sibling's side"
    facts = reading.facts
    if facts != NO_FACTS:
        said += f"; found {facts.found}, killed {facts.killed}, {facts.why or 'no more to say'}"
        if rehearse:
            said += f", {'in' if facts.state == 'D' else 'not in'} state D"
    said += "".join(
        f", {key} {facts.word(key)}" for key in ("saved", "guests", "definition", "reset") if facts.word(key)
    )
    if facts.owner is not None:
        said += f"; run by {facts.owner.by.value} {facts.owner.stop.value}, may return: {reading.may_return}"
    return f"{said}; machine {'played' if reading.machine_id else 'not played'}"


def _report(report: WitnessReport) -> str:
    signs = ", ".join(sorted(sign.name for sign in report.signs)) or "no sign"
    if not report.could_look:
        return f"could not look everywhere ({signs})"
    return f"{signs}; {report.peers_reached} of {report.peers_asked} others reached"


def _clients(inventory: Inventory, answer: ClientsSeen[Client] | Unanswered) -> str:
    """By host: the numbers of processes are each world's own."""
    if isinstance(answer, Unanswered):
        return "no answer"
    volumes = (
        f"{[_whose(inventory, each) for each in volume.watchers]} watch,"
        f" {[_whose(inventory, each) for each in volume.lockers]} have the lock"
        for volume in answer.volumes.values()
    )
    return f"{'; '.join(volumes)}; asked from {'its own' if answer.source else 'no'} address"


def _entries(inventory: Inventory, answer: EntriesSeen[Client] | Unanswered) -> str:
    if isinstance(answer, Unanswered):
        return "no answer"
    return str(sorted(_whose(inventory, entry.client) for entry in answer.entries))


def _whose(inventory: Inventory, client: Client) -> str:
    [host] = [name for name, host in inventory.hosts.items() if client.ip in (host.address, host.storage_address)]
    return host if client.nonce else f"all of {host}"


def second_level(reply: SecondLevelReply) -> str:
    """What is read of what a power or storage fence came to."""
    proofs = ", ".join(sorted({each.proves.value for each in reply.evidence})) or "no evidence"
    lasts = "shut out for long" if reply.shut_out_until is not None else "not shut out as a whole"
    return f"{'done' if reply.done else 'not done'}; {proofs}; {lasts}"

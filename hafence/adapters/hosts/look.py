"""The look into a host: its program, and the reading of what it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ...core.backing import Backing, DeviceBacking, FileBacking
from ...core.halted import Halted
from ...core.looks import Blind, HostLook, Libvirt, Look, Silence
from ...core.marks import Mark
from ...core.model import Host, HostName, Settings, Uuid, parse_uuid
from ...core.needs import Lack, Lacking, Need, NeedKind
from ...core.troubles import Trouble
from ...core.whys import sentence
from ...core.wire import Faulty, Message, ReplyFault, read_message
from .program import DEFAULTS, SCAN, Program, ProgramResult, compose, ground

_UUID = r"([0-9a-f-]{36})\Z"
_LINES = {
    "boot": re.compile(r"boot ([0-9a-f-]{1,64})\Z"),
    "libvirt": re.compile(r"libvirt (ok|busy|hung|failed|down|absent)\Z"),
    "memory": re.compile(r"memory total=([0-9]{1,15}) free=([0-9]{1,15})\Z"),
    "copy": re.compile(r"copy ([0-9a-f-]{36}) ([0-9]{1,6})\Z"),
    "named": re.compile(r"named ([A-Za-z0-9._-]{1,255}) ([0-9]{1,6})\Z"),
    "doubt": re.compile(r"doubt ([0-9a-f-]{36}) ([A-Za-z0-9._,:-]{1,60})\Z"),
    "asked": re.compile(r"asked ([0-9a-f-]{36}) (off|active|busy)\Z"),
    "halted": re.compile(r"halted ([0-9a-f-]{36}) ([a-z-]{1,40}) ([a-z-]{1,60})\Z"),
    "active": re.compile("active " + _UUID),
    "defined": re.compile("defined " + _UUID),
    "autostart": re.compile("autostart " + _UUID),
    "saved": re.compile("saved " + _UUID),
    "listed": re.compile("listed " + _UUID),
    "aside": re.compile("aside " + _UUID),
    "missing": re.compile(r"missing ([a-z0-9_.-]{1,40})\Z"),
    "lacks": re.compile(r"lacks ([0-9]{1,3}) (missing|read-only|silent|taken)\Z"),
    "backing": re.compile(
        r"backing ([0-9]{1,3}) "
        r"(?:file ([a-z0-9/_-]{1,40}) ([0-9a-f]{1,32}) ([0-9]{1,20})|device (-|[A-Za-z0-9._:-]{1,200}) ([0-9]{1,20}))\Z"
    ),
    "held": re.compile(r"held ([0-9a-f-]{36}) ([0-9a-f]{16}) ([A-Za-z0-9._-]{1,80}) ([0-9]{1,9})\Z"),
    "mark": re.compile(r"mark ([0-9a-f]{16}) ([A-Za-z0-9._-]{1,80}) ([0-9]{1,9}) ([0-9]{1,7})\Z"),
    "blind": re.compile(r"blind ([a-z0-9-]{1,80})\Z"),
}
_END = re.compile(r"lines=([0-9]{1,7})\Z")
_OF_VMS = ["copy", "doubt", "asked", "active", "defined", "autostart", "saved", "listed", "aside", "held", "halted"]
"""The lines that begin with a VM's UUID."""
_ONCE = ("boot", "libvirt", "memory", "blind")
MOST_ASKED = 16
"""Of how many VMs libvirt is asked one by one in a look."""


def look_program(
    nonce: str, host: Host, vms: Sequence[Uuid] = (), needs: Sequence[Need] = (), *, settings: Settings = DEFAULTS
) -> Program:
    """One look into `host`, read-only. It needs no release.

    `vms` are those that matter: libvirt's lists wait for every VM of the host, and one that is slow to start keeps them
    from being told; these are asked for one by one. `needs` are what must be found there,
    by the one VM of a start or by several.
    """
    assert len(vms) == 1 or all(need.kind is not NeedKind.NAME for need in needs), "whose name it is"
    listed = "\n".join(f"{need.kind.value} {need.what}" for need in needs)
    asked = " ".join(vms[:MOST_ASKED])
    return Program(
        compose(
            (*SCAN, "mark", "aside", "needs", "look"),
            nonce,
            host.root,
            **ground(settings),
            DISKS="",
            ASKED=asked,
            NEEDS=listed,
        )
    )


def parse_look(
    nonce: str,
    run: ProgramResult,
    host: HostName,
    at_sent: float,
    at_received: float,
    named: Callable[[str], Uuid | None] = lambda name: None,
    needs: Sequence[Need] = (),
) -> Look:
    """Read a look. Times by the admin node's clock; the host's clock is taken to be that of the midpoint. What was seen
    is as old as the question: a process that was suspended reads an old answer when it wakes.

    `named` knows the VMs by their names: a process that somebody started without a UUID is told by its name.

    A host on which the login worked and that opens no session, said nothing of the protocol, or can't see
    its own processes, is Blind: nobody may conclude from it that a VM is not there.
    """
    if run.trouble is Trouble.SESSION_REFUSED:
        # "MaxSessions 0", as on a jump host: the login worked, and it still forwards.
        return Blind(host, at_sent, "it refuses to open a session (MaxSessions)")
    if run.trouble is not None:
        return Silence(host, at_sent, run.trouble, run.note)
    message = read_message(nonce, run.stdout, run.exit_status, run.not_run)
    if isinstance(message, Faulty):
        if message.fault is ReplyFault.NOTHING_CAME or message.fault is run.not_run:
            # The login worked, and no script of ours has run.
            return Blind(host, at_sent, message.says, message.way_out)
        return Silence(host, at_sent, Trouble.PROTOCOL_ERROR, message.says)
    found = _read_lines(message)
    if isinstance(found, Faulty):
        return Silence(host, at_sent, Trouble.PROTOCOL_ERROR, found.says)
    if run.exit_status != 0:
        odd = Faulty(ReplyFault.STATUS_CONTRADICTS, str(run.exit_status))
        return Silence(host, at_sent, Trouble.PROTOCOL_ERROR, odd.says)
    if blind := found["blind"]:
        return Blind(host, at_sent, f"its processes can't be looked at: {sentence(blind[0][1])}")
    if any(not 1 <= int(match[1]) <= len(needs) for match in (*found["lacks"], *found["backing"])):
        return Silence(host, at_sent, Trouble.PROTOCOL_ERROR, Faulty(ReplyFault.UNKNOWN_LINE).says)
    return _host_look(host, message, found, (at_sent, at_received), named, needs)


_Found = dict[str, list[re.Match[str]]]


def _read_lines(message: Message) -> _Found | Faulty:
    found: _Found = {kind: [] for kind in _LINES}
    told: set[tuple[str, str]] = set()
    for line in message.lines:
        kind = line.split(" ", 1)[0]
        match = _LINES[kind].match(line) if kind in _LINES else None
        if match is None:
            return Faulty(ReplyFault.UNKNOWN_LINE)
        # A set: a hostile host's tens of thousands of lines must not cost a comparison of each with each.
        if (kind, match[1]) in told or (kind in _ONCE and found[kind]):
            return Faulty(ReplyFault.SAID_TWICE, kind)
        told.add((kind, match[1]))
        found[kind].append(match)
    end = _END.match(message.end)
    if end is None:
        return Faulty(ReplyFault.UNKNOWN_LINE)
    if int(end[1]) != len(message.lines):
        return Faulty(ReplyFault.WRONG_COUNT)
    if not found["libvirt"]:
        return Faulty(ReplyFault.LACKING, "how libvirt is")
    try:
        for kind in _OF_VMS:
            for match in found[kind]:
                parse_uuid(match[1])
    except ValueError:
        return Faulty(ReplyFault.NO_UUID)
    return found


def _host_look(
    host: HostName,
    message: Message,
    found: _Found,
    asked_and_told: tuple[float, float],
    named: Callable[[str], Uuid | None],
    needs: Sequence[Need],
) -> HostLook:
    boot, memory = found["boot"], found["memory"]
    at_sent, at_received = asked_and_told
    copies = _copies(found, named)
    asked = {parse_uuid(match[1]): match[2] for match in found["asked"]}
    return HostLook(
        host=host,
        at=at_sent,
        clock_offset_s=message.hello.clock - (at_sent + at_received) / 2,
        clock_within_s=max(0.0, at_received - at_sent) / 2,
        machine_id=message.hello.machine_id,
        boot_id=boot[0][1] if boot else None,
        libvirt=Libvirt(found["libvirt"][0][1]),
        copies=copies,
        active=_uuids(found["active"]),
        defined=_uuids(found["defined"]),
        autostart=_uuids(found["autostart"]),
        memory_total_mib=int(memory[0][1]) // 1024 if memory else None,
        memory_free_mib=int(memory[0][2]) // 1024 if memory else None,
        missing=tuple(match[1] for match in found["missing"]),
        starting=frozenset(vm for vm, state in asked.items() if state != "off" and vm not in copies),
        doubtful={parse_uuid(match[1]): match[2] for match in found["doubt"]},
        cleared=frozenset(vm for vm, state in asked.items() if state == "off"),
        halted={parse_uuid(match[1]): Halted(match[2], match[3]) for match in found["halted"]},
        held={parse_uuid(match[1]): Mark(match[2], match[3], float(match[4])) for match in found["held"]},
        saved=_uuids(found["saved"]),
        listed=_uuids(found["listed"]),
        aside=_uuids(found["aside"]),
        lacking=tuple(Lack(needs[int(match[1]) - 1], Lacking(match[2])) for match in found["lacks"]),
        backings={needs[int(match[1]) - 1]: _backing(match) for match in found["backing"]},
        marks=tuple(Mark(match[1], match[2], float(match[3]), int(match[4])) for match in found["mark"]),
    )


def _backing(match: re.Match[str]) -> Backing:
    _, system, system_id, inode, identity, size = match.groups()
    if system is not None:
        return FileBacking(system, system_id, int(inode))
    return DeviceBacking("" if identity == "-" else identity, int(size))


def _copies(found: _Found, named: Callable[[str], Uuid | None]) -> dict[Uuid, int]:
    """How many processes of each VM there are, those that bear its UUID and those that bear its name and no UUID."""
    copies = {parse_uuid(match[1]): int(match[2]) for match in found["copy"] if int(match[2])}
    for match in found["named"]:
        vm = named(match[1])
        if vm is not None and int(match[2]):
            copies[vm] = copies.get(vm, 0) + int(match[2])
    return copies


def _uuids(matches: list[re.Match[str]]) -> frozenset[Uuid]:
    return frozenset(parse_uuid(match[1]) for match in matches)

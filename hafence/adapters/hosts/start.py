"""Starting a VM through libvirt on its target, and settling such a start: the programs and their reading."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ...core.model import Host, Settings, StartMode, Uuid, Vm
from ...core.replies import STATUS_ALIVE, STATUS_DEAD, STATUS_UNKNOWN
from ...core.starts import StartOrder, StartReply, StartResult
from ...core.troubles import met_straight
from ...core.whys import ANOTHER_STORE, another_store, sentence
from ...core.wire import Faulty, ReplyFault, read_message, read_pairs
from .program import DEFAULTS, SCAN, Program, ProgramResult, claimed, compose, ground
from .talk import Go, name_list

if TYPE_CHECKING:
    from ...inventory.domain_xml import Domain

_LINE = re.compile(r"start ([0-9a-f-]{36}) (started|running|clean|refused|barred|unknown)(?: (.*))?\Z")
_RESULTS = {
    "started": (StartResult.RUNNING, STATUS_DEAD),
    "running": (StartResult.RUNNING, STATUS_DEAD),
    "clean": (StartResult.CLEAN, STATUS_ALIVE),
    "barred": (StartResult.BARRED, STATUS_UNKNOWN),
    "refused": (StartResult.UNKNOWN, STATUS_UNKNOWN),
    "unknown": (StartResult.UNKNOWN, STATUS_UNKNOWN),
}
_WHY = {
    "deadline-passed": "the time allowed for the start had passed before libvirt was asked",
    "define-failed": "libvirt did not take the definition",
    "ended-at-once": "libvirt started it, and it ended at once",
    "image-is-locked": (
        "somebody holds the lock on an image of it, no process of that host, and kept it for as long as the start may"
        " take: the VM may live where nobody looks; see which host has that image open"
    ),
    "libvirt-does-not-answer": "libvirt does not answer",
    "libvirt-runs-another-uuid": "libvirt may run a VM of its name under another UUID: see 'virsh list --uuid'",
    "libvirt-timed-out": "libvirt timed out over it again and again: see what it is at there",
    "libvirt-was-busy-with-it": "libvirt was busy with it for as long as the start may take: see what it is at there",
    "lock-held": "another start of the VM is still under way there",
    "no-copy": "no copy of it is there and no start is under way",
    "rebooted": "it has booted since it was looked into",
    "still-starting": "libvirt had not finished the start in time",
    "superseded": "a newer run has been at it there",
    "virsh-failed": "libvirt could not start it",
    "virsh-failed-and-a-copy-runs": "libvirt reports a failure, and a copy of it runs",
}


def start_program(
    order: StartOrder,
    vm: Vm,
    domain: Domain,
    mode: StartMode,
    nonce: str,
    host: Host,
    clock: Callable[[], float],
    *,
    settings: Settings = DEFAULTS,
) -> Program:
    """Start `vm` from its definition on `host`, at most once.

    `clock` is the admin node's, in seconds since the epoch. Raises ValueError if the definition is another VM's, which
    would run unseen by all that looks for this one.
    """
    assert mode is not StartMode.COMMAND, "a start command runs on the admin node"
    if domain.uuid != order.vm:
        raise ValueError(f"a definition of {domain.uuid} starts another VM than {order.vm}")
    text = compose(
        (*SCAN, "mark", "locked", "again", "start"),
        nonce,
        host.root,
        **claimed(order.claim),
        **_one_vm(vm.uuid, {vm.uuid: (vm.name, domain.name)}, settings),
        TICKET=str(order.ticket),
        BOOT=order.boot_id,
        XML=domain.xml,
        DOMAIN=domain.name,
        HOW=mode.value,
    )
    latest = order.not_after + order.clock_offset_s
    return Program(text, Go(nonce, order.not_after, order.within_s, clock, latest=latest))


def settle_program(
    order: StartOrder,
    names: Mapping[Uuid, tuple[str, ...]],
    nonce: str,
    host: Host,
    clock: Callable[[], float],
    *,
    settings: Settings = DEFAULTS,
) -> Program:
    """Find out what became of an earlier start of `order.vm` on `host`, and let no older one begin any more."""
    known = {**_one_vm(order.vm, names, settings), **claimed(order.claim)}
    text = compose((*SCAN, "mark", "locked", "settle"), nonce, host.root, **known, TICKET=str(order.ticket))
    return Program(text, Go(nonce, order.not_after, order.within_s, clock))


def _one_vm(vm: Uuid, names: Mapping[Uuid, tuple[str, ...]], settings: Settings) -> dict[str, str]:
    return {**ground(settings), "VMS": vm, "NAMES": name_list((vm,), names), "ANY_NAME": "", "DISKS": ""}


def parse_start(nonce: str, run: ProgramResult, at: float, released: bool = True) -> StartReply:
    """Read what a start or a settle said. Whatever is odd is UNKNOWN.

    `released` is `was_released(program)`. Pass it for a start only: one that was never released has done
    nothing, so the target is as clean as it was. A settle that was not released has learnt nothing.
    """
    answer = _read(nonce, run)
    if isinstance(answer, str):
        if not released:
            return StartReply(StartResult.CLEAN, f"the start was never let go: {answer}", at)
        return StartReply(StartResult.UNKNOWN, answer, at)
    word, pairs = answer
    result, status = _RESULTS[word]
    if run.exit_status != status:
        says = Faulty(ReplyFault.STATUS_CONTRADICTS, str(run.exit_status)).says
        return StartReply(StartResult.UNKNOWN, says, at)
    return StartReply(result, _words(word, pairs), at)


def _read(nonce: str, run: ProgramResult) -> tuple[str, Mapping[str, str]] | str:
    """The word and the facts of a reply, or the sentence that says why there is none."""
    if run.trouble is not None:
        return met_straight(run.trouble, run.note)
    message = read_message(nonce, run.stdout, run.exit_status, run.not_run)
    if isinstance(message, Faulty):
        return message.says
    match = _LINE.match(message.lines[0]) if len(message.lines) == 1 and not message.end else None
    pairs = read_pairs(match[3] or "") if match else None
    if match is None or pairs is None:
        return Faulty(ReplyFault.UNKNOWN_LINE).says
    return match[2], pairs


def _words(word: str, pairs: Mapping[str, str]) -> str:
    why = pairs.get("why", "")
    pid = f" (process {pairs['pid']})" if pairs.get("pid") and "program" not in pairs else ""
    if word == "started":
        says = f"it runs{pid}"
    elif word == "running":
        says = f"it runs there{' already' if pairs.get('already') else ''}{pid}"
    else:
        says = _WHY.get(why) or sentence(why, pairs) or "without a reason"
        if pairs.get("err_len"):
            size, digest = pairs["err_len"], pairs.get("err_sha", "-")
            says += f" ({size} characters of its words, sha256 {digest}, are in the folder 'output', see hafence(1))"
        says += pid
    return says if why == ANOTHER_STORE else says + another_store(pairs)

"""What runs on KVM hosts and the reading of what it says: the one name under which the runner finds both halves.

Each program is a text for `sh -s` (see program.py, scripts/) and each reader a pure function. A script that changes
something says hello first and waits to be let go; `Go` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from ...core.attempts import FenceOrder
from ...core.model import Host, Settings, Uuid
from ...core.replies import wrong_machine
from ...core.wire import Hello
from .capture import capture_program, parse_capture
from .give_back import give_back_program, parse_given_back
from .look import look_program, parse_look
from .program import DEFAULTS, SCAN, Program, claimed, compose, ground
from .ready import most_s, parse_ready, ready_program
from .start import parse_start, settle_program, start_program
from .talk import Go, name_list, was_released
from .watch import WATCH_S, Stay
from .witness import WITNESS_SPARE_S, parse_witness, witness_program

__all__ = [
    "WITNESS_SPARE_S",
    "Go",
    "Stay",
    "capture_program",
    "fence_program",
    "give_back_program",
    "look_program",
    "most_s",
    "parse_capture",
    "parse_given_back",
    "parse_look",
    "parse_ready",
    "parse_start",
    "parse_witness",
    "ready_program",
    "settle_program",
    "start_program",
    "was_released",
    "witness_program",
]

_PARTS = (
    *("mark", "holders", "facts", "aside", "definitions", "owners", "kill", "sockets", "writes", "newest", "proof"),
    "watch",
)
"""The scripts of which the fence is made, beside those of every search."""
MOST_DESTROY_S = 4
"""How long libvirt may take to destroy a VM before SIGKILL is sent anyway. libvirt itself sends SIGKILL after 10 s."""


def fence_program(
    order: FenceOrder,
    names: Mapping[Uuid, tuple[str, ...]],
    nonce: str,
    host: Host,
    clock: Callable[[], float],
    *,
    settings: Settings = DEFAULTS,
    disks: Mapping[Uuid, Iterable[str]] = MappingProxyType({}),
    named: Mapping[Uuid, Iterable[str]] = MappingProxyType({}),
    ports: Mapping[Uuid, Iterable[str]] = MappingProxyType({}),
) -> Program:
    """Fence every VM of `order` on `host`; its reply is read by `core.replies.interpret`.

    `names` holds the VMs' names as far as they are known, `disks` the paths of files and block devices to which they,
    and nobody else, may write. Where a start elsewhere is to follow, `named` holds every path in the definition from
    which it would be made: a VM that writes to anything else is left alone. `ports` are those of the VMs' network
    storage, as far as it is known (inventory/storage_ports.py). `clock`: the admin node's, in seconds since the epoch.
    """
    text = compose(
        (*SCAN, *_PARTS, "fence"),
        nonce,
        host.root,
        **ground(settings),
        **claimed(order.claim),
        VMS=" ".join(order.vms),
        NAMES=name_list(order.vms, names),
        ANY_NAME="",
        DISKS=_lines(order.vms, disks),
        NAMED=_lines(order.vms, named),
        PORTS="".join(f"{vm} {port}\n" for vm in order.vms for port in ports.get(vm, ())),
        SETTLE_S=f"{order.settle_s:.3f}",
        SETTLE_MS=str(round(order.settle_s * 1000)),
        DESTROY_S=str(max(1, min(MOST_DESTROY_S, int(order.within_s / 4)))),
        REHEARSE="1" if order.rehearse else "0",
        WATCH="1" if order.watch else "0",
        SET_ASIDE="1" if order.aside else "0",
    )

    def is_meant(hello: Hello) -> bool:
        return wrong_machine(order, hello) is None

    go = Go(nonce, order.not_after, order.within_s, clock, is_meant=is_meant)
    if not order.watch:
        return Program(text, go)
    stay = Stay(order, nonce, go, clock)
    return Program(text, stay, stays_s=WATCH_S, stays=stay.stays)


def _lines(vms: Iterable[Uuid], paths: Mapping[Uuid, Iterable[str]]) -> str:
    """`UUID PATH` a line."""
    return "".join(f"{vm} {path}\n" for vm in vms for path in paths.get(vm, ()) if _is_plain(path))


def _is_plain(path: str) -> bool:
    """Whether a path can stand on a line of its own."""
    return path.startswith("/") and path.isprintable()

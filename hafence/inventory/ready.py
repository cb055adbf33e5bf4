"""`ready` of a VM: what has to answer before VMs of a lower priority are started."""

from __future__ import annotations

from functools import partial

from ..core.model import Ready
from ..core.parsing import parse_bool, parse_whole
from .entry import Entry
from .faults import Mistakes
from .settings import READY_WITHIN
from .tree import Map

READY_KEYS = ("tcp", "guest_agent", "within")
_WAYS = "tcp: PORT or guest_agent: true"


def check_ready(entry: Entry) -> Ready:
    """What a VM's `ready` says; faults are noted."""
    entry.only(READY_KEYS)
    ways = [key for key in ("tcp", "guest_agent") if key in entry.node.values]
    if not ways:
        entry.fault(None, f"does not say what has to answer: write {_WAYS}")
    elif len(ways) == 2:
        entry.fault("guest_agent", f"says two things that have to answer: write {_WAYS}, one of them")
    port = entry.take("tcp", partial(parse_whole, low=1, high=65535))
    entry.take("guest_agent", _yes)
    within_s = entry.take("within", READY_WITHIN.parse)
    return Ready(port) if within_s is None else Ready(port, within_s)


def read_ready(node: Map) -> Ready:
    """The same of one without a fault; ValueError otherwise, without the words and places."""
    faults = Mistakes()
    ready = check_ready(Entry(faults, "", "", "", node))
    if faults:
        raise ValueError("ready")
    return ready


def _yes(text: str) -> bool:
    if not parse_bool(text):
        raise ValueError(f"false asks nothing: write {_WAYS}, or leave ready out")
    return True

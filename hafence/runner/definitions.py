"""From which definition each VM of a run would be started: looked up once, so that what was judged is what is sent."""

from __future__ import annotations

import threading
from bisect import bisect_left
from typing import TYPE_CHECKING

from ..core.captures import Capture, Source
from ..core.model import Inventory, Uuid, Vm
from ..stores.port import Store

if TYPE_CHECKING:
    from ..inventory.domain_xml import Domain

AT_ONCE = 64
"""So many captures are read in one go: an audit wants those of thousands, one after the other."""
MOST_KEPT = 512
"""More VMs than a run starts; of an audit's thousands the last ones stay."""


class Definitions:
    """The definitions of VMs for one run. Safe to use from several threads.

    Raises StoreError where the store can't be read: what was captured is not known then, and no start may go by an
    older definition for it.
    """

    def __init__(self, inventory: Inventory, store: Store) -> None:
        self._inventory = inventory
        self._store = store
        self._lock = threading.RLock()
        self._order: list[Uuid] = []
        self._part: dict[Uuid, Capture | None] = {}
        self._found: dict[Uuid, tuple[Source, Domain | None]] = {}

    def source(self, vm: Vm) -> Source:
        """From what the VM would be started, or why from nothing."""
        return self._of(vm)[0]

    def readable(self, vm: Vm) -> Domain | None:
        """The definition from which the VM would be started; None where there is none that can be read."""
        return self._of(vm)[1]

    def _of(self, vm: Vm) -> tuple[Source, Domain | None]:
        from ..inventory.domains import source_of

        with self._lock:
            if vm.uuid not in self._found:
                found = source_of(self._inventory, vm, self._capture(vm.uuid))
                if len(self._found) >= MOST_KEPT:
                    del self._found[next(iter(self._found))]
                self._found[vm.uuid] = found
            return self._found[vm.uuid]

    def _capture(self, vm: Uuid) -> Capture | None:
        if vm not in self._part:
            self._order = self._order or sorted(self._inventory.vms)
            begin = bisect_left(self._order, vm)
            part = self._order[begin : begin + AT_ONCE]
            self._part = {**dict.fromkeys(part), **{each.vm: each for each in self._store.captures(part)}}
        return self._part[vm]

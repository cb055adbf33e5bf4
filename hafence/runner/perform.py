"""Each effect, performed on the real world. Which adapter does what; no rule is decided here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ..adapters.local.hooks import HookCall, run_hooks
from ..adapters.ssh.connections import Hosts
from ..core.model import Inventory, Uuid
from ..core.stored import Lease
from ..effects import (
    AddEntries,
    Ask,
    AskClients,
    AskPower,
    AwaitReady,
    Drifts,
    Effect,
    EndWatch,
    Fence,
    FetchDefinitions,
    GiveBack,
    ListEntries,
    LookAt,
    MemoryNeed,
    NeedsOf,
    NoteOutcome,
    NoteSecondLevel,
    Now,
    OwnAddresses,
    RehearseStorage,
    RemoveEntries,
    RenewLease,
    RunHooks,
    SendOff,
    Settle,
    SharedDisks,
    SharedHostKeys,
    Sleep,
    Start,
    Startable,
    TakeLease,
    Tell,
    Uptime,
    Witness,
    WritableDisks,
)
from ..stores.ask import ASKS
from ..stores.holder import Holder
from ..stores.port import Store
from ..voice import Voice
from .definitions import Definitions
from .perform_hosts import HostPerformer
from .perform_store import StorePerformer


class Performer:
    """Performs effects, one call each, from any thread."""

    def __init__(
        self,
        inventory: Inventory,
        store: Store,
        hosts: Hosts,
        holder: Holder,
        voice: Voice,
        vms: tuple[Uuid, ...] = (),
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._inventory = inventory
        self._hosts = hosts
        self._holder = holder
        stored = StorePerformer(inventory, store, holder)
        self._definitions = Definitions(inventory, store)
        reached = HostPerformer(inventory, hosts, holder.run, self._definitions, vms, progress)
        self._by_type: Mapping[type[Effect[Any]], Callable[[Any], Any]] = {
            Now: lambda _: time.time(),
            Uptime: lambda _: _uptime(),
            Sleep: lambda effect: time.sleep(effect.seconds),
            Ask: lambda effect: voice.asks(effect.question),
            Tell: lambda effect: voice.tells(effect.text),
            RunHooks: self._run_hooks,
            **dict.fromkeys(ASKS, stored.perform),
            TakeLease: stored.take_lease,
            RenewLease: lambda effect: _renew(stored, reached, effect),
            LookAt: reached.looking.look_at,
            Fence: reached.fence,
            EndWatch: reached.end_watch,
            GiveBack: reached.give_back,
            Witness: reached.witness,
            Start: reached.start,
            Settle: reached.settle,
            MemoryNeed: reached.memory_need,
            NeedsOf: reached.looking.needs_of,
            Startable: reached.startable,
            SharedHostKeys: reached.shared_host_keys,
            SharedDisks: reached.shared_disks,
            NoteSecondLevel: lambda _: None,  # the history and the voice have it
            NoteOutcome: lambda _: None,  # the voice has it
        }

    def perform(self, effect: Effect[Any]) -> Any:
        """Do what the effect asks for and answer it. LeaseLost and StoreError are for the workflow."""
        known = self._by_type.get(type(effect)) or self._second_level[type(effect)]
        return known(effect)

    @cached_property
    def _second_level(self) -> Mapping[type[Effect[Any]], Callable[[Any], Any]]:
        """Loaded where one of them is wanted: most runs need none, and each import delays every VM's return."""
        from .perform_captures import CapturePerformer
        from .perform_power import PowerPerformer
        from .perform_ready import ReadyPerformer
        from .perform_storage import StoragePerformer

        power = PowerPerformer(self._inventory)
        storage = StoragePerformer(self._inventory, self._hosts, self._definitions)
        captures = CapturePerformer(self._inventory, self._hosts, self._definitions)
        return {
            FetchDefinitions: captures.fetch,
            Drifts: captures.drifts,
            AwaitReady: ReadyPerformer(self._inventory, self._hosts).await_ready,
            AskPower: power.ask_power,
            SendOff: power.send_off,
            WritableDisks: storage.writable_disks,
            OwnAddresses: storage.own_addresses,
            AskClients: storage.ask_clients,
            ListEntries: storage.list_entries,
            AddEntries: storage.add_entries,
            RehearseStorage: storage.rehearse,
            RemoveEntries: storage.remove_entries,
        }

    def _run_hooks(self, effect: RunHooks) -> Any:
        vm = self._inventory.vms[effect.vm]
        call = HookCall(self._holder.run, vm.uuid, vm.name, effect.suspect, effect.target)
        return run_hooks(self._inventory.hooks, call)


def _renew(stored: StorePerformer, reached: HostPerformer, effect: RenewLease) -> Lease:
    lease: Lease = stored.perform(effect)
    reached.renewed(lease)
    return lease


def _uptime() -> float:
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])

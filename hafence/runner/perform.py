"""Each effect, performed on the real world. Which adapter does what; no rule is decided here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..adapters.local.hooks import HookCall, run_hooks
from ..adapters.ssh.connections import Hosts
from ..core.model import Inventory
from ..core.stored import Lease
from ..effects import (
    Ask,
    DropLease,
    Effect,
    EndWatch,
    Fence,
    FenceStorage,
    LearnMachine,
    LiftQuarantine,
    LiftStorageFence,
    LookAt,
    MemoryNeed,
    Now,
    PowerOff,
    Quarantine,
    Recall,
    RecordStatement,
    RenewLease,
    RenewStorageFence,
    RunHooks,
    Settle,
    SharedDisks,
    SharedHostKeys,
    Sleep,
    SpendStatement,
    Start,
    Startable,
    StoreHealth,
    TakeLease,
    Tell,
    Uptime,
    Witness,
    WriteRecord,
)
from ..stores.holder import Holder
from ..stores.port import Store
from ..voice import Voice
from .perform_hosts import HostPerformer
from .perform_store import StorePerformer


class Performer:
    """Performs effects, one call each, from any thread."""

    def __init__(self, inventory: Inventory, store: Store, hosts: Hosts, holder: Holder, voice: Voice) -> None:
        self._inventory = inventory
        self._voice = voice
        self._holder = holder
        stored = StorePerformer(inventory, store, holder)
        reached = HostPerformer(inventory, hosts, holder.run)
        self._by_type: Mapping[type[Effect[Any]], Callable[[Any], Any]] = {
            Now: lambda _: time.time(),
            Uptime: lambda _: _uptime(),
            Sleep: lambda effect: time.sleep(effect.seconds),
            Ask: lambda effect: voice.asks(effect.question),
            Tell: lambda effect: voice.tells(effect.text),
            RunHooks: self._run_hooks,
            TakeLease: stored.take_lease,
            RenewLease: lambda effect: _renew(stored, reached, effect),
            DropLease: stored.drop_lease,
            Recall: stored.recall,
            WriteRecord: stored.write_record,
            Quarantine: stored.quarantine,
            LiftQuarantine: stored.lift_quarantine,
            LearnMachine: stored.learn_machine,
            RecordStatement: stored.record_statement,
            SpendStatement: stored.spend_statement,
            StoreHealth: stored.health,
            LookAt: reached.look_at,
            Fence: reached.fence,
            EndWatch: reached.end_watch,
            Witness: reached.witness,
            Start: reached.start,
            Settle: reached.settle,
            MemoryNeed: reached.memory_need,
            Startable: reached.startable,
            SharedHostKeys: reached.shared_host_keys,
            SharedDisks: reached.shared_disks,
            PowerOff: reached.power_off,
            FenceStorage: reached.fence_storage,
            LiftStorageFence: reached.lift_storage_fence,
            RenewStorageFence: reached.renew_storage_fence,
        }

    def perform(self, effect: Effect[Any]) -> Any:
        """Do what the effect asks for and answer it. LeaseLost and StoreError are for the workflow."""
        return self._by_type[type(effect)](effect)

    def _run_hooks(self, effect: RunHooks) -> Any:
        vm = self._inventory.vms[effect.vm]
        call = HookCall(self._holder.run, vm.uuid, vm.name, effect.suspect, effect.target)
        return run_hooks(self._inventory.hooks, call)


def _renew(stored: StorePerformer, reached: HostPerformer, effect: RenewLease) -> Lease:
    lease = stored.renew_lease(effect)
    reached.renewed(lease)
    return lease


def _uptime() -> float:
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])

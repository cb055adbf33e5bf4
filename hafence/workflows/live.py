"""`hafence status --live`: one look into every host, and nothing else."""

from __future__ import annotations

from ..core.survey import Survey
from ..effects import LookAt, Now, Recall, Workflow, do
from .vm_run import Request


def look_live(run: Request) -> Workflow[Survey]:
    """What is recorded, and what every host shows at this moment. Changes nothing. StoreError as the store's."""
    inventory = run.inventory
    memory = yield from do(Recall())
    kvm = sorted(host.name for host in inventory.hosts.values() if inventory.cluster_of(host.name).is_kvm)
    looks = yield from do(LookAt(tuple(kvm)))
    now = yield from do(Now())
    return Survey(inventory, memory.records, memory.quarantine, looks, {}, at=now)

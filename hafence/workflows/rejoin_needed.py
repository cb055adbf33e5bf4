"""Whether `rejoin` has anything to do, asked before a run begins: what needs nothing leaves no row in the history."""

from __future__ import annotations

from ..core.looks import HostLook
from ..core.model import Host
from ..effects import LookAt, Recall, Workflow, do


def rejoin_needed(host: Host) -> Workflow[bool]:
    """Whether a host is in quarantine, or is another machine than the one that is remembered (it was reinstalled)."""
    memory = yield from do(Recall())
    if host.name in memory.quarantine:
        return True
    remembered = memory.machine_ids.get(host.name)
    if remembered is None:
        return False
    looks = yield from do(LookAt((host.name,)))
    look = looks[host.name]
    return isinstance(look, HostLook) and look.machine_id != remembered

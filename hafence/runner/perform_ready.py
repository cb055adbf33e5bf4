"""Waiting until a VM serves, as its host tells."""

from __future__ import annotations

import secrets
import time

from ..adapters.hosts import kvm
from ..adapters.ssh.connections import Hosts
from ..core.model import Inventory
from ..core.ready import Readiness, Serves
from ..effects import AwaitReady

AGAIN_S = 2.0
"""How long after an answer that came early, such as that a host refuses connections, it is asked for again."""
GRACE_S = 2.0
"""How much longer hafence waits than the script may take: the script ends first."""


class ReadyPerformer:
    """Asks hosts whether their VMs serve."""

    def __init__(self, inventory: Inventory, hosts: Hosts) -> None:
        self._inventory = inventory
        self._hosts = hosts

    def await_ready(self, effect: AwaitReady) -> Readiness:
        """Ask until the VM serves, or for as long as the effect says; the last answer."""
        end = time.monotonic() + effect.within_s
        while True:
            readiness = self._ask(effect, max(0.0, end - time.monotonic()))
            left_s = end - time.monotonic()
            if readiness.serves is Serves.YES or left_s <= 0:
                return readiness
            time.sleep(min(AGAIN_S, left_s))

    def _ask(self, effect: AwaitReady, within_s: float) -> Readiness:
        host, settings, nonce = self._inventory.hosts[effect.target], self._inventory.settings, secrets.token_hex(8)
        program = kvm.ready_program(nonce, host, effect.vm, effect.ready, within_s, settings=settings)
        run = self._hosts.run(host, program, within_s=kvm.most_s(within_s, settings) + GRACE_S)
        return kvm.parse_ready(nonce, run, effect.ready, time.time())

"""Fetching definitions of running VMs from their hosts."""

from __future__ import annotations

import secrets
import time

from ..adapters.hosts import kvm
from ..adapters.ssh.connections import Hosts
from ..core.captures import Capture, FetchFault, NotFetched
from ..core.model import Inventory
from ..effects import FetchDefinition
from ..inventory.domain_xml import DomainError
from ..inventory.domains import digest_beside, read_capture

SPARE_S = 5.0
"""What a fetch may take beyond three answers of libvirt."""


class CapturePerformer:
    """Asks hosts for definitions, and reads what they say: a host is input, and what it gives is started one day."""

    def __init__(self, inventory: Inventory, hosts: Hosts) -> None:
        self._inventory = inventory
        self._hosts = hosts

    def fetch(self, effect: FetchDefinition) -> Capture | NotFetched:
        """The definition as it is sent to libvirt by a start. Its time is that of the question."""
        settings, nonce, asked_at = self._inventory.settings, secrets.token_hex(8), time.time()
        host, vm = self._inventory.hosts[effect.host], self._inventory.vms[effect.vm]
        beside = digest_beside(vm)
        program = kvm.capture_program(nonce, host, vm.uuid, settings=settings)
        run = self._hosts.run(host, program, within_s=SPARE_S + 3 * settings.libvirt_timeout_s)
        document = kvm.parse_capture(nonce, run, vm.uuid)
        if isinstance(document, NotFetched):
            return document
        try:
            domain = read_capture(vm, document)
        except DomainError as error:
            return NotFetched(FetchFault.REFUSED, str(error))
        return Capture(vm.uuid, host.name, asked_at, beside, domain.xml)

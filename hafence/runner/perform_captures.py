"""Fetching definitions of running VMs from their hosts."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping

from ..adapters.hosts import kvm
from ..adapters.ssh.connections import Hosts
from ..core.captures import Capture, FetchFault, NotFetched
from ..core.drift import Drift, drift_between
from ..core.model import HostName, Inventory, Uuid
from ..effects import Drifts, FetchDefinitions
from ..inventory.domain_xml import DomainError, read_domain
from ..inventory.domains import digest_beside, read_capture
from ..inventory.outline import outline_of
from .definitions import Definitions

SPARE_S = 5.0
"""What a fetch may take beyond three answers of libvirt that hangs."""
EACH_S = 0.5
"""What each VM may take beside."""


class CapturePerformer:
    """Asks hosts for definitions, and reads what they say: a host is input, and what it gives is started one day."""

    def __init__(self, inventory: Inventory, hosts: Hosts, definitions: Definitions) -> None:
        self._inventory = inventory
        self._definitions = definitions
        self._hosts = hosts

    def fetch(self, effect: FetchDefinitions) -> Mapping[Uuid, Capture | NotFetched]:
        """The definitions as they are sent to libvirt by a start. Their time is that of the question."""
        settings, nonce, asked_at = self._inventory.settings, secrets.token_hex(8), time.time()
        host, vms = self._inventory.hosts[effect.host], effect.vms
        beside = {vm: digest_beside(self._inventory.vms[vm]) for vm in vms}
        program = kvm.capture_program(nonce, host, vms, settings=settings)
        within_s = SPARE_S + 3 * settings.libvirt_timeout_s + EACH_S * len(vms)
        # What came may hold passwords: nothing of it is kept for people, as that of other scripts is.
        run = self._hosts.run(host, program, within_s=within_s)
        documents = kvm.parse_capture(nonce, run, vms)
        return {vm: self._read(host.name, vm, documents[vm], asked_at, beside[vm]) for vm in vms}

    def _read(
        self, host: HostName, vm: Uuid, document: bytes | NotFetched, at: float, beside: str
    ) -> Capture | NotFetched:
        if isinstance(document, NotFetched):
            return document
        try:
            domain = read_capture(self._inventory.vms[vm], document)
        except DomainError as error:
            return NotFetched(FetchFault.REFUSED, str(error))
        return Capture(vm, host, at, beside, domain.xml)

    def drifts(self, effect: Drifts) -> Mapping[Uuid, tuple[Drift, ...]]:
        """Each against the definition that the VM would be started from; of one without any nothing is said here."""
        found = {}
        for capture in effect.captures:
            start = self._definitions.readable(self._inventory.vms[capture.vm])
            if start is not None:
                found[capture.vm] = drift_between(outline_of(read_domain(capture.xml)), outline_of(start))
        return found

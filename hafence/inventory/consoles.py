"""Which consoles of a definition are open to whoever reaches the host.

A plain `virsh dumpxml` leaves out passwords (libvirt, VIR_DOMAIN_XML_SECURE). A VM that is started from one has its
console without the password that it had, and nobody notices.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

_KINDS = frozenset({"vnc", "spice"})


@dataclass(slots=True)
class Console:
    """A `<graphics>` that is being read."""

    attributes: Mapping[str, str]
    listens: list[str]
    """Where its own `<listen>` say, which count more than its attribute."""

    def listen(self, attributes: Mapping[str, str]) -> None:
        """A `<listen>` in it: an address, or a libvirt network, whose address nobody knows here."""
        kind = attributes.get("type", "")
        if kind == "network":
            self.listens.append(f"network {attributes.get('network', '')}")
        elif kind == "address":
            self.listens.append(attributes.get("address", ""))

    @property
    def open(self) -> str | None:
        """Kind and address, if it listens beyond loopback and wants no password; else None. Without an address it is
        the host's own setting that counts, which is loopback unless somebody has changed it."""
        kind = self.attributes.get("type", "")
        if kind not in _KINDS or self.attributes.get("passwd"):
            return None
        wide = [address for address in self.listens or [self.attributes.get("listen", "")] if not _is_local(address)]
        return f"{kind} console on {wide[0]}" if wide else None


def _is_local(address: str) -> bool:
    if address in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False

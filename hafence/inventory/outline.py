"""What of a definition an audit compares (core/drift.py)."""

from __future__ import annotations

from collections.abc import Mapping
from xml.parsers import expat

from ..core.drift import Outline
from .domain_xml import Domain

_TYPE = ("domain", "os", "type")
_INTERFACE = ("domain", "devices", "interface")
_PLUGS = ("network", "bridge", "dev", "portgroup")


def outline_of(domain: Domain) -> Outline:
    """The outline of a definition that was read."""
    networks: list[str] = []
    machine: list[str] = []
    path: list[str] = []

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        path.append(tag)
        if tuple(path) == _TYPE:
            machine.append(attributes.get("machine", ""))
        elif tuple(path) == _INTERFACE:
            networks.append(attributes.get("type", ""))
        elif tuple(path) == (*_INTERFACE, "source"):
            plug = next((attributes[name] for name in _PLUGS if name in attributes), "")
            networks[-1] = f"{networks[-1]} {plug}".rstrip()

    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: path.pop()
    parser.Parse(domain.xml.encode("utf-8"), True)
    disks = {disk.target: disk.source for disk in domain.disks if disk.device not in ("cdrom", "floppy")}
    return Outline(disks, tuple(networks), domain.memory_mib, "".join(machine))

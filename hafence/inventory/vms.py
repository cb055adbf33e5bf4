"""The `vms` of an inventory.

There may be tens of thousands, and nearly always all are valid. So they are first read a key at a time, which
takes half as long; when anything at all is not as it should be, they are read one by one, which finds the
places and the words. Both ways read a value with the same functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import lru_cache, partial
from itertools import repeat
from typing import Any

from ..core.model import Uuid, Vm, parse_uuid
from ..core.parsing import parse_bool, parse_whole, shown
from .entry import Entry, name_text, place_of, plain_text, wrong_kind
from .hosts import MAX_MEMORY_MIB, uuid_text, uuid_texts
from .ready import check_ready, read_ready
from .tree import Map, Node, Seq

VM_KEYS = ("uuid", "host", "domain_xml", "ha", "priority", "memory_mib", "anti_affinity", "disks", "ready")
MAX_PRIORITY = 1_000_000

_RBD = re.compile(r"rbd:[A-Za-z0-9._][A-Za-z0-9._-]*(?:/[A-Za-z0-9._][A-Za-z0-9._-]*){1,2}\Z")

Named = list[tuple[str, Map]]
"""The named mappings of a section."""

_ABSENT: Any = Map(0)
"""Stands for a key that a VM does not have."""

_DEFAULTS = {field.name: field.default for field in fields(Vm)}
_NEEDED = frozenset({"uuid", "host"})


def check_vms(sections: list[tuple[Entry, Named]], hosts: frozenset[str] | None) -> dict[Uuid, Vm]:
    """The VMs of an inventory; faults are noted. `hosts` is what they may refer to, None when not all are known."""
    check = VmCheck(hosts)
    if all(check.add_all(section, named) for section, named in sections):
        return check.vms
    check = VmCheck(hosts)
    for section, named in sections:
        check.begin(section)
        for name, node in named:
            check.add(name, node)
    check.check_names()
    return check.vms


class VmCheck:
    """The VMs that were read so far."""

    def __init__(self, hosts: frozenset[str] | None) -> None:
        self.vms: dict[Uuid, Vm] = {}
        self._hosts = hosts
        self._places: dict[Uuid, tuple[Entry, str]] = {}
        """Section and name of each UUID's VM."""
        self._section: Entry
        self._texts: dict[str, Callable[[str], Any]] = {
            "uuid": uuid_text,
            "host": lru_cache(None)(self._host),
            "domain_xml": self._file,
            "ha": lru_cache(parse_bool),
            "priority": lru_cache(partial(parse_whole, low=-MAX_PRIORITY, high=MAX_PRIORITY)),
            "memory_mib": lru_cache(partial(parse_whole, low=1, high=MAX_MEMORY_MIB)),
            "anti_affinity": lru_cache(None)(lambda text: (name_text(text),)),
        }
        self._lists: dict[str, Callable[[Any], str]] = {"anti_affinity": name_text, "disks": _disk}

    def begin(self, section: Entry) -> None:
        """The VMs that are added next are those of this section."""
        self._section = section

    def add_all(self, section: Entry, named: Named) -> bool:
        """Keep the VMs of a section if all are valid; else say False, and nothing that was added counts."""
        if not named:
            return True
        self.begin(section)
        rows = [node.values for _, node in named]
        present = set[str]().union(*rows)
        if not present.issuperset(_NEEDED) or not present.issubset(VM_KEYS):
            return False
        columns: dict[str, Iterable[Any]] = {"name": [name for name, _ in named]}
        try:
            for key in VM_KEYS:
                if key in present:
                    columns[key] = self._column(key, [row.get(key, _ABSENT) for row in rows])
                else:
                    columns[key] = repeat(_DEFAULTS[key], len(named))
        except ValueError:
            return False
        before = len(self.vms)
        self.vms.update((vm.uuid, vm) for vm in map(Vm, *(columns[name] for name in _DEFAULTS)))
        return len(self.vms) - before == len(named) and not any(map(_misnamed, self.vms.values()))

    def _column(self, key: str, column: list[Any]) -> list[Any]:
        """What the values of one key become. Raises ValueError when one takes a closer look."""
        if set(map(type, column)) != {str} or key not in self._texts:
            return [self._value(key, value) for value in column]
        return uuid_texts(column) if key == "uuid" else list(map(self._texts[key], column))

    def _value(self, key: str, value: Node) -> Any:
        if value is _ABSENT and key not in _NEEDED:
            return _DEFAULTS[key]
        if isinstance(value, str) and key in self._texts:
            return self._texts[key](value)
        if isinstance(value, Seq) and key in self._lists and set(map(type, value.items)) <= {str}:
            return tuple(map(self._lists[key], value.items))
        if isinstance(value, Map) and key == "ready":
            return read_ready(value)
        raise ValueError(key)

    def add(self, name: str, node: Map) -> None:
        """Check a VM and keep it."""
        found: dict[str, Any] = {"name": name}
        for key, value in node.values.items():
            read = self._texts.get(key)
            if read is not None and value.__class__ is str:
                try:
                    found[key] = read(value)
                except ValueError as error:
                    self._section.inside(name, node).fault(key, str(error))
            else:
                self._add_other(found, key, value, self._section.inside(name, node))
        uuid = found.get("uuid")
        if uuid is not None:
            place = (self._section, name)
            if self._places.setdefault(uuid, place) is not place:
                self._refuse_twin(uuid, self._section.inside(name, node))
            elif "host" in found:
                self.vms[uuid] = Vm(**found)
                return
        entry = self._section.inside(name, node)
        entry.need("uuid", "6d6f6a5a-0000-4000-8000-000000000001")
        entry.need("host", "kvm-01")

    def _add_other(self, found: dict[str, Any], key: str, value: Node, entry: Entry) -> None:
        """A value that is no text, or under a key that is not known."""
        if key in self._lists:
            wanted = "a text or a list of texts" if key in self._texts else "a list of texts"
            found[key] = entry.texts(key, self._lists[key], wanted)
        elif key == "ready":
            ready = entry.child(key)
            if ready is not None:
                found[key] = check_ready(ready)
        elif key in self._texts:
            entry.fault(key, wrong_kind(value, "a text"))
        else:
            entry.unknown(key, VM_KEYS)

    def _refuse_twin(self, uuid: Uuid, entry: Entry) -> None:
        section, name = self._places[uuid]
        node = section.node.values[name]
        assert isinstance(node, Map), "only mappings are added"
        other = place_of(section.inside(name, node), entry, "uuid")
        entry.fault("uuid", f"{uuid} is also the uuid of {other}: each VM has its own")

    def check_names(self) -> None:
        """A name that reads like the UUID of another VM would make commands act on the wrong one."""
        for vm in self.vms.values():
            if _misnamed(vm):
                says = "is named like a UUID that is not its own: give it another name, or that uuid"
                self._places[vm.uuid][0].fault(vm.name, says)

    def _file(self, text: str) -> str:
        return self._section.local_path(text)

    def _host(self, text: str) -> str:
        if self._hosts is not None and text not in self._hosts:
            hint = self._section.faults.guess(text, self._hosts) or ": write it under hosts:"
            raise ValueError(f"no host {shown(text)} in the inventory{hint}")
        return text


def _misnamed(vm: Vm) -> bool:
    """Whether a VM's name is a UUID, and not its own."""
    if len(vm.name) < 32:
        return False
    try:
        return parse_uuid(vm.name) != vm.uuid
    except ValueError:
        return False


def _disk(text: str) -> str:
    if text.startswith("rbd:"):
        if not _RBD.match(text):
            raise ValueError(f"{shown(text)} is no RBD image: write rbd:POOL/IMAGE or rbd:POOL/NAMESPACE/IMAGE")
        return text
    if not text.startswith("/"):
        raise ValueError(f"{shown(text)} is no volume: write rbd:POOL/IMAGE, or the absolute path of a file or device")
    return plain_text(text)

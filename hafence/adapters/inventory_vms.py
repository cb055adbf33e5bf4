"""The `vms` of an inventory. There may be tens of thousands: the valid one takes the short way."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import islice
from typing import Any

from ..core.inventory import Faults, shown
from ..core.model import Uuid, Vm, parse_uuid
from ..core.parsing import parse_bool, parse_whole
from .inventory_entry import Entry, name_text, place_of, plain_text, wrong_kind
from .inventory_hosts import MAX_MEMORY_MIB, uuid_text

VM_KEYS = ("uuid", "host", "domain_xml", "ha", "priority", "memory_mib", "anti_affinity", "disks")
MAX_PRIORITY = 1_000_000

_RBD = re.compile(r"rbd:[A-Za-z0-9._][A-Za-z0-9._-]*(?:/[A-Za-z0-9._][A-Za-z0-9._-]*){1,2}\Z")
_MAX_LISTED = 200_000


class VmCheck:
    """The VMs of an inventory, one after the other."""

    def __init__(self, hosts: frozenset[str] | None) -> None:
        self.vms: dict[Uuid, Vm] = {}
        self._hosts = hosts
        """The names that a VM may refer to; None when they are not all known."""
        self._entries: dict[Uuid, Entry] = {}
        self._domains = DomainFiles()
        self._faults: Faults | None = None
        self._texts: dict[str, Callable[[str], Any]] = {
            "uuid": uuid_text,
            "host": self._host,
            "domain_xml": self._domains.find,
            "ha": lru_cache(parse_bool),
            "priority": lru_cache(partial(parse_whole, low=-MAX_PRIORITY, high=MAX_PRIORITY)),
            "anti_affinity": lambda text: (name_text(text),),
            "memory_mib": lru_cache(partial(parse_whole, low=1, high=MAX_MEMORY_MIB)),
        }

    def add(self, name: str, entry: Entry) -> None:
        """Check a VM and keep it."""
        self._domains.entry = entry
        self._faults = entry.faults
        readers = self._texts
        fields: dict[str, Any] = {"name": name}
        for key, value in entry.node.values.items():
            read = readers.get(key)
            if read is not None and value.__class__ is str:
                try:
                    fields[key] = read(value)
                except ValueError as error:
                    entry.fault(key, str(error))
            elif key == "anti_affinity":
                fields[key] = entry.texts(key, name_text, "a text or a list of texts")
            elif key == "disks":
                fields[key] = entry.texts(key, _disk)
            elif read is not None:
                entry.fault(key, wrong_kind(value, "a text"))
            else:
                entry.unknown(key, VM_KEYS)
        if "uuid" in fields:
            uuid = fields["uuid"]
            other = self._entries.setdefault(uuid, entry)
            if other is not entry:
                entry.fault("uuid", f"{uuid} is also the uuid of {place_of(other, entry, 'uuid')}: each VM has its own")
            if "host" in fields:
                self.vms[uuid] = Vm(**fields)
                return
        entry.need("uuid", "6d6f6a5a-0000-4000-8000-000000000001")
        entry.need("host", "kvm-01")

    def check_names(self) -> None:
        """A name that reads like the UUID of another VM would make commands act on the wrong one."""
        for vm in self.vms.values():
            if len(vm.name) >= 32 and uuid_of(vm.name) not in (None, vm.uuid):
                says = "is named like a UUID that is not its own: give it another name, or that uuid"
                self._entries[vm.uuid].fault(None, says)

    def _host(self, text: str) -> str:
        if self._hosts is not None and text not in self._hosts:
            assert self._faults is not None, "set before any host is read"
            hint = self._faults.guess(text, self._hosts) or ": write it under hosts:"
            raise ValueError(f"no host {shown(text)} in the inventory{hint}")
        return text


class DomainFiles:
    """Whether domain XML files exist. A folder is listed once: asking for 20,000 files one by one takes longer."""

    def __init__(self) -> None:
        self.entry: Entry | None = None
        """The VM whose file is looked for: relative to the folder of its inventory file."""
        self._base = ""
        self._listed: set[str] = set()
        """Folders as they are written in the inventory."""
        self._found: dict[str, str] = {}
        """Absolute paths by what may be written for them."""

    def find(self, text: str) -> str:
        """The absolute path of a file. Raises ValueError when it does not exist."""
        assert self.entry is not None, "set before any file is looked for"
        if self.entry.base != self._base:
            self._base = self.entry.base
            self._listed.clear()
            self._found.clear()
        if text in self._found:
            return self._found[text]
        folder = text[: text.rfind("/") + 1]
        if folder not in self._listed:
            self._listed.add(folder)
            self._list(folder, self.entry.local_path(folder or ".").rstrip("/"))
        return self._found.get(text) or _look_at(self.entry.local_path(text), text)

    def _list(self, written: str, folder: str) -> None:
        try:
            with os.scandir(folder or "/") as entries:
                names = [file.name for file in islice(entries, _MAX_LISTED) if file.is_file()]
        except OSError:
            return  # whoever asks for a file in there is told why it can't be looked at
        self._found.update((written + name, f"{folder}/{name}") for name in names if name.isprintable())


def _look_at(path: str, text: str) -> str:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise ValueError(
            f"{shown(text)} can't be used ({error.strerror}): give the path of the VM's domain XML"
        ) from None
    if not stat.S_ISREG(mode):
        raise ValueError(f"{shown(text)} is no regular file: give the path of the VM's domain XML")
    return path


def uuid_of(name: str) -> Uuid | None:
    """The UUID that a text is, or None."""
    try:
        return parse_uuid(name)
    except ValueError:
        return None


def _disk(text: str) -> str:
    if text.startswith("rbd:"):
        if not _RBD.match(text):
            raise ValueError(f"{shown(text)} is no RBD image: write rbd:POOL/IMAGE or rbd:POOL/NAMESPACE/IMAGE")
        return text
    if not text.startswith("/"):
        raise ValueError(f"{shown(text)} is no volume: write rbd:POOL/IMAGE, or the absolute path of a file or device")
    return plain_text(text)

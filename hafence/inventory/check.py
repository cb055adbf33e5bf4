"""The trees of an inventory's files checked and turned into one Inventory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..core.model import NAME_RULE, Inventory, SshSettings, is_name
from ..core.parsing import shown
from ..stores.url import parse_store
from .entry import Entry, wrong_kind
from .faults import Mistakes
from .hosts import HostCheck, check_cluster
from .settings import check_fencing, check_ssh
from .tree import Map
from .vms import check_vms

TOP_KEYS = ("ssh", "fencing", "store", "hooks", "notify", "clusters", "hosts", "vms")

_EXAMPLE = {
    "clusters": "{hypervisor: kvm}",
    "hosts": "{cluster: prod-a, address: 10.0.0.11}",
    "vms": "{uuid: …, host: kvm-01, domain_xml: domains/web-01.xml}",
}


def check_inventory(path: str, documents: list[tuple[str, Map]], faults: Mistakes, whole: bool) -> Inventory | None:
    """The inventory from the trees of its files, or None when `faults` holds any.

    `whole` is False when a file could not be read: what it may hold is then not missed.
    """
    inventory = _Check(path, documents, faults, whole).run()
    return None if faults else inventory


class _Check:
    """One check of one inventory."""

    def __init__(self, path: str, documents: list[tuple[str, Map]], faults: Mistakes, whole: bool) -> None:
        self._path = path
        self._faults = faults
        self._whole = whole
        self._tops = [Entry(faults, file, os.path.dirname(os.path.abspath(file)), "", tree) for file, tree in documents]

    def run(self) -> Inventory:
        """Every part in the order in which the next needs it."""
        for top in self._tops:
            top.only(TOP_KEYS)
        settings = check_fencing(self._sections("fencing"))
        ssh = SshSettings()
        for section in self._sections("ssh"):
            ssh = check_ssh(section, ssh)

        sections = self._sections("clusters")
        cluster_names = _names(sections) if self._whole else None
        clusters = {name: check_cluster(name, entry) for name, entry in _entries(sections)}

        sections = self._sections("hosts")
        hosts = HostCheck(ssh, cluster_names)
        for name, entry in _entries(sections):
            hosts.add(name, entry)
        hosts.check_storage()
        host_names = _names(sections) if self._whole else None
        if host_names is not None and not host_names:
            says = f"the inventory has no hosts: write hosts: with an entry like kvm-01: {_EXAMPLE['hosts']}"
            self._faults.add(self._path, None, "hosts", says)

        vms = check_vms([(section, list(_named(section))) for section in self._sections("vms")], host_names)

        single = {key: self._single(key) for key in _SINGLE}
        inventory = Inventory(self._path, clusters, hosts.hosts, vms, settings)
        return replace(inventory, **{key: value for key, value in single.items() if value is not None})

    def _sections(self, key: str) -> list[Entry]:
        """The mapping under a top-level key in each file; no key in it may stand in two files."""
        sections: list[Entry] = []
        first: dict[str, Entry] = {}
        for top in self._tops:
            if top.node.values.get(key) is None:  # an empty `vms:` means no VMs
                continue
            section = top.child(key)
            if section is None:
                continue
            sections.append(section)
            for name in section.node.values if len(self._tops) > 1 else ():
                _once(section, name, first)
        return sections

    def _single(self, key: str) -> Any:
        """The value of `store`, `hooks` or `notify`, which may stand in one file only."""
        first: dict[str, Entry] = {}
        value = None
        for top in self._tops:
            if key in top.node.values and _once(top, key, first):
                value = top.take(key, lambda text, top=top: _SINGLE[key](top, text))  # type: ignore[misc]
        return value


def _store(top: Entry, text: str) -> str:
    return parse_store(text, top.base)


def _hooks(top: Entry, text: str) -> str:
    """The hooks' folder. A missing one would let every start pass unasked, so it is a fault."""
    path = top.local_path(text)
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
    except OSError as error:
        raise ValueError(f"{shown(path)} can't be used ({error.strerror}): name a folder of executables") from None
    if not is_folder:
        raise ValueError(f"{shown(path)} is no folder: name a folder of executables")
    return path


def _notify(top: Entry, text: str) -> str:
    """The program that hears of runs. One that can't be run would be missed on the night it is for."""
    path = top.local_path(text)
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise ValueError(f"{shown(path)} can't be used ({error.strerror}): name an executable file") from None
    if not stat.S_ISREG(mode) or not os.access(path, os.X_OK):
        raise ValueError(f"{shown(path)} is no executable file: name one")
    return path


_SINGLE = {"store": _store, "hooks": _hooks, "notify": _notify}


def _once(entry: Entry, key: str, first: dict[str, Entry]) -> bool:
    """Whether no file before has the key; notes both places otherwise."""
    other = first.setdefault(key, entry)
    if other is entry:
        return True
    there = f"{other.file} line {other.node.line_of(key)}"
    entry.fault(key, f"stands in two files, here and in {there}: keep one of them")
    return False


def _names(sections: list[Entry]) -> frozenset[str]:
    """All names of a section, those of faulty entries among them: what refers to them is not at fault."""
    return frozenset(name for section in sections for name in section.node.values)


def _entries(sections: list[Entry]) -> Iterator[tuple[str, Entry]]:
    """The named mappings of `clusters` or `hosts`, ready to be checked."""
    for section in sections:
        for name, node in _named(section):
            yield name, section.inside(name, node)


def _named(section: Entry) -> Iterator[tuple[str, Map]]:
    """The named mappings of a section; faults of name and kind are noted."""
    for (name, value), line in zip(section.node.values.items(), section.node.lines, strict=True):
        if not is_name(name):
            section.fault(name, f"{shown(name)} can't be a name: write {NAME_RULE}", line)
        if isinstance(value, Map):
            yield name, value
        elif value is None and section.path == "clusters":
            yield name, Map(line)
        else:
            section.fault(name, wrong_kind(value, f"a mapping, like {name}: {_EXAMPLE[section.path]}"), line)

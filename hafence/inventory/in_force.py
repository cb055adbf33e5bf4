"""The settings that are in force, each with the line that it comes from, and with what would hold without that line.

Secrets are not in an inventory, but where they come from is, and a command's arguments or an agent's options may hold
one all the same: of a command only its program is shown, of a power device only its agent.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any
from urllib.parse import quote

from ..core.model import CephSettings, Cluster, Host, Inventory, PowerDevice, Settings, SshSettings, StartMode
from ..core.parsing import format_duration
from ..stores.url import parse_etcd
from .entry import Entry
from .faults import Mistakes
from .settings import CEPH_KEYS, FENCING, SSH_KEYS, TIMES, check_ssh
from .tree import Map

Value = str | int | float | bool | None
Documents = Iterable[tuple[str, Map]]
"""The trees of an inventory's files."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a setting is written."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as an inventory would write its value."""

    name: str
    """Like `fencing.ssh_timeout`."""
    value: Value
    default: Value
    """What would hold without the line, or None for nothing: of a host's `ssh` that is what stands for all hosts."""
    place: Place | None
    """None: nothing is written, and the default holds."""


def in_force(inventory: Inventory, documents: Documents) -> list[Setting]:
    """Every setting of a checked inventory, whose trees `documents` are."""
    trees = list(documents)
    found = [
        Setting("store", shown_store(inventory.store), _default_store(), _place(trees, "store")),
        Setting("hooks", inventory.hooks, None, _place(trees, "hooks")),
        Setting("notify", inventory.notify, None, _place(trees, "notify")),
    ]
    ssh = _ssh_of_all(trees)
    found += (_ssh("ssh", key, ssh, SshSettings(), _place(trees, "ssh", key)) for key in SSH_KEYS)
    found += (_fencing(key, inventory.settings, _place(trees, "fencing", key)) for key in FENCING)
    for cluster in sorted(inventory.clusters.values(), key=lambda cluster: cluster.name):
        found += _of_cluster(cluster, trees)
    for host in sorted(inventory.hosts.values(), key=lambda host: host.name):
        found += _of_host(host, ssh, trees)
    return found


def shown_store(url: str) -> str:
    """A store's URL without what may be secret in it: of `password_command` the program only."""
    if url.startswith("sqlite:"):
        return url
    try:
        place = parse_etcd(url, os.getcwd())
    except ValueError:
        return "(no store's URL, and so not shown)"
    words = ("ca", "cert", "key", "user", "password_file")
    given = [f"{word}={quote(value)}" for word in words if (value := getattr(place, word))]
    if place.password_command:
        given.append(f"password_command={_program(place.password_command.split())}")
    return place.name + ("?" + "&".join(given) if given else "")


def _default_store() -> str:
    return next(str(field.default) for field in fields(Inventory) if field.name == "store")


def _place(trees: list[tuple[str, Map]], *keys: str) -> Place | None:
    """Where the value of a key below others is written; no key stands in two files."""
    for file, tree in trees:
        node: Any = tree
        for key in keys[:-1]:
            node = node.values.get(key) if isinstance(node, Map) else None
        if isinstance(node, Map) and keys[-1] in node.values:
            return Place(file, node.line_of(keys[-1]))
    return None


def _ssh_of_all(trees: list[tuple[str, Map]]) -> SshSettings:
    ssh = SshSettings()
    for file, tree in trees:
        node = tree.values.get("ssh")
        if isinstance(node, Map):
            ssh = check_ssh(Entry(Mistakes(), file, os.path.dirname(os.path.abspath(file)), "ssh", node), ssh)
    return ssh


def _ssh(section: str, key: str, ssh: SshSettings, without: SshSettings, place: Place | None) -> Setting:
    if key == "sudo":
        return Setting(f"{section}.sudo", _sudo(ssh), _sudo(without), place)
    return Setting(f"{section}.{key}", getattr(ssh, key), getattr(without, key), place)


def _sudo(ssh: SshSettings) -> Value:
    return ssh.sudo if ssh.sudo is not None else "unless the user is root"


def _fencing(key: str, settings: Settings, place: Place | None) -> Setting:
    field = FENCING[key][0]
    value, default = (_written(key, getattr(each, field)) for each in (settings, Settings()))
    return Setting(f"fencing.{key}", value, default, place)


def _written(key: str, value: Any) -> Value:
    """A value as an inventory writes it."""
    if key in TIMES or key == "expire":
        return format_duration(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or None
    assert value is None or isinstance(value, str | int | float), "what a setting may be"
    return value


def _of_cluster(cluster: Cluster, trees: list[tuple[str, Map]]) -> Iterator[Setting]:
    name = f"clusters.{cluster.name}"
    where = ("clusters", cluster.name)
    yield Setting(f"{name}.hypervisor", cluster.hypervisor, "kvm", _place(trees, *where, "hypervisor"))
    start = _program(cluster.start_command) if cluster.start is StartMode.COMMAND else cluster.start.value
    yield Setting(f"{name}.start", start, StartMode.PERSISTENT.value, _place(trees, *where, "start"))
    for key in CEPH_KEYS if cluster.ceph is not None else ():
        field = "expire_s" if key == "expire" else key
        value, default = (_written(key, getattr(each, field)) for each in (cluster.ceph, CephSettings()))
        yield Setting(f"{name}.ceph.{key}", value, default, _place(trees, *where, "ceph", key))


def _of_host(host: Host, ssh: SshSettings, trees: list[tuple[str, Map]]) -> Iterator[Setting]:
    """What is written under a host itself; all else it has in common with the others."""
    name = f"hosts.{host.name}"
    for key in SSH_KEYS:
        if place := _place(trees, "hosts", host.name, "ssh", key):
            yield _ssh(f"{name}.ssh", key, host.ssh, ssh, place)
    if host.power:
        yield Setting(f"{name}.power", _levels(host.power), None, _place(trees, "hosts", host.name, "power"))


def _levels(levels: tuple[tuple[PowerDevice, ...], ...]) -> str:
    return ", else ".join(" and ".join(device.agent for device in level) for level in levels)


def _program(command: Iterable[str]) -> str:
    """A command without its arguments."""
    first, *more = command
    return f"{first} …" if more else first

"""What the admin wants beside the command itself, and the things that every command begins with.

Imports of the adapters stand inside the functions: `--help` and completion must not pay for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..core.model import Host, HostName, Inventory, Vm
    from ..stores.port import Store


@dataclass(slots=True)
class Options:
    """Options that may stand before and after the command's name; the later one holds."""

    inventory: str | None = None
    store: str | None = None
    verbose: int = 0
    quiet: bool = False
    json: bool = False
    lines: bool = False
    """With JSON: on one line, the last of several."""
    command: str = ""
    """The command's name as far as it is known, for whoever reports an error."""
    from_environment: set[str] = field(default_factory=set)
    """Which of these were not typed, but stood in the environment."""


def read_inventory(options: Options) -> Inventory:
    """The checked inventory that was asked for. Raises InventoryError."""
    from ..inventory.files import find_inventory
    from ..inventory.yaml_tree import read_inventory as read

    return read(find_inventory(options.inventory))


def store_url(options: Options, inventory: Inventory) -> str:
    """The store's URL: the admin's word, else the inventory's."""
    return options.store or inventory.store


def open_to_read(options: Options, inventory: Inventory) -> Store:
    """The store, changed by nothing that is done with it. Raises StoreError."""
    from ..stores import open_store

    return open_store(store_url(options, inventory), read_only=True)


def open_to_show(options: Options, inventory: Inventory) -> Store:
    """The same, to show what is in it: a store that an admin names and that is not there is no empty one."""
    from ..effects import StoreError
    from ..stores import is_there

    if options.store and not is_there(options.store):
        raise StoreError(
            f"there is no store at {options.store}: is --store (or HAFENCE_STORE) spelt right? The first run makes it"
        )
    return open_to_read(options, inventory)


def find_vm(inventory: Inventory, text: str) -> Vm:
    """The VM that was typed, or a usage error with the reason."""
    try:
        return inventory.find_vm(text)
    except LookupError as error:
        from ..inventory.faults import nearest

        words = str(error.args[0])
        host = nearest(text, inventory.hosts)
        if host.lower() == text.lower():
            words += f" ({host} is a host: 'hafence status' shows what runs there)"
        elif near := nearest(text, [vm.name for vm in inventory.vms.values()]):
            words += f": did you mean {near}?"
        raise click.UsageError(words) from None


def find_host(inventory: Inventory, text: str) -> Host:
    """The host that was typed, or a usage error with the reason."""
    try:
        return inventory.find_host(text)
    except LookupError as error:
        from ..inventory.faults import nearest

        near = nearest(text, inventory.hosts)
        vm = inventory.named(text)
        is_vm = f" ({inventory.vms[vm].name} is a VM)" if vm is not None else ""
        raise click.UsageError(f"{error.args[0]}{f': did you mean {near}?' if near else is_vm}") from None


def find_cluster(inventory: Inventory, text: str) -> str:
    """The cluster that was typed, or a usage error with the reason."""
    if text in inventory.clusters:
        return text
    from ..inventory.faults import nearest

    near = nearest(text, inventory.clusters)
    raise click.UsageError(f"no cluster {text!r} in {inventory.path}{f': did you mean {near}?' if near else ''}")


def check_siblings(
    options: Options, inventory: Inventory, named: tuple[str, ...], vms: tuple[Vm, ...], host: HostName | None
) -> tuple[HostName, ...]:
    """The hosts named with --sibling, each a possible sibling of a suspect; else a usage error.

    A typing error must not send the fence through the wrong host, so this is settled before any SSH.
    """
    hosts = tuple(find_host(inventory, name) for name in named)
    if not hosts:
        return ()
    suspects = _suspects(options, inventory, vms, host)
    for sibling in hosts:
        against = [reason for suspect in suspects if (reason := _no_sibling_of(sibling, suspect))]
        if against and len(against) == len(suspects):
            raise click.UsageError(f"--sibling {sibling.name}: {against[0]}")
    return tuple(dict.fromkeys(sibling.name for sibling in hosts))


def _suspects(options: Options, inventory: Inventory, vms: tuple[Vm, ...], host: HostName | None) -> tuple[Host, ...]:
    if host is not None:
        return (inventory.hosts[host],)
    import time

    store = open_to_read(options, inventory)
    try:
        records = store.recall(time.time()).records
    finally:
        store.close()
    names = dict.fromkeys(records[vm.uuid].suspect if vm.uuid in records else vm.host for vm in vms)
    return tuple(inventory.hosts[name] for name in names if name in inventory.hosts)


def _no_sibling_of(sibling: Host, suspect: Host) -> str:
    if sibling.name == suspect.name:
        return "this is the suspect itself; a sibling is another host of its cluster"
    if sibling.cluster != suspect.cluster:
        return f"it is in cluster {sibling.cluster}; the suspect {suspect.name} is in {suspect.cluster}"
    return ""

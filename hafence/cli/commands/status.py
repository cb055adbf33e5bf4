"""`hafence status`: what is recorded of VMs, hosts, leases and the last run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..context import Options, open_to_show, read_inventory
from ..options import common_options, json_option, pass_options
from ..show.output import out, out_folded, print_document
from ..show.tables import table
from ..show.times import ago, seconds, timestamp

if TYPE_CHECKING:
    from ...core.model import Inventory
    from ...stores.port import Store


@click.command("status", short_help="Show what is recorded of VMs and hosts.")
@json_option
@common_options
@pass_options
def status(options: Options) -> int:
    """Show where each VM is recorded, which hosts are in quarantine, who holds a lease, and the last run.

    Reads the store and the inventory only; it asks no host. For what really runs, see 'hafence audit'.
    """
    inventory = read_inventory(options)
    store = open_to_show(options, inventory)
    try:
        document = _document(inventory, store, time.time())
    finally:
        store.close()

    if options.json:
        print_document(document)
    else:
        _print(document, time.time(), options.verbose > 0)
    return 0


def _document(inventory: Inventory, store: Store, now: float) -> dict[str, Any]:
    from ...core.record import unseen
    from ..show.history import summary_object

    memory = store.recall(now)
    vms = []
    for vm in sorted(inventory.vms.values(), key=lambda vm: vm.name):
        record = memory.records.get(vm.uuid)
        shown = record or unseen(vm.uuid, vm.host)
        vms.append(
            {
                "uuid": vm.uuid,
                "name": vm.name,
                "ha": vm.ha,
                "state": shown.state.value,
                "host": shown.host,
                "last_host": shown.last_host,
                "recorded": record is not None,
                "run": shown.run,
                "started_at": timestamp(shown.started_at) if shown.started_at is not None else None,
                "says": shown.words,
            }
        )
    latest = store.runs(limit=1)
    return {
        "store": store.name,
        "vms": vms,
        "hosts": _hosts(inventory, store, now),
        "leases": _leases(inventory, store, now),
        "last_run": summary_object(latest[0], inventory) if latest else None,
    }


def _hosts(inventory: Inventory, store: Store, now: float) -> list[dict[str, Any]]:
    quarantined = {row.host: row for row in store.quarantined()}
    statements = store.recall(now).statements
    hosts = []
    for host in sorted(inventory.hosts.values(), key=lambda host: (host.cluster, host.name)):
        row = quarantined.get(host.name)
        stated = statements.get(host.name)
        hosts.append(
            {
                "name": host.name,
                "cluster": host.cluster,
                "address": host.address,
                "state": host.state.value,
                "quarantine": {"why": row.why, "since": timestamp(row.since), "run": row.run} if row else None,
                "statement": {
                    "who": stated.who,
                    "reason": stated.reason,
                    "at": timestamp(stated.at),
                    "expires_at": timestamp(stated.expires_at),
                }
                if stated
                else None,
            }
        )
    return hosts


def _leases(inventory: Inventory, store: Store, now: float) -> list[dict[str, Any]]:
    return [
        {
            "vm": {"uuid": row.vm, "name": inventory.vms[row.vm].name if row.vm in inventory.vms else None},
            "holder": row.holder.words,
            "run": row.holder.run,
            "expires_at": timestamp(row.expires_at),
        }
        for row in store.leases()
        if row.expires_at > now
    ]


def _print(document: dict[str, Any], now: float, verbose: bool) -> None:
    if verbose:
        _out_table(("VM", "UUID", "RECORD"), [(vm["name"], vm["uuid"], _record(vm)) for vm in document["vms"]])
    else:
        _out_table(("VM", "RECORD"), [(vm["name"], _record(vm)) for vm in document["vms"]])
    out()
    rows = [(host["name"], host["cluster"], _host_words(host, now)) for host in document["hosts"]]
    _out_table(("HOST", "CLUSTER", "STATE"), rows)
    out()
    for lease in document["leases"]:
        name = lease["vm"]["name"] or lease["vm"]["uuid"]
        out_folded(f"lease on {name}: {lease['holder']}, run {lease['run']}, until {lease['expires_at']}")
    last = document["last_run"]
    if last is None:
        out_folded(f"no run yet in {document['store']}")
    else:
        end = "not ended" if last["exit"] is None else f"exit {last['exit']}"
        out_folded(f"last run: {last['run']} {last['command']} {last['subject']} ({end}), in {document['store']}")


def _out_table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    for line in table(heads, rows).splitlines():
        out_folded(line)


def _record(vm: dict[str, Any]) -> str:
    words = str(vm["says"])
    if not vm["recorded"]:
        words += " (the inventory's word: no run has touched it)"
    return words if vm["ha"] else f"{words}, no HA"


def _host_words(host: dict[str, Any], now: float) -> str:
    words = [str(host["state"])]
    if host["quarantine"]:
        words.append(
            f"in quarantine for {ago(now - seconds(host['quarantine']['since']))}: {host['quarantine']['why']}"
        )
    if host["statement"]:
        stated = host["statement"]
        left = ago(seconds(stated["expires_at"]) - now)
        words.append(f"{stated['who']} stated that it is off ({stated['reason']}), which holds for {left} more")
    return "; ".join(words)

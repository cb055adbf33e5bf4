"""`hafence status`: what is recorded of VMs, hosts, leases and the last run, and with --live what is seen."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from ..context import Options, find_host, find_vm, open_to_show, read_inventory, store_url
from ..options import MOST_WAIT_S, Duration, common_options, complete_host, complete_vm, json_option, pass_options
from ..show.output import out, print_document
from ..show.status import print_names, print_status
from ..show.times import timestamp

if TYPE_CHECKING:
    from ...core.model import Host, HostName, Inventory, Uuid
    from ...core.stored import PlannedWork
    from ...core.survey import Survey
    from ...stores.port import Store


RUNS_READ = 500
"""So far back a run that needs a person is looked for."""


@click.command("status", short_help="Show what is recorded of VMs and hosts.")
@click.argument("vms", metavar="[VM]...", nargs=-1, shell_complete=complete_vm)
@click.option("--host", metavar="HOST", shell_complete=complete_host, help="Only this host, and the VMs on it.")
@click.option("--live", is_flag=True, help="Look into every host, too: what runs, what is down, twice, not settled.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["table", "wide", "json", "name"]),
    default="table",
    help="How to print it; wide has UUIDs and addresses, name the VMs' names only.",
)
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C; on a terminal.")
@click.option(
    "--interval",
    type=Duration(MOST_WAIT_S),
    default="5s",
    show_default=True,
    metavar="TIME",
    help="So long between two looks of --watch.",
)
@json_option
@common_options
@pass_options
def status(
    options: Options, vms: tuple[str, ...], host: str | None, live: bool, form: str, watch: bool, interval: float
) -> int:
    """Show where each VM is recorded, which hosts are in quarantine, who holds a lease, and the last run; of VMs that
    are named, those only, and the last run of one alone.

    Reads the store and the inventory, and asks no host but with --live, which looks into all of them and changes
    nothing: what needs a person then comes first, each with what to type. A run that needs a person is shown until a
    later one has settled what it left. --watch repeats --live.
    """
    options.json = options.json or form == "json"
    if watch and (options.json or not sys.stdout.isatty()):
        raise click.UsageError("--watch is for a terminal: use --live, and repeat it yourself")
    inventory = read_inventory(options)
    wanted = (frozenset(find_vm(inventory, vm).uuid for vm in vms), find_host(inventory, host) if host else None)
    if not watch:
        _show(options, _seen(options, inventory, live, *wanted), form)
        return 0
    from ...effects import Interrupted

    try:
        while True:
            document = _seen(options, inventory, True, *wanted)
            out("\x1b[H\x1b[2J" + f"every {interval:g} s, Ctrl-C ends it; looked {document['looked_at']}")
            _show(options, document, form)
            sys.stdout.flush()
            time.sleep(interval)
    except (KeyboardInterrupt, Interrupted):
        return 0  # that is how it ends


def _seen(
    options: Options, inventory: Inventory, live: bool, named: frozenset[Uuid], chosen: Host | None
) -> dict[str, Any]:
    scene = _look(options, inventory) if live else None
    store = open_to_show(options, inventory)
    try:
        document = _only(_document(inventory, store, time.time(), scene), named, chosen)
        if len(named) == 1:
            document["last_run"] = _last_run(inventory, store, *named)
    finally:
        store.close()
    return document


def _show(options: Options, document: dict[str, Any], form: str) -> None:
    if options.json:
        print_document(document)
    elif form == "name":
        print_names(document)
    else:
        print_status(document, time.time(), form == "wide" or options.verbose > 0)


def _look(options: Options, inventory: Inventory) -> Survey:
    from ...runner import open_session
    from ...workflows.live import look_live
    from ...workflows.vm_run import Request
    from ..show.voices import QuietVoice

    open_to_show(options, inventory).close()  # a store that is not there is told before anybody is asked
    url = store_url(options, inventory)
    with open_session(inventory, url, "status", (), {}, QuietVoice(), dry_run=True) as session:
        return session.play(look_live(Request(session.run_id, inventory, dry_run=True)))


def _only(document: dict[str, Any], named: frozenset[Uuid], host: Host | None) -> dict[str, Any]:
    """What concerns the VMs and the host that were named; all where none was."""

    def places(vm: dict[str, Any]) -> set[str]:
        return {vm["host"] or vm["last_host"], *(vm["live"]["on"] if vm["live"] else ())}

    vms = [vm for vm in document["vms"] if not named or vm["uuid"] in named]
    vms = [vm for vm in vms if host is None or host.name in places(vm)]
    hosts = document["hosts"]
    if host is not None:
        hosts = [each for each in hosts if each["name"] == host.name]
    elif named:
        concerned = {place for vm in vms for place in places(vm)}
        hosts = [each for each in hosts if each["name"] in concerned]
    shown = {vm["uuid"] for vm in vms}
    everything = not named and host is None
    leases = [lease for lease in document["leases"] if everything or lease["vm"]["uuid"] in shown]
    pinned = [run for run in document["needs_person"] if everything or run["vm"]["uuid"] in shown]
    return document | {"vms": vms, "hosts": hosts, "leases": leases, "needs_person": pinned}


def _last_run(inventory: Inventory, store: Store, vm: Uuid | None = None) -> dict[str, Any] | None:
    from ..show.history import summary_object

    latest = store.runs(vm, limit=1)
    return summary_object(latest[0], inventory) if latest else None


def _live_vms(inventory: Inventory, scene: Survey | None) -> dict[Uuid, dict[str, Any]]:
    if scene is None:
        return {}
    from ...core.live import live_vm

    seen = [live_vm(scene, vm) for vm in inventory.vms.values()]
    return {
        each.vm.uuid: {"seen": each.seen.value, "on": list(each.on), "says": each.says, "do": each.do} for each in seen
    }


def _live_host(host: HostName, scene: Survey | None) -> dict[str, str] | None:
    if scene is None:
        return None
    from ...core.live import host_seen

    seen, says = host_seen(scene.looks.get(host))
    return {"seen": seen, "says": says}


def _document(inventory: Inventory, store: Store, now: float, scene: Survey | None) -> dict[str, Any]:
    from ...core.record import unseen

    memory = store.recall(now)
    live = _live_vms(inventory, scene)
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
                "live": live.get(vm.uuid),
            }
        )
    return {
        "store": store.name,
        "disarmed": [
            {"cluster": name, **_work(work)}
            for name, work in sorted(memory.planned.disarmed.items())
            if name in inventory.clusters
        ],
        "looked_at": timestamp(scene.at) if scene is not None else None,
        "vms": vms,
        "hosts": _hosts(inventory, store, now, scene),
        "leases": _leases(inventory, store, now),
        "last_run": _last_run(inventory, store),
        "needs_person": _needs_person(inventory, store),
    }


def _needs_person(inventory: Inventory, store: Store) -> list[dict[str, Any]]:
    """The runs that need a person, and that no later one has settled, each with what to type."""
    from ...core.pending import unsettled
    from ..show.history import ends_of

    ends = (end for summary in store.runs(limit=RUNS_READ) for end in ends_of(summary))
    return [
        {
            "run": each.run,
            "at": timestamp(each.at),
            "who": each.who,
            "vm": {"uuid": each.vm, "name": inventory.vms[each.vm].name},
            "reason": each.reason,
            "says": each.says,
            "do": f"hafence start-vm {inventory.vms[each.vm].name}"
            if each.reason == "start_unknown"
            else f"hafence status --live {inventory.vms[each.vm].name}",
        }
        for each in unsettled(ends)
        if each.vm in inventory.vms
    ]


def _hosts(inventory: Inventory, store: Store, now: float, scene: Survey | None) -> list[dict[str, Any]]:
    quarantined = {row.host: row for row in store.quarantined()}
    memory = store.recall(now)
    statements, maintenance = memory.statements, memory.planned.maintenance
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
                "maintenance": _work(maintenance[host.name]) if host.name in maintenance else None,
                "live": _live_host(host.name, scene),
            }
        )
    return hosts


def _work(work: PlannedWork) -> dict[str, str]:
    return {
        "who": work.who,
        "reason": work.reason,
        "since": timestamp(work.since),
        "until": timestamp(work.until),
    }


def _leased(inventory: Inventory, key: Uuid) -> str | None:
    """What a lease is on: a VM, or a host's evacuation."""
    from ...core.incidents import name_of_claim

    return inventory.vms[key].name if key in inventory.vms else name_of_claim(key, inventory.hosts)


def _leases(inventory: Inventory, store: Store, now: float) -> list[dict[str, Any]]:
    return [
        {
            "vm": {"uuid": row.vm, "name": _leased(inventory, row.vm)},
            "holder": row.holder.words,
            "run": row.holder.run,
            "expires_at": timestamp(row.expires_at),
        }
        for row in store.leases()
        if row.expires_at > now
    ]

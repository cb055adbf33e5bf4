"""`hafence inventory check`: every error of the inventory at once."""

from __future__ import annotations

from dataclasses import replace

import click

from ..context import Options, read_inventory
from ..options import INVENTORY_PATH, common_options, json_option, pass_options
from ..show.output import out, print_document


@click.command("check", short_help="Say all that is wrong with the inventory.")
@click.argument("path", required=False, type=INVENTORY_PATH)
@json_option
@common_options
@pass_options
def check(options: Options, path: str | None) -> int:
    """Read the inventory and say what is wrong with it: each error with file, line, path and what would be right.

    Exit 0 when it is valid, 6 when it is not.
    """
    inventory = read_inventory(replace(options, inventory=path or options.inventory))

    from ...inventory.domains import check_domains, open_consoles, shared_disks

    domains = check_domains(inventory)

    from ...adapters.ssh.known_hosts import shared_keys
    from ..show.steps import count

    warnings = [
        f"{names[0]} shows the same SSH host key as {', '.join(names[1:])}: give each host a key of its own, or nobody"
        " notices when one takes over the address of another"
        for names in shared_keys(inventory.hosts.values())
    ]
    warnings += [disk.says for disk in shared_disks(inventory)]
    warnings += [
        f"{inventory.vms[vm].name}: its host keeps {', '.join(domain.bound)}: where another has not the same, a start"
        " there makes it anew, or fails"
        for vm, domain in domains.items()
        if domain.bound
    ]
    warnings += [console.says for console in open_consoles(inventory, domains)]

    counts = {"clusters": len(inventory.clusters), "hosts": len(inventory.hosts), "vms": len(inventory.vms)}
    if options.json:
        print_document(
            {"inventory": inventory.path, "valid": True, **counts, "store": inventory.store, "warnings": warnings}
        )
    elif not options.quiet:
        words = [count(counts["clusters"], "cluster"), count(counts["hosts"], "host"), count(counts["vms"], "VM")]
        out(f"OK: {inventory.path}: {', '.join(words)}")
        for warning in warnings:
            out(f"warning: {warning}")
    return 0

"""`hafence inventory scan-keys`: collect host keys, once, while the network can be trusted."""

from __future__ import annotations

import os

import click

from ..context import Options, find_host, read_inventory
from ..options import common_options, complete_host, pass_options
from ..show.output import out, say
from ..show.steps import count


@click.command("scan-keys", short_help="Print the hosts' SSH keys for known_hosts.")
@click.argument("hosts", metavar="[HOST]...", nargs=-1, shell_complete=complete_host)
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write them to this file instead of stdout.")
@click.option("--append", is_flag=True, help="Add to the file of --output instead of refusing where it exists.")
@common_options
@pass_options
def scan_keys(options: Options, hosts: tuple[str, ...], output: str | None, append: bool) -> int:
    """Print the hosts' SSH keys as lines of known_hosts; without HOST, those of all hosts.

    Nothing vouches for these keys but the network they come over. Compare them with what the hosts' own consoles
    say before you trust them (ssh-keygen -lf on the host prints the same SHA256): hafence believes known_hosts, and
    nothing else, about who a host is. Keys that known_hosts has already are left out.
    """
    inventory = read_inventory(options)
    chosen = [find_host(inventory, host) for host in hosts]
    chosen = chosen or sorted(inventory.hosts.values(), key=lambda host: host.name)
    if output and os.path.exists(output) and not append:
        raise click.UsageError(f"{output} exists: add to it with --append, or name another file")

    from ...adapters.ssh.known_hosts import fingerprint, known_keys
    from ...adapters.ssh.scan import scan_keys as scan
    from ...core.troubles import met_straight

    found = scan(chosen, inventory.settings.connect_timeout_s)
    vouched = {host.name: known_keys(host) for host in chosen}
    lines: list[str] = []
    silent = known = 0
    for name, keys in found.items():
        if not isinstance(keys, tuple):
            silent += 1
            say(f"{name}: {met_straight(keys)}")
            continue
        new = [line for line in keys if line.split()[2] not in vouched[name]]
        known += len(keys) - len(new)
        lines += new
        for line in new:
            say(f"{name}: {fingerprint(line)}")
    if lines:
        _write(lines, output)
    gave = len(found) - silent
    of = count(gave, "host") if not silent else f"{gave} of {count(len(found), 'host')}"
    if not options.quiet:
        also = f"; {known} more {'is' if known == 1 else 'are'} in known_hosts already" if known else ""
        compare = "; compare them before you trust them" if lines else ""
        say(f"{count(len(lines), 'new key' if known else 'key')} of {of}{also}{compare}")
    return 3 if silent else 0


def _write(lines: list[str], output: str | None) -> None:
    if output is None:
        for line in lines:
            out(line)
        return
    try:
        with open(output, "a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise click.UsageError(f"{output} can't be written: {error.strerror}") from None

"""`hafence doctor`: is this admin node ready?"""

from __future__ import annotations

import shlex
import sys
import time
from typing import TYPE_CHECKING

import click

from ..context import Options, read_inventory, store_url
from ..options import common_options, json_option, pass_options
from ..show.output import out_folded, print_document
from ..show.terminal import marks_on

if TYPE_CHECKING:
    from ..readiness import Look


_MARKS = {"ok": "GOOD", "note": "NEUTRAL", "bad": "BAD"}


@click.command("doctor", short_help="Say whether this admin node is ready.")
@json_option
@common_options
@pass_options
def doctor(options: Options) -> int:
    """Look at what a run needs of this machine: keys, known_hosts, the ssh-agent where it is asked for, the store, the
    clock, the programs of power fences and of Ceph. One line each, with what mends it.

    Changes nothing and asks no host: whether those can be fenced is the question of 'hafence audit'. Exit 0 when all
    is ready, 3 when something is not.
    """
    inventory = read_inventory(options)

    from ...core.outcome import Exit
    from ..readiness import Ready, look_around

    looks = list(look_around(inventory, store_url(options, inventory), _typed(options), time.time()))
    bad = [look for look in looks if look.state is Ready.BAD]
    if options.json:
        found = [{"check": each.check, "state": each.state.value, "says": each.says, "do": each.do} for each in looks]
        print_document({"ready": not bad, "checks": found})
    else:
        for look in looks:
            if not options.quiet or look.state is Ready.BAD:
                _print(look)
    return Exit.REFUSED if bad else Exit.DONE


def _typed(options: Options) -> str:
    """How hafence is called here, for commands that may be typed as they stand."""
    named = {"-i": options.inventory, "--store": options.store}
    return " ".join(["hafence", *(f"{option} {shlex.quote(value)}" for option, value in named.items() if value)])


def _print(look: Look) -> None:
    mark = marks_on(sys.stdout)[_MARKS[look.state.value]]
    out_folded(f"{mark} {look.check:<11}  {look.says}")
    if look.do:
        out_folded(f"  {'':<11}  {look.do}")

"""The command tree and its way out: which commands there are, and which exit code each error has."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from .. import __version__
from .context import Options
from .options import global_options

COMMANDS: Mapping[str, str] = {
    "start-vm": "start_vm:start_vm",
    "fence": "fence:fence",
    "evacuate": "evacuate:evacuate",
    "disarm": "disarm:disarm",
    "arm": "disarm:arm",
    "maintenance": "maintenance:maintenance",
    "audit": "audit:audit",
    "capture": "capture:capture",
    "status": "status:status",
    "history": "history:history",
    "explain": "explain:explain",
    "confirm-dead": "confirm_dead:confirm_dead",
    "rejoin": "rejoin:rejoin",
    "inventory": "inventory:inventory",
    "store": "store:store",
    "config": "config:config",
    "doctor": "doctor:doctor",
    "simulate": "simulate:simulate",
    "demo": "demo:demo",
    "completion": "completion:completion",
}
"""Each command and where it is: `MODULE:NAME` below `commands`. A module is loaded when its command is needed."""


class LazyGroup(click.Group):
    """A group whose commands are imported only when they are asked for, listed in the table's order."""

    def __init__(self, *args: Any, table: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self.table = dict(table or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which they are shown."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        place = self.table.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command = getattr(import_module(f".commands.{module}", __package__), name)
        assert isinstance(command, click.Command), "the table names commands"
        for option in command.params:
            # Else HAFENCE_DRY_RUN would be passed over in silence, for HAFENCE_START_VM_DRY_RUN, and the VM killed.
            if isinstance(option, click.Option) and option.allow_from_autoenv and option.name and not option.envvar:
                option.envvar = f"HAFENCE_{option.name.upper()}"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Also note the command's name: errors in its arguments are reported in its way."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            from ..inventory.faults import nearest

            near = nearest(args[0], self.table)
            ctx.fail(f"No such command '{args[0]}'" + (f": did you mean '{near}'?" if near else "."))
        name, command, rest = super().resolve_command(ctx, args)
        options = ctx.ensure_object(Options)
        options.command = f"{options.command} {name}".strip()
        return name, command, rest


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"auto_envvar_prefix": "HAFENCE", "help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="hafence", message="%(prog)s %(version)s")
@global_options
def hafence() -> None:
    """HA start of KVM virtual machines that fences first: a VM never runs twice.

    The leftover of a VM on a host that is believed dead (the suspect) is killed through another host of the
    cluster (a sibling); only when it is proved dead, or the policy for silence is met to the letter, is the VM
    started elsewhere. Otherwise hafence refuses and says what would help.

    See hafence(1) for the exit codes, the reasons and the inventory.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line; every way that it can end is one exit code."""
    _open_missing_streams()
    _never_fail_to_print()
    options = Options()
    try:
        code = hafence.main(list(arguments), prog_name="hafence", standalone_mode=False, obj=options)
        code = code if isinstance(code, int) else 0
    except BaseException as error:
        from .errors import report

        code = report(error, options, arguments)
    return _flush(code)


def _open_missing_streams() -> None:
    """Started with stdin, stdout or stderr closed, the next file to be opened would take its number: the store, say,
    which a program that we start would then write its complaints into."""
    import os

    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _never_fail_to_print() -> None:
    """A letter that the terminal's encoding lacks must not end a run that has begun to act."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _flush(code: int) -> int:
    """What is still to be printed goes out now. A reader that has gone (`| head`) changes no exit code."""
    import os

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
    return code

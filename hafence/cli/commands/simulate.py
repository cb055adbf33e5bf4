"""`hafence simulate …`: play scenarios, and search faults, against the real decision code on a simulated world."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from ..app import LazyGroup

HELP = ("-h", "--help")

OLD = LazyGroup("old", table={"simulate": "simulate_old:simulate"})
"""Where the command is that all that does not begin with a name of the group's table was once typed for."""


class SimulateGroup(LazyGroup):
    """The group, which also knows the old way: folders and options of all three commands right after its name."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The group's own context, or that of the old command, whose line has no command's name."""
        completes = extra.get("resilient_parsing", False)
        if (args and args[0] in self.table) or (completes and not args):
            return super().make_context(info_name, args, parent, **extra)
        if any(word in HELP for word in args):
            return super().make_context(info_name, list(HELP[:1]), parent, **extra)
        old = OLD.get_command(click.Context(OLD), "simulate")
        assert old is not None, "the table names it"
        return old.make_context(info_name, args, parent, **extra)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands, and for what begins like none of them a folder."""
        found = super().shell_complete(ctx, incomplete)
        return found or [CompletionItem(incomplete, type="dir")]


@click.group(
    "simulate",
    short_help="Play scenarios, or search for a fault.",
    cls=SimulateGroup,
    table={
        "play": "simulate_play:play",
        "explore": "simulate_explore:explore",
        "compare": "simulate_compare:compare",
    },
)
def simulate() -> None:
    """Play scenarios, search for a fault that breaks the promise, or compare policies, on a simulated world.

    Nothing real is touched; what decides and orders the steps is the very code of a real run.
    """


def check_policy(name: str) -> None:
    """A usage error unless it is one that can be searched."""
    from ...sim.policies import POLICIES

    if name not in POLICIES:
        raise click.UsageError(f"no policy {name!r}: one of {', '.join(POLICIES)}")

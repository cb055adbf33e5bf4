"""`hafence config …`: what concerns the settings."""

from __future__ import annotations

import click

from ..app import LazyGroup


@click.group("config", short_help="Show the settings.", cls=LazyGroup, table={"show": "config_show:show"})
def config() -> None:
    """Show the settings."""

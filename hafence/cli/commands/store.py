"""`hafence store …`: what concerns the store itself."""

from __future__ import annotations

import click

from ..app import LazyGroup


@click.group("store", short_help="Look after the store.", cls=LazyGroup, table={"check": "store_check:check"})
def store() -> None:
    """Look after the store."""

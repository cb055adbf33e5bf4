"""`hafence inventory …`: what concerns the inventory itself."""

from __future__ import annotations

import click

from ..app import LazyGroup


@click.group(
    "inventory",
    short_help="Begin and check the inventory; collect host keys.",
    cls=LazyGroup,
    table={
        "init": "inventory_init:init",
        "check": "inventory_check:check",
        "scan-keys": "inventory_scan_keys:scan_keys",
    },
)
def inventory() -> None:
    """Begin or check the inventory, or collect host keys."""

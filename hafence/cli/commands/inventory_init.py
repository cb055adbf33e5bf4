"""`hafence inventory init`: the commented example, to begin with."""

from __future__ import annotations

import os

import click

from ..context import Options
from ..options import common_options, pass_options
from ..show.output import out


@click.command("init", short_help="Write a commented inventory to begin with.")
@click.argument("path", default="inventory.yaml", type=click.Path(dir_okay=False))
@common_options
@pass_options
def init(options: Options, path: str) -> int:
    """Write the commented example inventory to PATH (./inventory.yaml), which must not exist yet."""
    from ...inventory.example import first_inventory

    try:
        text = first_inventory()
    except FileNotFoundError as error:
        raise click.UsageError(f"this installation has no {error}: it comes with hafence's source") from None
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.UsageError(f"{path} exists: name another file") from None
    except OSError as error:
        raise click.UsageError(f"{path} can't be written: {error.strerror}") from None
    if not options.quiet:
        out(f"wrote {path}: make it yours, then 'hafence inventory check {path}'")
    return 0

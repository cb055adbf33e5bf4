"""`hafence completion SHELL`: what a shell needs to complete commands, VMs, hosts and runs."""

from __future__ import annotations

import click

from ..context import Options
from ..options import common_options, pass_options
from ..show.output import out


@click.command("completion", short_help="Print the completion for a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common_options
@pass_options
def completion(options: Options, shell: str) -> int:
    """Print the completion for SHELL.

    For bash: hafence completion bash > /etc/bash_completion.d/hafence
    """
    from click.shell_completion import get_completion_class

    from ..app import hafence

    chosen = get_completion_class(shell)
    assert chosen is not None, "the shells that click knows"
    out(chosen(hafence, {}, "hafence", "_HAFENCE_COMPLETE").source().rstrip())
    return 0

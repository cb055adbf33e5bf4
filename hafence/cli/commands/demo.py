"""`hafence demo`: a whole small cluster on loopback."""

from __future__ import annotations

import click

from ..context import Options
from ..options import common_options, pass_options


@click.command("demo", short_help="Show the main job on a cluster on loopback.")
@click.option("--keep", is_flag=True, help="Leave the cluster up afterwards and print commands to try on it.")
@common_options
@pass_options
def demo(options: Options, keep: bool) -> int:
    """Show the main job end to end on a cluster on loopback: no root, no other service, nothing left behind.

    A leftover is fenced and its VM starts elsewhere; then a refusal; then a host without power. SSH, the tunnel,
    the scripts, the processes and the store are real; a small program stands in for qemu and libvirt.
    """
    from importlib.util import find_spec

    if find_spec("asyncssh") is None:
        raise click.UsageError("the demo needs asyncssh: 'pip install hafence[demo]', or Debian's python3-asyncssh")
    from ...demo.story import run_demo

    return run_demo(keep)

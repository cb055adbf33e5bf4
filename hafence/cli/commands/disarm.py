"""`hafence disarm` and `hafence arm`: planned work in a cluster, in which nothing is fenced and nothing started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..context import Options, find_cluster, read_inventory
from ..options import common_options, complete_cluster, json_option, pass_options
from ..planned_work import WorkTime, play_announcement, play_end, read_reason

if TYPE_CHECKING:
    from ...core.model import Inventory

_cluster = click.option(
    "--cluster", metavar="CLUSTER", shell_complete=complete_cluster, help="This cluster only; every one without."
)


@click.command("disarm", short_help="Planned work: fence and start nothing for a while.")
@_cluster
@click.option("--reason", required=True, metavar="TEXT", callback=read_reason, help="What is done; it is recorded.")
@click.option(
    "--for", "lasts", required=True, type=WorkTime(), metavar="TIME", help="How long (30m, 2h), at most 30 days."
)
@json_option
@common_options
@pass_options
def disarm(options: Options, cluster: str | None, reason: str, lasts: float) -> int:
    """Fence nothing and start nothing in a cluster, or in any, until the time is over or 'hafence arm' ends it.

    start-vm, fence and evacuate refuse before they touch anything (exit 3, reason disarmed); one that is under way
    begins no fence and no start any more. --yes does not overrule it. It is kept in the store, for all admin nodes
    that share it. A second disarm takes the place of the first.
    """
    inventory = read_inventory(options)

    from ...core.stored import WorkKind

    names = _clusters(inventory, cluster)
    return play_announcement(options, inventory, "disarm", WorkKind.DISARMED, names, (reason, lasts))


@click.command("arm", short_help="End what 'hafence disarm' has begun.")
@_cluster
@json_option
@common_options
@pass_options
def arm(options: Options, cluster: str | None) -> int:
    """End a disarm before its time: of one cluster, or of all. Where none is disarmed there is nothing to do."""
    inventory = read_inventory(options)

    from ...core.stored import WorkKind

    names = _clusters(inventory, cluster) if cluster is not None else None
    return play_end(options, inventory, "arm", WorkKind.DISARMED, names)


def _clusters(inventory: Inventory, cluster: str | None) -> tuple[str, ...]:
    return tuple(sorted(inventory.clusters)) if cluster is None else (find_cluster(inventory, cluster),)

"""`hafence simulate FOLDER…` and `hafence simulate --explore`: how it was typed before it had commands of its own.

What was typed so is in scripts, and goes on meaning the same.
"""

from __future__ import annotations

import click

from ..context import Options
from ..options import common_options, json_option, pass_options
from .simulate import check_policy
from .simulate_compare import COMPARED, FAULTS, compare_policies
from .simulate_explore import search
from .simulate_play import play_folders


@click.command(short_help="Play scenarios, or search for a fault.")
@click.argument("folders", nargs=-1, metavar="[FOLDER]...", type=click.Path(exists=True, file_okay=False))
@click.option("--bless", is_flag=True, help="Write each scenario's expect.log as it was played, for review.")
@click.option("--explore", is_flag=True, help="Search interleavings, crashes and faults instead of playing folders.")
@click.option("--compare", is_flag=True, help="With --explore: a table of every policy, with and without fences.")
@click.option("--policy", metavar="NAME", default="confirm", show_default=True, help="The policy that is searched.")
@click.option("--storage", is_flag=True, help="With a storage fence configured.")
@click.option("--power", is_flag=True, help="With a power fence configured.")
@click.option("--faults", type=click.IntRange(0, 8), help="Faults in one case.  [default: 1; of random cases 4]")
@click.option("--single", is_flag=True, help="One run at a time only: no second run that interleaves.")
@click.option("--random", "runs", type=click.IntRange(1), metavar="N", help="N random cases instead of all of them.")
@click.option("--seed", default="1", show_default=True, help="Of the random cases.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes to search with.")
@click.option("--write", metavar="FOLDER", type=click.Path(file_okay=False), help="Write what was found as scenarios.")
@json_option
@common_options
@pass_options
def simulate(
    options: Options,
    folders: tuple[str, ...],
    bless: bool,
    explore: bool,
    compare: bool,
    policy: str,
    storage: bool,
    power: bool,
    faults: int | None,
    single: bool,
    runs: int | None,
    seed: str,
    jobs: int,
    write: str | None,
) -> int:
    """Play scenario folders, or with --explore search for a story that breaks the promise.

    A folder holds README.md, inventory.yaml, events.yaml and expect.log; one without an expectation fails. Nothing
    real is touched. Exit 0 only if every scenario went as expected, or no story broke a promise.
    """
    if explore == bool(folders):
        raise click.UsageError("give scenario folders, or --explore")
    if compare and not explore:
        raise click.UsageError("--compare goes with --explore")

    check_policy(policy)
    if not explore:
        return play_folders(options, folders, bless, policy)
    if compare:
        return compare_policies(options, runs or COMPARED, FAULTS if faults is None else faults, seed, jobs)
    return search(options, policy, storage, power, faults, single, runs, seed, jobs, write)

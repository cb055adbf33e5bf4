"""`hafence simulate compare`: what each policy costs and risks, over the same random cases."""

from __future__ import annotations

import click

from ..context import Options
from ..options import common_options, json_option, pass_options
from ..show.output import out, print_document

COMPARED = 4000
"""Random cases for each row of the table, where nobody says how many."""

FAULTS = 4
"""The most faults in one of them, where nobody says how many."""


@click.command(short_help="Show what each policy costs and risks.")
@click.option(
    "--random", "runs", type=click.IntRange(1), metavar="N", default=COMPARED, show_default=True, help="Cases a row."
)
@click.option(
    "--faults", type=click.IntRange(0, 8), default=FAULTS, show_default=True, help="The most faults in one case."
)
@click.option("--seed", default="1", show_default=True, help="Of the random cases.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes to search with.")
@json_option
@common_options
@pass_options
def compare(options: Options, runs: int, faults: int, seed: str, jobs: int) -> int:
    """Print a table of every policy, with and without storage and power fences, over the same random cases.

    Split-brains, refusals per million runs, the time to start. Exit 0 only if none of hafence's own policies broke a
    promise.
    """
    return compare_policies(options, runs, faults, seed, jobs)


def compare_policies(options: Options, runs: int, faults: int, seed: str, jobs: int) -> int:
    """The table of policies. What published drafts do is expected to break promises; hafence's own policies are not."""
    from ...sim.comparison import as_json, ours, table
    from ...sim.search import compare as search_all

    reports = search_all(runs, faults, seed, jobs)
    if options.json:
        print_document(as_json(reports))
    else:
        out(table(reports))
    return 0 if all(report.held for report in ours(reports)) else 3

"""`hafence simulate`: play scenarios, and search faults, against the real decision code on a simulated world."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..context import Options
from ..errors import error_object
from ..options import common_options, json_option, pass_options
from ..show.output import out, print_document, say

if TYPE_CHECKING:
    from ...sim.policies import Arm
    from ...sim.report import Report

COMPARED = 4000
"""Random cases for each row of the table, where nobody says how many."""


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

    from ...sim.policies import POLICIES, arm_of
    from ...sim.search import at_random, exhaustive

    if policy not in POLICIES:
        raise click.UsageError(f"no policy {policy!r}: one of {', '.join(POLICIES)}")
    if not explore:
        return _play(options, folders, bless, policy)
    if compare:
        return _compare(options, runs or COMPARED, 4 if faults is None else faults, seed, jobs)
    if runs is not None:
        report = at_random(policy, storage, power, runs, 4 if faults is None else faults, seed, jobs)
    else:
        report = exhaustive(policy, storage, power, 1 if faults is None else faults, not single, jobs=jobs)
    stories = _stories(report, arm_of(policy, storage, power), write)
    if options.json:
        print_document(report.as_json() | {"stories": stories})
    else:
        _show(report, stories)
    return 0 if report.held else 3


def _play(options: Options, folders: tuple[str, ...], bless: bool, policy: str) -> int:
    from ...core.outcome import Exit
    from ...sim.arguments import BadEvent
    from ...sim.policies import arm_of
    from ...sim.scenario import play_folder

    try:
        results = [play_folder(folder, bless, arm_of(policy).policy) for folder in folders]
    except BadEvent as error:
        say(f"hafence: {error}")
        if options.json:
            print_document({"error": error_object(Exit.INVENTORY, str(error))})
        return Exit.INVENTORY
    if options.json:
        played = [{"folder": r.folder, "ok": r.ok, "says": r.says, "log": r.log} for r in results]
        print_document({"scenarios": played, "ok": all(result.ok for result in results)})
    else:
        for result in results:
            (out if result.ok else say)(f"{'ok' if result.ok else 'FAILED'} {result.folder} {result.says}".rstrip())
            if options.verbose:
                out(result.log)
    return 0 if all(result.ok for result in results) else 3


def _compare(options: Options, runs: int, faults: int, seed: str, jobs: int) -> int:
    """The table of policies. What published drafts do is expected to break promises; hafence's own policies are not."""
    from ...sim.comparison import as_json, ours, table
    from ...sim.search import compare

    reports = compare(runs, faults, seed, jobs)
    if options.json:
        print_document(as_json(reports))
    else:
        out(table(reports))
    return 0 if all(report.held for report in ours(reports)) else 3


def _show(report: Report, stories: list[dict[str, object]]) -> None:
    kinds = ", ".join(f"{count} of {kind}" for kind, count in sorted(report.searches.items()))
    out(f"{report.policy}, {report.means}: {report.cases} cases ({kinds}), {report.split_brains} split-brains")
    out(f"{report.starts} starts, {report.refusals} refusals")
    excused = ", ".join(f"{count} {excuse}" for excuse, count in sorted(report.excused.items()))
    out(f"excused, since nobody who was asked could have known: {excused or 'none'}")
    for workflow in stories:
        at = f" (written to {workflow['folder']})" if "folder" in workflow else ""
        say(f"\nbroken in the situation {workflow['situation']}: {workflow['broken']}{at}\n{workflow['events']}")


def _stories(report: Report, arm: Arm, write: str | None) -> list[dict[str, object]]:
    """The shortest failures as a person can read and replay them; with `write` also as scenario folders there."""
    from pathlib import Path

    from ...sim.folder import events_text, write_folder
    from ...sim.search import as_scenario, shortest
    from ...sim.situations import inventory

    stories = []
    for number, failure in enumerate(shortest(report, arm), 1):
        broken = "; ".join(f"{violation.rule}: {violation.says}" for violation in failure.violations)
        workflow: dict[str, object] = {"situation": failure.situation, "broken": broken}
        workflow["events"] = events_text(failure.events)
        if write is not None:
            folder = Path(write) / f"{number}-{failure.violations[0].rule}-{failure.situation}"
            title = f"{failure.violations[0].rule} in the situation {failure.situation}"
            write_folder(folder, title, inventory(arm.means), as_scenario(failure, arm), failure.violations, arm.name)
            workflow["folder"] = str(folder)
        stories.append(workflow)
    return stories

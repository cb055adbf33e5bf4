"""`hafence simulate explore`: search the real decision code for a case that breaks a promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..context import Options
from ..options import common_options, json_option, pass_options
from ..show.output import out, print_document, say
from .simulate import check_policy

if TYPE_CHECKING:
    from ...sim.policies import Arm
    from ...sim.report import Report


@click.command(short_help="Search for a fault that breaks a promise.")
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
def explore(
    options: Options,
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
    """Search interleavings, crashes and faults for a story that breaks the promise.

    Nothing real is touched. Exit 0 only if no story broke a promise.
    """
    check_policy(policy)
    return search(options, policy, storage, power, faults, single, runs, seed, jobs, write)


def search(
    options: Options,
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
    """Search, show what was found, and say by the exit code whether every promise held."""
    from ...sim.policies import arm_of
    from ...sim.search import at_random, exhaustive

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

"""`hafence simulate`: play scenarios, and search faults, against the real decision code on a simulated world."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..options import common_options, json_option, pass_wants
from ..output import out, print_document, say
from ..wants import Wants

if TYPE_CHECKING:
    from ...sim.report import Report


@click.command(short_help="Play scenarios, or search for a fault.")
@click.argument("folders", nargs=-1, metavar="[FOLDER]...", type=click.Path(exists=True, file_okay=False))
@click.option("--bless", is_flag=True, help="Write each scenario's expect.log as it was played, for review.")
@click.option("--explore", is_flag=True, help="Search interleavings, crashes and faults instead of playing folders.")
@click.option("--policy", metavar="NAME", default="confirm", show_default=True, help="The policy that is searched.")
@click.option("--storage", is_flag=True, help="With a storage fence configured.")
@click.option("--power", is_flag=True, help="With a power fence configured.")
@click.option("--faults", type=click.IntRange(0, 8), default=1, show_default=True, help="Faults in one tale.")
@click.option("--single", is_flag=True, help="One run at a time only: no second run that interleaves.")
@click.option("--random", "runs", type=click.IntRange(1), metavar="N", help="N random tales instead of all of them.")
@click.option("--seed", default="1", show_default=True, help="Of the random tales.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes to search with.")
@json_option
@common_options
@pass_wants
def simulate(
    wants: Wants,
    folders: tuple[str, ...],
    bless: bool,
    explore: bool,
    policy: str,
    storage: bool,
    power: bool,
    faults: int,
    single: bool,
    runs: int | None,
    seed: str,
    jobs: int,
) -> int:
    """Play scenario folders, or with --explore search for a story that breaks the promise.

    A folder holds README.md, inventory.yaml, events.yaml and expect.log; one without an expectation fails. Nothing
    real is touched. Exit 0 only if every scenario went as expected, or no story broke a promise.
    """
    if explore == bool(folders):
        raise click.UsageError("give scenario folders, or --explore")
    if not explore:
        return _play(wants, folders, bless)

    from ...sim.policies import POLICIES, arm_of
    from ...sim.search import at_random, exhaustive, shortest

    if policy not in POLICIES:
        raise click.UsageError(f"no policy {policy!r}: one of {', '.join(POLICIES)}")
    if runs is not None:
        report = at_random(policy, storage, power, runs, faults, seed, jobs)
    else:
        report = exhaustive(policy, storage, power, faults, pairs=not single, jobs=jobs)
    stories = [_story(failure) for failure in shortest(report, arm_of(policy, storage, power))]
    if wants.json:
        print_document(report.as_json() | {"stories": stories})
    else:
        _show(report, stories)
    return 0 if report.held else 3


def _play(wants: Wants, folders: tuple[str, ...], bless: bool) -> int:
    from ...sim.scenario import play_folder

    results = [play_folder(folder, bless) for folder in folders]
    if wants.json:
        played = [{"folder": r.folder, "ok": r.ok, "says": r.says, "log": r.log} for r in results]
        print_document({"scenarios": played, "ok": all(result.ok for result in results)})
    else:
        for result in results:
            (out if result.ok else say)(f"{'ok' if result.ok else 'FAILED'} {result.folder} {result.says}".rstrip())
            if wants.verbose:
                out(result.log)
    return 0 if all(result.ok for result in results) else 3


def _show(report: Report, stories: list[dict[str, object]]) -> None:
    name = f"{report.policy} {report.means}".strip()
    out(f"{name}: {report.cases} cases, {report.split_brains} split-brains, {report.starts} starts")
    out(f"{report.refusals} refusals, {report.named_split_brains} split-brains that a run had named as its risk")
    for story in stories:
        say(f"\nbroken in the situation {story['situation']}: {story['broken']}\n{story['events']}")


def _story(failure: object) -> dict[str, object]:
    """A shrunk failure as a person can replay it."""
    from ...sim.folder import events_text
    from ...sim.report import Failure

    assert isinstance(failure, Failure)
    broken = "; ".join(f"{violation.rule}: {violation.says}" for violation in failure.violations)
    return {"situation": failure.situation, "broken": broken, "events": events_text(failure.events)}

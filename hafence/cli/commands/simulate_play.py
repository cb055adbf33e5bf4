"""`hafence simulate play`: scenarios, played with the real decision code on a simulated world."""

from __future__ import annotations

import click

from ..context import Options
from ..errors import error_object
from ..options import common_options, json_option, pass_options
from ..show.output import out, print_document, say
from .simulate import check_policy


@click.command(short_help="Play scenarios.")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(exists=True, file_okay=False))
@click.option("--bless", is_flag=True, help="Write each scenario's expect.log as it was played, for review.")
@click.option("--policy", metavar="NAME", default="confirm", help="Read replies as this policy of the search does.")
@json_option
@common_options
@pass_options
def play(options: Options, folders: tuple[str, ...], bless: bool, policy: str) -> int:
    """Play scenario folders.

    A folder holds README.md, inventory.yaml, events.yaml and expect.log; one without an expectation fails. Nothing
    real is touched. Exit 0 only if every scenario went as expected.
    """
    check_policy(policy)
    return play_folders(options, folders, bless, policy)


def play_folders(options: Options, folders: tuple[str, ...], bless: bool, policy: str) -> int:
    """Play each, show how it went, and say by the exit code whether all went as expected."""
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

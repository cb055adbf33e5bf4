"""`hafence store check`: whether the store is whole."""

from __future__ import annotations

import click

from ..context import Options, open_to_read, read_inventory
from ..options import common_options, json_option, pass_options
from ..show.output import out, print_document, say


@click.command("check", short_help="Say whether the store is whole.")
@json_option
@common_options
@pass_options
def check(options: Options) -> int:
    """Look at everything that is stored and say what is wrong with it. Changes nothing.

    Exit 0 when all is well, 7 when it is not.
    """
    inventory = read_inventory(options)

    from ...core.outcome import Exit
    from ..errors import error_object

    store = open_to_read(options, inventory)
    try:
        problems = store.check()
        name = store.name
    finally:
        store.close()
    code = Exit.STORE if problems else Exit.DONE
    if options.json:
        found = [{"code": problem.code, "says": problem.says} for problem in problems]
        document = {"store": name, "valid": not problems, "problems": found}
        if problems:
            document["error"] = error_object(code, f"the store {name} is damaged")
        print_document(document)
    elif problems:
        for problem in problems:
            say(f"{problem.code}: {problem.says}")
    elif not options.quiet:
        out(f"OK: {name}")
    return code

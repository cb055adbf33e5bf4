"""Errors to words and exit codes, in this one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from .context import Options
from .show.output import out, print_document, print_line, say

AUDIT_UNKNOWN = 3
"""A monitoring plugin that can't tell says UNKNOWN; 1 and 2 would be WARNING and CRITICAL."""


def report(error: BaseException, options: Options, arguments: Sequence[str]) -> int:
    """Say what went wrong on stderr, and with --json also as a document on stdout."""
    from ..core.outcome import Exit
    from ..effects import Interrupted, StoreError
    from ..inventory.faults import InventoryError

    is_audit = _is_audit(options, arguments)
    # the line may have been wrong before it came to that
    options.lines = options.lines or "--json-lines" in arguments
    options.json = options.json or options.lines or "--json" in arguments
    code: int
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        case click.ClickException():
            _show_usage(error)
            code = Exit.USAGE
            _print_error(options, is_audit, code, error.format_message())
        case click.Abort() | KeyboardInterrupt() | Interrupted():
            say("interrupted: 'hafence status' shows what is recorded")
            _print_error(options, is_audit, Exit.INTERRUPTED, "interrupted: 'hafence status' shows what is recorded")
            return Exit.INTERRUPTED
        case InventoryError():
            code = _show_faults(error, options, is_audit)
        case StoreError():
            say(f"hafence: {error}")
            say("Nothing was killed and nothing started.")
            code = Exit.STORE
            _print_error(options, is_audit, code, str(error))
        case _:
            code = _show_bug(error)
            _print_error(options, is_audit, code, f"this is a bug: {type(error).__name__}")
    if not is_audit:
        return code
    if not options.json:
        out(f"HAFENCE UNKNOWN - {_first_line(error)}")
    return AUDIT_UNKNOWN


def _audited(is_audit: bool) -> dict[str, Any]:
    """What whoever reads `audit --json` finds in any case."""
    return {"status": "UNKNOWN", "findings": []} if is_audit else {}


def _first_line(error: BaseException) -> str:
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    return (text or type(error).__name__).splitlines()[0].replace("|", "/")


def error_object(code: int, message: str, errors: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The contract's error object."""
    return {"exit": int(code), "message": message, "errors": list(errors)}


def _print_error(
    options: Options, is_audit: bool, code: int, message: str, errors: Sequence[dict[str, Any]] = ()
) -> None:
    """With --json there is one document on stdout, however the command ended."""
    if options.json:
        document = _audited(is_audit) | {"error": error_object(code, message, errors)}
        (print_line if options.lines else print_document)(document)


def _show_usage(error: click.ClickException) -> None:
    try:
        error.show()
    except OSError:
        return
    if isinstance(error, click.UsageError) and error.ctx is None:
        say("Try 'hafence --help' for help.")


def _show_faults(error: Any, options: Options, is_audit: bool) -> int:
    from ..core.outcome import Exit

    message = _inventory_words(error)
    say(str(error))
    say(f"hafence: {message}")
    faults = [{"file": f.file, "line": f.line, "path": f.path, "says": f.says} for f in error.faults]
    _print_error(options, is_audit, Exit.INVENTORY, message, faults)
    return Exit.INVENTORY


def _inventory_words(error: Any) -> str:
    if error.missing:
        return "there is no inventory"
    count = len(error.faults) + error.more
    return f"the inventory has {count} error{'s' if count != 1 else ''}"


def _show_bug(error: BaseException) -> int:
    import traceback

    from .. import __version__
    from ..core.outcome import Exit

    say("".join(traceback.format_exception(error)).rstrip())
    say(
        f"hafence {__version__}: this is a bug. 'hafence status' shows what is recorded; running the command again is\n"
        "safe. Please report it with the lines above (CONTRIBUTING.md says how)."
    )
    return Exit.BUG


def _is_audit(options: Options, arguments: Sequence[str]) -> bool:
    """Whether the audit was meant, also where the line was wrong before its name was read."""
    if options.command:
        return options.command.split()[0] == "audit"
    return next((word for word in arguments if not word.startswith("-")), "") == "audit"

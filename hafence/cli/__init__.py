"""The command line: reads what the admin wants, shows what came of it, decides nothing.

`main` answers `--version` before it imports click: monitoring and packaging ask for it often.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from typing import NoReturn


def main() -> int:
    """Run the command line of this process. Where this returns, the answer is its exit code."""
    if sys.argv[1:] == ["--version"]:
        from .. import __version__

        print(f"hafence {__version__}")
        return 0
    from .app import run

    return _leave(run(sys.argv[1:]))


def _leave(code: int) -> NoReturn:
    """End the process at once. By now the store and every connection are closed and everything is printed; to take
    a thousand modules apart would cost 80 ms more, and a thread that still waits for a hung host its time-out."""
    atexit._run_exitfuncs()  # a hook's own, say
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)

"""The command line: reads what the admin wants, shows what came of it, decides nothing.

`main` answers `--version` before it imports click: monitoring and packaging ask for it often.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process; the answer is its exit code."""
    if sys.argv[1:] == ["--version"]:
        from .. import __version__

        print(f"hafence {__version__}")
        return 0
    from .app import run

    return run(sys.argv[1:])

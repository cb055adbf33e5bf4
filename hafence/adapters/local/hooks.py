"""Before-start hooks: executables in a folder, and Python entry points of the group `hafence.before_start`.

All of them run, whatever the others say, and any error refuses the start. An executable says no with an
exit status other than 0 (its last line says why); an entry point is called with the values of `HookCall` as
keywords and says no by raising, or by returning a sentence.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ...core.starts import HookResult
from .commands import last_words, printable, run_command

HOOK_TIMEOUT_S = 30.0
"""One hook. A hook that hangs says no: somebody wanted it to be asked."""

GROUP = "hafence.before_start"


@dataclass(frozen=True, slots=True)
class HookCall:
    """What a hook is told. Executables get each as HAFENCE_… in their environment."""

    run: str
    vm_uuid: str
    vm_name: str
    suspect: str
    target: str


def run_hooks(folder: str | None, call: HookCall) -> tuple[HookResult, ...]:
    """Run every hook, the folder's in the order of their names, then the entry points."""
    results = [_run_file(path, call) for path in _files(folder)] if folder else []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        results.append(_run_point(point, call))
    return tuple(results)


def _files(folder: str) -> list[Path]:
    """The hooks of a folder. A folder that can't be read is one hook that says no, not no hooks."""
    try:
        return sorted(path for path in Path(folder).iterdir() if not path.name.startswith(".") and path.suffix != ".md")
    except OSError:
        return [Path(folder)]


def _run_file(path: Path, call: HookCall) -> HookResult:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return HookResult(printable(str(path)), f"{error.strerror}")
    if stat.S_ISDIR(mode) or not os.access(path, os.X_OK):
        return HookResult(
            printable(str(path)), "is no executable file: take it out of the folder, or make it executable"
        )
    if mode & stat.S_IWOTH:
        return HookResult(printable(str(path)), "can be written by anyone: take that right away")
    env = {f"HAFENCE_{name.upper()}": value for name, value in asdict(call).items()}
    run = run_command([str(path)], HOOK_TIMEOUT_S, env=env)
    if run.trouble:
        return HookResult(printable(path.name), run.trouble)
    if run.status != 0:
        return HookResult(printable(path.name), f"exit {run.status}: {last_words(run) or 'without a word'}")
    return HookResult(printable(path.name), "")


def _run_point(point: EntryPoint, call: HookCall) -> HookResult:
    answer: list[str] = []

    def ask() -> None:
        try:
            said = point.load()(**asdict(call))
            answer.append("" if said is None else printable(str(said)))
        except BaseException as error:  # whatever a hook raises is its no
            answer.append(type(error).__name__)
            with suppress(Exception):  # some errors can't be printed
                answer[0] = printable(f"{answer[0]}: {error}")

    _bounded(ask, HOOK_TIMEOUT_S)
    return HookResult(point.name, answer[0] if answer else f"did not end within {HOOK_TIMEOUT_S:.0f} s")


def _bounded(call: Callable[[], None], within_s: float) -> None:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(within_s)

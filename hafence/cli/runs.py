"""What `start-vm`, `fence` and their like share: what was asked goes into the history, and so does what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ..core.model import HostName, Uuid, Vm
from ..core.outcome import Exit
from ..effects import Interrupted, StoreError, Workflow
from ..runner import Session
from .show.output import say

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Asked:
    """A command as it stands in the history."""

    command: str
    vms: tuple[Vm, ...] = ()
    siblings: tuple[HostName, ...] = ()
    host: HostName | None = None
    to: HostName | None = None
    dry_run: bool = False
    yes: bool = False
    wait_s: float = 0.0

    @property
    def uuids(self) -> tuple[Uuid, ...]:
        """The VMs by which the history is searched."""
        return tuple(vm.uuid for vm in self.vms)

    @property
    def details(self) -> Mapping[str, Any]:
        """The rest, in words that stay readable when the inventory has changed."""
        return {
            "vms": {vm.uuid: vm.name for vm in self.vms},
            "siblings": list(self.siblings),
            "host": self.host,
            "to": self.to,
            "dry_run": self.dry_run,
            "yes": self.yes,
            "wait_s": self.wait_s,
        }


def played(session: Session, workflow: Workflow[R], written: Callable[[R], tuple[int, Mapping[str, Any]]]) -> R:
    """Play a workflow and close its history with the exit code and the document that `written` makes of its end.

    A history that can't be closed changes nothing of what has happened: it is said, and the exit code stays.
    """
    try:
        result = session.play(workflow)
    except BaseException as error:
        _close(session, _code_of(error), {"error": type(error).__name__})
        raise
    _close(session, *written(result))
    return result


def _close(session: Session, code: int, document: Mapping[str, Any]) -> None:
    try:
        session.finish(code, document)
    except StoreError as error:
        say(f"hafence: the end of run {session.run_id} could not be written to its history: {error}")


def _code_of(error: BaseException) -> int:
    match error:
        case StoreError():
            return Exit.STORE
        case Interrupted() | KeyboardInterrupt():
            return Exit.INTERRUPTED
    return Exit.BUG

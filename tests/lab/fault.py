"""Something that is wrong with the lab, until it is healed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cluster import Lab
    from .host import LabHost


class Fault:
    """A fault at work. `with faults.cut(…):` heals it at the end; `Lab.reset` heals what was left."""

    def __init__(self, lab: Lab, name: str, undo: Callable[[], None]) -> None:
        self.lab = lab
        self.name = name
        self._undo = undo
        lab.faults.append(self)

    def __repr__(self) -> str:
        return f"<Fault {self.name}>"

    def __enter__(self) -> Fault:
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()

    def heal(self) -> None:
        """Undo it; does nothing the second time."""
        if self in self.lab.faults:
            self.lab.faults.remove(self)
            self._undo()


def if_on(host: LabHost, undo: Callable[[], None]) -> Callable[[], None]:
    """What was wrong inside a host that has been powered off since went with it."""
    pid = host.pid

    def undo_if_on() -> None:
        if host.pid == pid and host.is_on():
            undo()

    return undo_if_on

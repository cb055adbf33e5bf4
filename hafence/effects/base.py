"""What an effect is, to the journal, to people and to the search, and what may be thrown into a workflow."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import Any, ClassVar, Generic, TypeVar

from ..core.model import Settings, Uuid

T = TypeVar("T")
R = TypeVar("R")


class Journalled(Enum):
    """What the run's history is told of an effect."""

    NOTHING = "nothing"
    RESULT = "result"
    """What came of it, when it has been performed."""
    INTENT = "intent"
    """That it is about to begin, before it does, and then what came of it: it reaches out and changes something, so
    where the intent can't be written down nothing happens."""


class Touches(Flag):
    """Which parts of the world an effect reads or changes: where a fault in that part can make a difference."""

    NOTHING = 0
    STORE = auto()
    STORE_CHANGE = auto()
    HOSTS = auto()
    """Connects to hosts."""
    HOST_CHANGE = auto()
    """Sends something that acts where it arrives: on a host, on a power device, on the storage through a host."""
    STORAGE = auto()
    POWER = auto()
    PEOPLE = auto()


class Effect(Generic[T]):
    """What is wanted of the world; T is the type of the answer.

    What an effect is to the journal, to the budget that people are shown and to the search stands on its class, as
    keywords of the class statement. The runner and the simulator read it here, and nowhere else.

    `journalled`: what the history is told. `touches`: what it reads or changes. `budget`: the most that it may take,
    in seconds, by the settings. `concerns`: the one VM that it is about.
    """

    __slots__ = ()
    journalled: ClassVar[Journalled] = Journalled.NOTHING
    touches: ClassVar[Touches] = Touches.NOTHING
    _budget: ClassVar[Callable[[Settings], float] | None] = None
    _concerns: ClassVar[Callable[[Any], Uuid | None] | None] = None

    def __init_subclass__(
        cls,
        *,
        journalled: Journalled | None = None,
        touches: Touches | None = None,
        budget: Callable[[Settings], float] | None = None,
        concerns: Callable[[Any], Uuid | None] | None = None,
    ) -> None:
        """Take the keywords. Called twice for a dataclass with slots, which is made anew, without them: so what is not
        given leaves alone what is there."""
        super().__init_subclass__()
        given = {"journalled": journalled, "touches": touches, "_budget": budget, "_concerns": concerns}
        for name, value in given.items():
            if value is not None:
                setattr(cls, name, value)

    def budget_s(self, settings: Settings) -> float | None:
        """The most that it may take, in seconds, as people are shown it; None where it takes no time worth showing."""
        budget = type(self)._budget
        return None if budget is None else budget(settings)

    @property
    def concerns(self) -> Uuid | None:
        """The one VM that it is about; None where it is about several or none."""
        concerns = type(self)._concerns
        return None if concerns is None else concerns(self)


Workflow = Generator[Effect[Any], Any, R]
"""A workflow that ends in an R."""


def do(effect: Effect[T]) -> Workflow[T]:
    """Ask for an effect and wait for its answer: `reply = yield from do(Fence(order))`."""
    answer: T = yield effect
    return answer


SPARE_S = 5.0
"""What a budget that is shown to people grants beyond the sum of its time-outs."""


class LeaseLost(Exception):
    """The run's right to act has ended: it expired, was taken over, or a record changed under it."""


class StoreError(Exception):
    """The store could not be read or written. The message says where, why and what would help."""


class Interrupted(Exception):
    """The admin pressed Ctrl-C. A workflow catches it once, says what state the VM is in, and ends."""


@dataclass(frozen=True, slots=True)
class Together(Effect[tuple[Any, ...]]):
    """Several effects at once; the answers come in their order when all are there.

    With `first_may_do` the others are asked for the case that the first does not settle it: where its answer says so
    (`settles`), they are not waited for any more, and each comes as (): nobody has told anything.
    """

    effects: tuple[Effect[Any], ...]
    first_may_do: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Parallel(Effect[tuple[Any, ...]]):
    """Several workflows side by side, each with effects of its own; what they ended in, in their order, when all have.

    One that ends in LeaseLost, StoreError or Interrupted stops no other: what was begun is gone through with, for half
    of it would be done and nobody would know which. When all have ended, the first such error is raised here. Ctrl-C
    reaches every one that goes on, where it waits, as Interrupted.
    """

    workflows: tuple[Workflow[Any], ...]

"""Whether a storage fence could be made: the right to shut out and to let in, tried on a client that nobody is.

Reading what a key may do is itself a right that a good key does not have (Ceph: `auth get` wants `mon 'allow r'` of
auth). So what is asked for is a change that changes nothing: an entry is removed that is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Hindrance(Enum):
    """What hinders a storage fence."""

    RIGHT = "right"
    """Who asks may not change whom the storage shuts out."""
    COMMAND = "command"
    """The storage does not know the command: it is too old."""
    OPTION = "option"
    """An option makes the storage let a client write on whose lock was broken."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was in the way of a storage fence; nothing where it could be made. `at`: seconds since the epoch."""

    hindrances: tuple[Hindrance, ...]
    at: float

"""Marks: whose run was last at a VM on a host. There admin nodes meet that have a store of their own each.

A lease keeps two runs of one store from acting at once. Of another store nobody knows anything, and only the hosts can
tell: whoever fences, starts or settles a VM leaves a mark there, and does nothing where another store's is young.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark on a VM, or the youngest of a store's on a host and how many it has there. `age_s` as the host said."""

    store: str
    run: str
    age_s: float
    count: int = 1

    @property
    def about(self) -> dict[str, str]:
        """What a host's reply says of it, and a sentence may name (core/whys.py)."""
        return {"store": self.store, "run": self.run, "age": f"{self.age_s:.0f}"}


@dataclass(frozen=True, slots=True)
class Claim:
    """With which mark an order acts. `store` is '' only for a rehearsal by a store that has no id yet.

    `young_s`: for so long, by the host's uptime, another store's mark bars. No shorter than a lease, and than what a
    start may stand on: a run whose mark is older begins nothing on that ground any more.
    """

    store: str
    run: str
    young_s: float

    def is_barred_by(self, mark: Mark) -> bool:
        """Whether a mark keeps such an order from its VM."""
        return mark.store != self.store and mark.age_s < self.young_s

"""What the adapter of a storage must do: carry one question through one host, and read its answer.

The questions are those of core/storage/port.py. An answer that is not whole and exact is `Unanswered`, with why in
hafence's own words, and never an empty list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ...core.storage.port import ClientsSeen, EntriesSeen, Unanswered
from ...core.storage.rehearsal import Rehearsal


class Storage(Protocol):
    """A cluster's storage, asked through one host. Nothing is changed after `not_after` (seconds since the epoch)."""

    def ask_clients(
        self, volumes: Sequence[str], servers: Sequence[str], not_after: float
    ) -> ClientsSeen[Any] | Unanswered:
        """Who the clients of volumes are, and which of these servers are another storage's."""

    def list_entries(self, not_after: float) -> EntriesSeen[Any] | Unanswered:
        """Whom the storage shuts out."""

    def add_entries(self, clients: Sequence[Any], anew: bool, not_after: float) -> EntriesSeen[Any] | Unanswered:
        """Shut clients out, and read whom it shuts out then. `anew`: entries of theirs are removed before that."""

    def rehearse(self, not_after: float) -> Rehearsal | Unanswered:
        """Whether clients could be shut out and let in."""

    def remove_entries(self, clients: Sequence[Any], not_after: float) -> EntriesSeen[Any] | Unanswered:
        """Let clients in again, and read whom it shuts out then."""

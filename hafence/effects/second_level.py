"""Power and storage: small questions and changes, of which the workflows make a fence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.model import HostName, Uuid
from ..core.power import DeviceId, PowerSeen
from ..core.second_level import SecondLevelKind, SecondLevelReply
from ..core.storage.port import Asker, ClientsSeen, EntriesSeen, Unanswered, WritableDisk
from ..core.storage.rehearsal import Rehearsal
from .base import Effect, Journalled, Touches


@dataclass(frozen=True, slots=True)
class AskPower(Effect[PowerSeen], touches=Touches.POWER, budget=lambda settings: settings.power_timeout_s):
    """Ask one power device whether its host is on or off, at the latest until `not_after`."""

    device: DeviceId
    not_after: float


@dataclass(frozen=True, slots=True)
class SendOff(
    Effect[None],
    journalled=Journalled.INTENT,
    touches=Touches.POWER | Touches.HOST_CHANGE,
    budget=lambda settings: settings.power_timeout_s,
):
    """Tell one power device to switch its host off, at the latest until `not_after`. Whatever it answers counts for
    nothing: what is seen afterwards does."""

    device: DeviceId
    not_after: float


@dataclass(frozen=True, slots=True)
class WritableDisks(Effect[tuple[WritableDisk, ...] | Unanswered]):
    """What a VM could write to, by its domain XML."""

    vm: Uuid


@dataclass(frozen=True, slots=True)
class OwnAddresses(Effect[tuple[str, ...]]):
    """This machine's IP addresses, as it would use them towards these: its own look at a volume is no stranger's."""

    towards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskClients(
    Effect[ClientsSeen[Any] | Unanswered],
    journalled=Journalled.RESULT,
    touches=Touches.HOSTS | Touches.STORAGE,
    budget=lambda settings: settings.power_timeout_s,
):
    """Ask who the clients of volumes are, and which of these servers are another storage's. Nothing changes."""

    asker: Asker
    volumes: tuple[str, ...]
    not_after: float
    servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListEntries(
    Effect[EntriesSeen[Any] | Unanswered],
    journalled=Journalled.RESULT,
    touches=Touches.HOSTS | Touches.STORAGE,
    budget=lambda settings: settings.power_timeout_s,
):
    """Ask which clients the storage shuts out. Nothing changes."""

    asker: Asker
    not_after: float


@dataclass(frozen=True, slots=True)
class AddEntries(
    Effect[EntriesSeen[Any] | Unanswered],
    journalled=Journalled.INTENT,
    touches=Touches.HOSTS | Touches.STORAGE | Touches.HOST_CHANGE,
    budget=lambda settings: settings.power_timeout_s,
):
    """Have the storage shut these clients out, and in the same conversation ask which it shuts out then.

    `anew`: entries of theirs that are there already are removed first. Without an answer they may have been added.
    """

    asker: Asker
    clients: tuple[Any, ...]
    not_after: float
    anew: bool = False


@dataclass(frozen=True, slots=True)
class RemoveEntries(
    Effect[EntriesSeen[Any] | Unanswered],
    journalled=Journalled.INTENT,
    touches=Touches.HOSTS | Touches.STORAGE | Touches.HOST_CHANGE,
    budget=lambda settings: settings.power_timeout_s,
):
    """Have the storage let these clients in again, and in the same conversation ask which it shuts out then."""

    asker: Asker
    clients: tuple[Any, ...]
    not_after: float


@dataclass(frozen=True, slots=True)
class RehearseStorage(
    Effect[Rehearsal | Unanswered],
    touches=Touches.HOSTS | Touches.STORAGE,
    budget=lambda settings: settings.power_timeout_s,
):
    """Ask whether a storage fence could be made: whether who asks may, and what would break it. Nothing changes."""

    asker: Asker
    not_after: float


@dataclass(frozen=True, slots=True)
class NoteSecondLevel(Effect[None], journalled=Journalled.RESULT):
    """Note what a power or storage fence of a suspect came to for each VM: in the history, and for people."""

    suspect: HostName
    kind: SecondLevelKind
    replies: Mapping[Uuid, SecondLevelReply]

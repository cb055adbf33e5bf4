"""A workflow played on the real world by the real runner, without a store: no journal, and nobody to see or ask."""

from __future__ import annotations

from typing import TypeVar

from hafence.adapters.ssh.connections import Hosts
from hafence.cli.show.voices import QuietVoice
from hafence.core.model import Inventory
from hafence.effects import StoreError, Workflow
from hafence.runner.effect_runner import NoJournal
from hafence.runner.perform import Performer
from hafence.runner.player import Player
from hafence.stores.holder import Holder
from hafence.stores.unreadable import unreadable

R = TypeVar("R")


def play(inventory: Inventory, workflow: Workflow[R], hosts: Hosts | None = None) -> R:
    """What the workflow ends in."""
    reached = hosts or Hosts(inventory.hosts, inventory.settings.connect_timeout_s)
    store, voice = unreadable(StoreError("there is none")), QuietVoice()
    performer = Performer(inventory, store, reached, Holder.of_this_process("played"), voice)
    return Player(performer.perform, inventory.settings, NoJournal(), voice).play(workflow)

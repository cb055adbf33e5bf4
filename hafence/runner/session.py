"""One command: the inventory, the store, the connections, the journal, and the workflow that is played on them."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from .. import __version__
from ..adapters.ssh.connections import Hosts
from ..core.model import Inventory, Uuid
from ..effects import StoreError, Workflow
from ..stores import open_store
from ..stores.holder import Holder
from ..stores.port import RunRow, Store
from ..stores.unreadable import unreadable
from ..voice import Voice
from .effect_runner import Journal, NoJournal
from .journal import StoreJournal
from .perform import Performer
from .player import Player
from .step_format import FORMAT

R = TypeVar("R")


class Session:
    """A command under way. `run_id` is unique, sorts by time, and is what `hafence explain` takes."""

    def __init__(
        self,
        inventory: Inventory,
        store: Store,
        hosts: Hosts,
        holder: Holder,
        voice: Voice,
        dry_run: bool,
        vms: tuple[Uuid, ...] = (),
        progress: Callable[[], None] = lambda: None,
    ):
        self.run_id = holder.run
        self.inventory = inventory
        self.store = store
        self._dry_run = dry_run
        performer = Performer(inventory, store, hosts, holder, voice, vms, progress)
        journal: Journal = NoJournal() if dry_run else StoreJournal(store, holder.run)
        self._player = Player(performer.perform, inventory.settings, journal, voice)

    @property
    def store_id(self) -> str:
        """Which store it is; '' where it can't be read, which the workflow meets in its own way."""
        try:
            return self.store.store_id()
        except StoreError:
            return ""

    def play(self, workflow: Workflow[R]) -> R:
        """Play a workflow to its end on the real world."""
        return self._player.play(workflow)

    def finish(self, exit_code: int, result: Mapping[str, Any]) -> None:
        """Close the run's history. StoreError if that can't be written."""
        if not self._dry_run:
            self.store.end_run(self.run_id, time.time(), exit_code, result)


@contextmanager
def open_session(
    inventory: Inventory,
    store_url: str,
    command: str,
    vms: tuple[Uuid, ...],
    details: Mapping[str, Any],
    voice: Voice,
    dry_run: bool = False,
    unread: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> Iterator[Session]:
    """Open the store (read-only in a dry run), begin the run's history, and close everything at the end.

    StoreError here means that nothing has happened at all. With `unread` a store that can't be opened is met by
    the workflow, at its first use: an audit has something to say all the same. `progress` hears of each look and
    rehearsal that has ended.
    """
    holder = Holder.of_this_process(new_run_id())
    try:
        store = open_store(store_url, read_only=dry_run)
    except StoreError as error:
        if not unread:
            raise
        store = unreadable(error)
    hosts = Hosts(inventory.hosts, inventory.settings.connect_timeout_s)
    try:
        if not dry_run:
            version = {"format": FORMAT, "hafence": __version__}
            store.begin_run(RunRow(holder.run, time.time(), holder.who, command, vms, {**details, **version}))
        with _ends_as_interrupt():
            yield Session(inventory, store, hosts, holder, voice, dry_run, vms, progress)
    finally:
        hosts.close()
        store.close()


def new_run_id() -> str:
    """Like `20261122T153000-3f2a9c`: UTC time and six random hex digits."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


@contextmanager
def _ends_as_interrupt() -> Iterator[None]:
    """SIGTERM (a service manager, a time-out around cron) and SIGHUP (the admin's own login was lost) end a run as
    orderly as Ctrl-C does: the state is said and recorded, the lease is given back."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    # Who ignores one from the beginning, as nohup does, wants the run to go on.
    ends = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in ends}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

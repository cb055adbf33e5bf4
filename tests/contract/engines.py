"""The engines that the contract holds for, and values to store. A new engine joins by one entry in ENGINES."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from hafence.core.captures import Capture
from hafence.core.model import HostName, Uuid, parse_uuid
from hafence.core.reasons import Reason
from hafence.core.record import VmRecord, mark_running, mark_starting, mark_stopped, unseen
from hafence.core.stored import Lease, PlannedWork, WorkKind
from hafence.stores import open_store
from hafence.stores.holder import Holder
from hafence.stores.port import RunRow, StepRow, Store

from .etcd_parts import Cluster, cluster
from .memory_parts import SCHEME, Served, open_remote

VM = parse_uuid("6d6f6a5a-1111-4222-8333-000000000001")
OTHER_VM = parse_uuid("6d6f6a5a-1111-4222-8333-000000000002")
A, B, C = HostName("kvm-01"), HostName("kvm-02"), HostName("kvm-03")
NOW = 1_763_824_000.0
TTL_S = 120.0
ROOT = Path(__file__).parents[2]


class Engine:
    """One engine with an empty store of its own."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._url = url

    @property
    def url(self) -> str:
        """Where another process finds the store, with `open_url`."""
        return self._url

    def open(self, read_only: bool = False) -> Store:
        return open_url(self.url, read_only)

    def stop(self) -> None:
        """The end of what this engine alone has started."""


def open_url(url: str, read_only: bool = False) -> Store:
    """The store of an engine, from any process."""
    return open_remote(url) if url.startswith(SCHEME) else open_store(url, read_only=read_only)


class MemoryEngine(Engine):
    """The engine in memory: a store is one object, which this process shares with those that it starts."""

    def __init__(self) -> None:
        super().__init__("memory", "")
        self._served = Served()

    @property
    def url(self) -> str:
        return self._served.url

    def open(self, read_only: bool = False) -> Store:
        return self._served.store

    def stop(self) -> None:
        self._served.stop()


def sqlite_engine(folder: Path) -> Engine:
    return Engine("sqlite", f"sqlite://{folder}/store/state.db")


_shared = ExitStack()


@cache
def shared_etcd() -> Cluster:
    """One etcd for all tests of this process; each store has a prefix of its own."""
    return _shared.enter_context(cluster())


def stop_shared_etcd() -> None:
    """The end of it."""
    _shared.close()
    shared_etcd.cache_clear()


def etcd_engine(folder: Path) -> Engine:
    return Engine("etcd", shared_etcd().url(f"{folder.name[:80]}-{secrets.token_hex(4)}"))


def memory_engine(_folder: Path) -> Engine:
    return MemoryEngine()


ENGINES: dict[str, Callable[[Path], Engine]] = {"sqlite": sqlite_engine, "etcd": etcd_engine, "memory": memory_engine}


def holder(run: str = "run-1") -> Holder:
    """This process as the holder."""
    return Holder.of_this_process(run)


def stranger(run: str = "run-9") -> Holder:
    """A holder of another machine, of whom nothing can be seen from here."""
    return replace(holder(run), machine="f" * 32, boot_id="another boot", who="eve@elsewhere")


def lease_of(store: Store, vm: Uuid = VM, run: str = "run-1", now: float = NOW) -> Lease:
    """The lease on a free VM."""
    taken = store.take_lease(vm, holder(run), TTL_S, now)
    assert isinstance(taken, Lease), taken
    return taken


def stopped(vm: Uuid = VM, run: str = "run-1") -> VmRecord:
    """The first record of a VM that was fenced on A."""
    return mark_stopped(unseen(vm, A), run, Reason.CONFIRMED_DEAD)


def captured(vm: Uuid = VM, at: float = NOW, xml: str = "<domain/>") -> Capture:
    """A captured definition."""
    return Capture(vm, A, at, "d" * 64, xml)


def fill(store: Store) -> None:
    """Something of everything that a store holds."""
    for number, vm in enumerate((VM, OTHER_VM)):
        run = f"run-{number}"
        store.begin_run(RunRow(run, NOW + number, "alice@adm", "start-vm", (vm,), {"yes": False}))
        lease = lease_of(store, vm, run)
        record = store.write_record(stopped(vm, run), lease, NOW)
        store.add_step(run, StepRow(NOW + number, "fence", vm, {"proxy": B, "seconds": 0.41}))
        record = store.write_record(mark_starting(record, B, run, ticket=7), lease, NOW)
        store.write_record(mark_running(record, B, run, NOW + 1), lease, NOW + 1)
        store.add_step(run, StepRow(NOW + number + 1, "start", vm, {"host": B}))
        if number == 0:
            store.end_run(run, NOW + 2, 0, {"decision": "started"})
    store.quarantine(A, "fenced", "run-0", NOW)
    store.learn_machine(B, "b" * 32, NOW)
    store.state(C, "alice@adm", "pulled the plug", NOW, NOW + 3600)
    store.plan([PlannedWork(WorkKind.DISARMED, "prod-a", "alice@adm", "rewiring", NOW, NOW + 3600)])
    store.keep_capture(captured())


def content(store: Store) -> tuple[object, ...]:
    """All that can be read of a store."""
    runs = store.runs()
    return (
        store.recall(NOW + 1),
        store.leases(),
        store.quarantined(),
        store.statements(),
        store.planned(),
        store.captures((VM, OTHER_VM)),
        runs,
        tuple(store.run(summary.row.run) for summary in runs),
    )


@contextmanager
def unprivileged() -> Iterator[None]:
    """Without root's rights over files for a while, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


class Worker:
    """Another process that works on a store: `python -m tests.contract.worker URL WORD…`; a line each way."""

    def __init__(self, url: str, *words: object) -> None:
        command = [sys.executable, "-m", "tests.contract.worker", url, *map(str, words)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.hears() == "ready"

    def hears(self) -> str:
        """The next line; '' when the worker has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self) -> list[str]:
        """SIGKILL, and wait until the process is gone. The answer: what it said and nobody has heard yet."""
        self.process.kill()
        self.process.wait(timeout=30)
        unheard = self.process.stdout.read().split() if self.process.stdout and not self.process.stdout.closed else []
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        return unheard

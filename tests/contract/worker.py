"""A process of its own that works on a store, for the tests: `python -m tests.contract.worker URL WORD…`.

Says "ready", waits for a line, does its work, and says what came of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from hafence.core.record import unseen
from hafence.core.stored import Lease
from hafence.effects import LeaseLost
from hafence.stores.port import RunRow, StepRow, Store
from tests.contract.engines import NOW, TTL_S, VM, A, holder, open_url


def say(line: object) -> None:
    print(line, flush=True)


def take(store: Store, run: str, now: str) -> None:
    """Take the lease, say how that went, and hold it until told otherwise."""
    say(type(store.take_lease(VM, holder(run), TTL_S, float(now))).__name__)
    sys.stdin.readline()


def open_at_once(url: str) -> None:
    """Open the store, new or not, and add a run to it."""
    store = open_url(url)
    store.begin_run(RunRow(holder("run").pid_start + f"-{holder('run').pid}", NOW, "test", "open"))
    say(len(store.check()))


def by_clock(store: Store, run: str) -> None:
    """Do what each line says (take, renew, write, drop), at the moment that it names by this node's clock; say how it
    went: what was taken, the revision of what was written, or what was refused."""
    lease = Lease(VM, 0, NOW)
    for line in sys.stdin:
        does, at = line.split()
        try:
            if does == "take":
                taken = store.take_lease(VM, holder(run), TTL_S, float(at))
                lease = taken if isinstance(taken, Lease) else lease
                say(type(taken).__name__)
            elif does == "renew":
                lease = store.renew_lease(lease, TTL_S, float(at))
                say("renewed")
            elif does == "write":
                record = store.recall(float(at)).records.get(VM) or unseen(VM, A)
                say(store.write_record(replace(record, run=run), lease, float(at)).revision)
            elif does == "drop":
                store.drop_lease(lease)
                say("dropped")
        except LeaseLost as lost:
            say(f"LeaseLost: {lost}")


def count(store: Store, token: str, times: str) -> None:
    """Raise the record's ticket so many times under one lease that several processes share."""
    lease = Lease(VM, int(token), NOW + TTL_S)
    done = 0
    while done < int(times):
        record = store.recall(NOW).records.get(VM) or unseen(VM, A)
        try:
            store.write_record(replace(record, ticket=record.ticket + 1), lease, NOW)
        except LeaseLost:
            continue
        done += 1
    say("done")


def steps(store: Store, run: str, times: str) -> None:
    """Add steps to a run of its own while others do the same."""
    store.begin_run(RunRow(run, NOW, "test", "steps"))
    for number in range(int(times)):
        store.add_step(run, StepRow(NOW, "step", None, {"number": number}))
    store.end_run(run, NOW, 0, {})
    say("done")


def hammer(store: Store, run: str) -> None:
    """Write for ever: a step and a record, and then its revision is said."""
    store.begin_run(RunRow(run, NOW, "test", "hammer"))
    lease = store.take_lease(VM, holder(run), TTL_S, NOW)
    assert isinstance(lease, Lease), lease
    while True:
        record = store.recall(NOW).records.get(VM) or unseen(VM, A)
        store.add_step(run, StepRow(NOW, "write", VM, {"revision": record.revision + 1, "padding": "x" * 2000}))
        say(store.write_record(replace(record, run=run), lease, NOW).revision)


def main() -> None:
    url, command, *words = sys.argv[1:]
    if command == "open_at_once":
        say("ready")
        sys.stdin.readline()
        open_at_once(url)
        return
    store = open_url(url)
    say("ready")
    sys.stdin.readline()
    commands: dict[str, Callable[..., None]] = {
        "take": take,
        "by_clock": by_clock,
        "count": count,
        "steps": steps,
        "hammer": hammer,
    }
    commands[command](store, *words)


if __name__ == "__main__":
    main()

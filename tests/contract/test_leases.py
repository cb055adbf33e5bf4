"""Leases: of many takers one holds it, and only its holder writes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from hafence.core.stored import Busy, Lease
from hafence.effects import LeaseLost
from hafence.stores.holder import is_gone, is_gone_from_here
from hafence.stores.port import Store

from .engines import NOW, OTHER_VM, TTL_S, VM, Engine, Worker, holder, lease_of, stopped, stranger, unprivileged


def test_a_free_lease_is_taken_and_the_next_taker_is_told_by_whom(store: Store, other: Store) -> None:
    lease = lease_of(store)
    assert lease == Lease(VM, lease.token, NOW + TTL_S)
    busy = other.take_lease(VM, holder("run-2"), TTL_S, NOW)
    assert busy == Busy(VM, holder().words, "run-1", NOW + TTL_S, NOW)
    assert f"(pid {holder().pid})" in holder().words


def test_a_lease_on_one_vm_leaves_the_others_free(store: Store) -> None:
    lease_of(store, VM)
    assert lease_of(store, OTHER_VM, "run-2").vm == OTHER_VM


def test_not_even_the_same_run_takes_a_lease_twice(store: Store) -> None:
    lease_of(store)
    assert isinstance(store.take_lease(VM, holder(), TTL_S, NOW), Busy)


def test_a_clone_of_this_admin_node_on_a_shared_store_keeps_its_lease(engine: Engine, store: Store) -> None:
    """It has this machine's machine-id and a boot of its own. Only one machine has a SQLite file: there it was an
    earlier boot."""
    store.take_lease(VM, replace(holder("run-9"), boot_id="the boot of the clone"), TTL_S, NOW)
    taken = store.take_lease(VM, holder(), TTL_S, NOW + 1)
    assert isinstance(taken, Busy if engine.name == "etcd" else Lease)
    assert isinstance(store.take_lease(VM, holder(), TTL_S, NOW + 2 * TTL_S), Lease)


def test_a_stranger_keeps_the_lease_until_the_moment_it_expires(store: Store) -> None:
    store.take_lease(VM, stranger(), TTL_S, NOW)
    assert isinstance(store.take_lease(VM, holder(), TTL_S, NOW + TTL_S - 0.001), Busy)
    assert isinstance(store.take_lease(VM, holder(), TTL_S, NOW + TTL_S), Lease)


def test_tokens_grow_with_every_lease_even_when_the_lease_before_is_gone(engine: Engine, store: Store) -> None:
    tokens = []
    for vm, now in ((VM, NOW), (OTHER_VM, NOW), (VM, NOW + TTL_S), (VM, NOW - 9_999)):
        lease = lease_of(store, vm, now=now)
        tokens.append(lease.token)
        store.drop_lease(lease)
    store.close()
    again = engine.open()
    tokens.append(lease_of(again, now=0.0).token)
    again.close()
    assert tokens == sorted(set(tokens))


def test_a_new_store_gives_no_token_that_a_lost_one_gave_before(store: Store) -> None:
    # Hosts remember the highest ticket; a store that begins at 1 again could start nothing on them.
    assert lease_of(store).token >= NOW * 1000


def test_a_renewed_lease_lasts_from_now_on(store: Store) -> None:
    lease = lease_of(store)
    renewed = store.renew_lease(lease, TTL_S, NOW + 100)
    assert renewed == Lease(VM, lease.token, NOW + 100 + TTL_S)
    assert isinstance(store.take_lease(VM, holder("run-2"), TTL_S, NOW + TTL_S + 1), Busy)


def test_an_expired_lease_is_not_renewed_even_if_nobody_took_it(store: Store) -> None:
    lease = lease_of(store)
    with pytest.raises(LeaseLost, match="expired"):
        store.renew_lease(lease, TTL_S, NOW + TTL_S)


def test_a_lease_that_was_taken_over_is_lost_and_cannot_be_dropped_for_its_new_holder(
    store: Store, other: Store
) -> None:
    old = lease_of(store)
    new = lease_of(other, run="run-2", now=NOW + TTL_S)
    assert new.token > old.token
    with pytest.raises(LeaseLost, match="taken over by run run-2"):
        store.renew_lease(old, TTL_S, NOW + TTL_S)
    store.drop_lease(old)
    assert [row.token for row in store.leases()] == [new.token]


def test_a_dropped_lease_is_free_and_no_longer_held(store: Store) -> None:
    lease = lease_of(store)
    store.drop_lease(lease)
    store.drop_lease(lease)
    assert store.leases() == ()
    with pytest.raises(LeaseLost):
        store.renew_lease(lease, TTL_S, NOW)
    assert lease_of(store, run="run-2").token > lease.token


def test_a_dead_process_of_this_machine_loses_its_lease_at_once_and_its_writes(
    store: Store, start_worker: Callable[..., Worker]
) -> None:
    worker = start_worker("take", "run-w", NOW)
    worker.say("go")
    assert worker.hears() == "Lease"
    busy = store.take_lease(VM, holder(), TTL_S, NOW)
    assert isinstance(busy, Busy)
    assert busy.run == "run-w"
    held = store.leases()[0]

    worker.kill()

    lease = store.take_lease(VM, holder(), TTL_S, NOW)
    assert isinstance(lease, Lease)
    assert lease.token > held.token
    with pytest.raises(LeaseLost):
        store.write_record(stopped(), Lease(VM, held.token, held.expires_at), NOW)


def test_a_clock_that_jumped_back_never_frees_a_lease(store: Store) -> None:
    store.take_lease(VM, stranger(), TTL_S, NOW)
    assert isinstance(store.take_lease(VM, holder(), TTL_S, NOW - 86_400), Busy)


def test_after_a_clock_that_jumped_ahead_the_earlier_run_can_write_nothing(store: Store, other: Store) -> None:
    early = lease_of(store)
    late = lease_of(other, run="run-2", now=NOW + 86_400)
    assert late.token > early.token
    with pytest.raises(LeaseLost):
        store.write_record(stopped(), early, NOW + 1)  # its clock was set back meanwhile
    assert other.write_record(stopped(), late, NOW + 86_401).revision == 1


@pytest.mark.parametrize(("ttl_s", "now"), [(0, NOW), (-1, NOW), (float("nan"), NOW), (1, float("inf")), (1, -1.0)])
def test_a_lease_of_no_length_or_no_time_is_a_bug(store: Store, ttl_s: float, now: float) -> None:
    with pytest.raises(ValueError, match="not a"):
        store.take_lease(VM, holder(), ttl_s, now)
    assert store.leases() == ()


def test_threads_that_share_a_store_get_one_lease_between_them(store: Store) -> None:
    answers: list[Lease | Busy] = []
    barrier = threading.Barrier(8)

    def take(number: int) -> None:
        barrier.wait()
        answers.append(store.take_lease(VM, holder(f"run-{number}"), TTL_S, NOW))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(type(answer).__name__ for answer in answers) == ["Busy"] * 7 + ["Lease"]


class TestHolder:
    """When a holder's process is certain to be gone."""

    def test_this_process_is_not_gone(self) -> None:
        assert not is_gone(holder())

    def test_a_pid_in_use_again_by_another_process_is_gone(self) -> None:
        assert is_gone(replace(holder(), pid_start="1"))

    def test_a_living_process_of_another_user_is_not_gone(self) -> None:
        init = replace(holder(), pid=1, pid_start=_start_of(1))
        assert not is_gone(init)
        with unprivileged():
            assert not is_gone(init)

    def test_a_process_from_before_a_reboot_of_this_machine_is_gone(self) -> None:
        assert is_gone(replace(holder(), boot_id="the boot before"))

    def test_of_what_several_machines_share_another_boot_is_perhaps_a_clones(self) -> None:
        assert not is_gone_from_here(replace(holder(), boot_id="the boot of a clone"))
        assert not is_gone_from_here(holder())
        assert is_gone_from_here(replace(holder(), pid_start="1"))

    def test_a_process_of_another_machine_is_never_called_gone(self) -> None:
        assert not is_gone(stranger())
        assert not is_gone(replace(stranger(), machine=""))

    def test_a_process_of_another_container_on_this_kernel_is_never_called_gone(self) -> None:
        assert not is_gone(replace(holder(), pid_namespace="pid:[1]", pid_start="1"))

    def test_a_holder_of_whom_too_little_is_known_is_never_called_gone(self) -> None:
        assert not is_gone(replace(holder(), pid_start="", pid=2**22 - 3))
        assert not is_gone(replace(holder(), boot_id="", pid=2**22 - 3))

    def test_a_zombie_is_gone_and_a_stopped_process_is_not(self, start_worker: Callable[..., Worker]) -> None:
        worker = start_worker("take", "run-w", NOW)
        start = replace(holder(), pid=worker.process.pid, pid_start=_start_of(worker.process.pid))
        worker.process.send_signal(19)  # SIGSTOP
        assert not is_gone(start)
        worker.process.send_signal(9)
        _wait_until_zombie(worker.process.pid)
        assert is_gone(start)


def _stat(pid: int) -> list[str]:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()


def _start_of(pid: int) -> str:
    return _stat(pid)[19]


def _wait_until_zombie(pid: int) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if _stat(pid)[0] == "Z":
            return
        pause.wait(0.01)
    raise AssertionError(f"{pid} did not die")

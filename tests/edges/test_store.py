"""A store with flipped bytes, through the whole command: the truth or exit 7, and nothing is made worse."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from hafence.core.model import HostName, Uuid
from hafence.core.stored import Lease
from hafence.stores import open_store
from hafence.stores.holder import Holder

from .bend import bent_by, examples, seeded
from .command import DB, Place, a_place

READING = (("status", "--json"), ("history", "--json"), ("explain", "--json"), ("store", "check", "--json"))


@pytest.fixture(scope="module")
def whole() -> Iterator[Place]:
    """A store with a record, a lease, a statement, a quarantine, a run that started and one that refused."""
    with a_place() as place:
        assert place.type("start-vm", "web-01").code == 0
        assert place.type("start-vm", "db-01").code == 3
        store, now = open_store(f"sqlite://{place.folder}/state.db"), time.time()
        store.state(HostName("kvm-02"), "ann@adm", "both cords pulled", now, now + 86400)
        store.quarantine(HostName("kvm-01"), "db-01 was fenced there", "run-0", now)
        assert isinstance(store.take_lease(Uuid(DB), Holder.of_this_process("run-0"), 86400, now), Lease)
        store.close()
        (place.folder / "start.ran").unlink()
        shutil.copyfile(place.folder / "state.db", place.folder / "whole.db")
        yield place


def damage(place: Place, content: bytes, log: bytes | None = None) -> Path:
    """Put a damaged store in place."""
    path = place.folder / "state.db"
    for ending in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    path.write_bytes(content)
    if log is not None:
        path.with_name(path.name + "-wal").write_bytes(log)
    (place.folder / "start.ran").unlink(missing_ok=True)
    return path


def flipped(chance: random.Random, content: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 8])):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


@settings(max_examples=examples(80))
@given(chance=seeded)
def test_a_flipped_bit_is_refused_or_changes_nothing_that_is_said(whole: Place, chance: random.Random) -> None:
    content = (whole.folder / "whole.db").read_bytes()
    words = chance.choice(READING)
    damage(whole, content)
    right = whole.type(*words)
    damaged = flipped(chance, content)
    path = damage(whole, damaged)
    typed = whole.type(*words)
    if typed.code == 7:
        assert "state.db" in str(typed.document)
    elif words[0] != "store":
        assert (typed.code, typed.document) == (right.code, right.document)
    assert path.read_bytes() == damaged


@settings(max_examples=examples(60))
@given(chance=seeded)
def test_a_start_on_a_damaged_store_is_refused_whole_or_true(whole: Place, chance: random.Random) -> None:
    """web-01 runs on bh-02: a run that takes it to be on bh-01, as the inventory has it, has lost the record."""
    content = (whole.folder / "whole.db").read_bytes()
    damaged = flipped(chance, content) if chance.random() < 0.7 else bent_by(chance, content)
    path = damage(whole, damaged)
    typed = whole.type("start-vm", "web-01", "--json")
    assert typed.code in (0, 3, 7)
    if typed.code == 7:
        assert typed.document["error"]["exit"] == 7
        assert whole.starts == 0
        if path.read_bytes() != damaged:  # the run had begun its history when it met the damaged row
            assert whole.type("start-vm", "web-01", "--json").code == 7
    else:
        assert typed.document["suspect"] == "bh-02"


def test_a_store_cut_at_any_page_or_with_a_page_of_noise_is_exit_7(whole: Place) -> None:
    content = (whole.folder / "whole.db").read_bytes()
    noise = random.Random(7).randbytes(4096)
    for start in range(0, len(content), 4096):
        for damaged in (content[:start], content[:start] + noise + content[start + 4096 :]):
            path = damage(whole, damaged)
            for words in (("start-vm", "web-01", "--json"), ("status", "--json")):
                typed = whole.type(*words)
                assert typed.code == 7 or typed.document.get("suspect", "bh-02") == "bh-02", start
                assert path.read_bytes() == damaged or typed.code != 7
            assert whole.starts == 0 or typed.code != 7


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"SQLite format 3\0", b"SQLite format 3\0" + bytes(84), b"\xff" * 8192, b"vms: {}\n"],
    ids=["empty", "nul", "magic", "zeros", "noise", "text"],
)
def test_what_is_no_store_is_exit_7_and_left_alone(content: bytes) -> None:
    with a_place() as place:
        path = damage(place, content)
        for words in (("start-vm", "web-01", "--json"), *READING):
            assert place.type(*words).code == 7
        assert (place.starts, path.read_bytes()) == (0, content)


def test_a_damaged_log_of_a_crash_gives_a_state_that_there_was_or_exit_7() -> None:
    """SQLite takes a frame that does not match its checksum for the end of the log: what follows was never written."""
    with a_place() as place:
        kept = open_store(f"sqlite://{place.folder}/state.db")  # as a run that was killed, it does not fold the log in
        assert place.type("start-vm", "web-01").code == 0
        path = place.folder / "state.db"
        content, log = path.read_bytes(), path.with_name("state.db-wal").read_bytes()
        kept.close()
        assert len(log) > 4096
        true = {("running", "bh-01"), ("stopped", None), ("starting", "bh-02"), ("running", "bh-02")}
        chance = random.Random(11)
        seen = set()
        for place_in_log in [*range(0, 56, 4), *(chance.randrange(56, len(log)) for _ in range(60))]:
            damaged = bytearray(log)
            damaged[place_in_log] ^= 1 << chance.randrange(8)
            damage(place, content, bytes(damaged))
            typed = place.type("status", "--json")
            if typed.code == 7:
                continue
            (web,) = (vm for vm in typed.document["vms"] if vm["name"] == "web-01")
            seen.add((web["state"], web["host"]))
        assert seen <= true
        assert len(seen) > 1

"""Answers of an etcd, bent on their way: the truth, or a StoreError; and what is stored is whole."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings

from hafence.core.record import mark_starting
from hafence.core.stored import Lease
from hafence.effects import StoreError
from hafence.stores import open_store
from hafence.stores.port import RunRow, StepRow, Store
from tests.contract.bad_line import BadLine, bad_line
from tests.contract.engines import (
    NOW,
    TTL_S,
    VM,
    A,
    B,
    content,
    fill,
    holder,
    shared_etcd,
    stop_shared_etcd,
    stopped,
    stranger,
)

from .bend import HUGE, bent_by, examples, seeded

Bent = Callable[[random.Random, bytes], bytes]


@pytest.fixture(scope="module")
def line() -> Iterator[BadLine]:
    with bad_line(shared_etcd().members[0].port) as line:
        yield line
    stop_shared_etcd()


def urls(line: BadLine) -> tuple[str, str]:
    """A new store over a good line, and over the bad one."""
    near = shared_etcd().url(f"fuzz-{secrets.token_hex(6)}")
    return near, near.replace(str(shared_etcd().members[0].port), str(line.port))


class Story:
    """What a run does, step by step, with what it is told."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store: Store | None = None
        self.told: list[object] = []

    def steps(self) -> Iterator[object]:
        self.store = store = open_store(self.url)
        yield "open"
        store.begin_run(RunRow("run-1", NOW, "alice", "start-vm", (VM,)))
        yield "begin_run"
        lease = store.take_lease(VM, holder(), TTL_S, NOW)
        yield lease
        assert isinstance(lease, Lease)
        record = store.write_record(stopped(), lease, NOW)
        yield record
        yield store.add_step("run-1", StepRow(NOW, "fence", VM, {"proxy": B}))
        yield store.write_record(mark_starting(record, B, "run-1", 7), lease, NOW)
        yield store.recall(NOW)
        store.quarantine(A, "fenced", "run-1", NOW)
        yield "quarantine"
        store.state(A, "alice", "unplugged", NOW, NOW + 60)
        yield "state"
        store.lift_quarantine(A, "a" * 32, NOW)
        yield "lift_quarantine"
        yield store.take_lease(VM, stranger(), TTL_S, NOW)
        lease = store.renew_lease(lease, TTL_S, NOW + 1)
        yield lease
        store.drop_lease(lease)
        yield "drop_lease"
        store.end_run("run-1", NOW, 0, {"decision": "started"})
        yield "end_run"
        yield content(store)
        yield store.check()

    def play(self) -> bool:
        """Whether it came to its end; False where the store was refused in words. Any other error fails the test."""
        words = ""
        try:
            self.told.extend(self.steps())
            return True
        except StoreError as error:
            words = str(error)
        finally:
            if self.store is not None:
                self.store.close()
        assert "fuzz-" in words
        assert words.isprintable()
        return False


def states(url: str) -> tuple[list[object], list[tuple[object, ...]]]:
    """What a run is told over a good line, and what is stored after each of its steps."""
    story = Story(url)
    stored: list[tuple[object, ...]] = []
    for said in story.steps():
        story.told.append(said)
        stored.append(content_of(url))
    assert story.store is not None
    story.store.close()
    return story.told, stored


def content_of(url: str) -> tuple[object, ...]:
    store = open_store(url, read_only=True)
    try:
        assert store.check() == ()
        return content(store)
    finally:
        store.close()


@contextmanager
def bending(line: BadLine, chance: random.Random, bent: Bent, at: int) -> Iterator[list[bytes]]:
    """The answer with that number is bent, on the line and nowhere else."""
    said: list[bytes] = []

    def bend(_request: bytes, answer: bytes) -> bytes | None:
        said.append(answer)
        return bent(chance, answer) if len(said) == at else None

    line.bend = bend
    try:
        yield said
    finally:
        line.bend = lambda _request, _answer: None


def message_bent(chance: random.Random, answer: bytes) -> bytes:
    """The whole of it, with the status and the headers."""
    return bent_by(chance, answer)


def body_bent(chance: random.Random, answer: bytes) -> bytes:
    """The JSON alone; the headers fit it."""
    return framed(bent_by(chance, answer.partition(b"\r\n\r\n")[2]))


def tree_bent(chance: random.Random, answer: bytes) -> bytes:
    """JSON that is whole, but not what an etcd says: one place in it is another."""
    document = json.loads(answer.partition(b"\r\n\r\n")[2])
    places = list(_places(document))
    where, key = chance.choice(places)
    change = chance.randrange(5)
    if change == 0:
        del where[key]
    elif change == 1:
        where[key] = chance.choice([None, True, 0, -1, 1.5, "", "x", "0", "-1", "1e3", [], {}, [{}], {"x": 1}, 2**64])
    elif change == 2:
        where[key] = chance.choice(HUGE).decode()
    elif change == 3:
        other, name = chance.choice(places)
        where[key] = deepcopy(other[name])
    elif isinstance(where[key], list):
        where[key] = [*where[key], *where[key]]
    else:
        where[key] = [where[key]]
    return framed(json.dumps(document).encode())


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def framed(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@pytest.mark.parametrize("bent", [message_bent, body_bent, tree_bent])
def test_one_bent_answer_is_seen_through_or_refused(line: BadLine, bent: Bent) -> None:
    told, stored = states(urls(line)[0])
    refusals = []

    @settings(max_examples=examples(80))
    @given(chance=seeded)
    def try_one(chance: random.Random) -> None:
        near, far = urls(line)
        story = Story(far)
        with bending(line, chance, bent, at=chance.randint(1, 40)) as said:
            ended = story.play()
        refusals.append(not ended)
        done = len(story.told)
        assert story.told == told[:done]
        if done:  # the last step may have been written though nobody heard so
            assert content_of(near) in stored[done - 1 : done + 1]
        assert said

    try_one()
    assert any(refusals)
    assert not all(refusals)


@settings(max_examples=examples(30))
@given(chance=seeded)
def test_a_store_of_which_every_reading_may_be_bent_says_nothing_untrue(line: BadLine, chance: random.Random) -> None:
    near, far = urls(line)
    store = open_store(near)
    fill(store)
    right = content(store)
    store.close()
    line.bend = lambda _request, answer: body_bent(chance, answer) if chance.random() < 0.3 else None
    words, found = "", None
    try:
        bad = open_store(far, read_only=True)
        found = content(bad)
        bad.close()
    except StoreError as error:
        words = str(error)
    finally:
        line.bend = lambda _request, _answer: None
    assert words.isprintable()
    assert words or found == right


ODD = {
    "nothing": b"",
    "empty": framed(b""),
    "no json": framed(b"hello"),
    "a list": framed(b"[]"),
    "no header": framed(b"{}"),
    "empty header": framed(b'{"header":{}}'),
    "deep": framed(b'{"header":' + b"[" * 100_000),
    "twice": framed(b'{"header":{"cluster_id":"1","revision":"1"},"header":{"cluster_id":"2","revision":"1"}}'),
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "http 0.9": b"<html></html>",
    "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nNot Found",
    "302": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "401": b'HTTP/1.1 401 Unauthorized\r\nContent-Length: 22\r\n\r\n{"code":16,"error":""}',
    "100": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    "long header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 1000 + b"\r\n",
    "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    "huge length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    "endless": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (40 * 1024 * 1024),
    "refused": b'HTTP/1.1 400 Bad Request\r\nContent-Length: 35\r\n\r\n{"code":9,"error":"\\u001b[2J\\u0000x"}',
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_answer_of_an_etcd_is_a_store_error(line: BadLine, name: str) -> None:
    line.bend = lambda _request, _answer: ODD[name]
    try:
        with pytest.raises(StoreError) as refused:
            open_store(urls(line)[1])
    finally:
        line.bend = lambda _request, _answer: None
    assert str(refused.value).isprintable()

"""What ceph and rbd say, bent: read as it stands or refused, and nobody is fenced by an entry that is not there."""

from __future__ import annotations

import ipaddress
import random
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hafence.adapters.hosts.program import ProgramResult
from hafence.adapters.storage.ceph import CephError, entries, lockers, parse_entries, parse_images, watchers
from hafence.core.storage.ceph import Client, uncovered
from hafence.core.storage.port import Entry

from .bend import MEGABYTES, bent_by, examples, heard, make_it_megabytes

GOLDEN = Path(__file__).parents[1] / "adapters" / "ceph"
NONCE = "0123456789abcdef"
OURS = f"hafence/1 {NONCE} "
ANSWERS = {
    kind: [path.read_bytes() for path in sorted(GOLDEN.glob(f"*{kind}-*.json"))]
    for kind in ("status", "locks", "blocklist")
}
READERS = {"status": watchers, "locks": lockers, "blocklist": entries}
NOW = 1_763_800_000.0
_ADDRESS = re.compile(r'"(?:v[12]:|any:)?(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]+)/([0-9]+)"')
chances = st.randoms(use_true_random=False)


def addresses_in(said: str) -> set[Client]:
    """Every client that an answer names, found without reading it."""
    found = set()
    for match in _ADDRESS.finditer(said):
        with suppress(ValueError):
            found.add(Client(str(ipaddress.ip_address(match[1] or match[2])), int(match[3]), int(match[4])))
    return found


def check(kind: str, said: str) -> None:
    try:
        answer = READERS[kind](said)
    except CephError:
        return
    named = addresses_in(said)
    pieces = [addresses_in(piece) for piece in re.findall(r"\{[^{}]*\}", said) if '"until"' in piece]
    with_an_end = set().union(*pieces)
    for each in answer:
        if isinstance(each, Entry):
            assert each.client in with_an_end
        else:
            assert each in named


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=examples(200))
@given(chance=chances)
def test_a_bent_answer_names_nobody_that_it_does_not_hold(kind: str, chance: random.Random) -> None:
    check(kind, heard(bent_by(chance, chance.choice(ANSWERS[kind]))))


@pytest.mark.parametrize("kind", READERS)
def test_an_answer_cut_at_any_byte_is_refused(kind: str) -> None:
    for answer in ANSWERS[kind]:
        for length in range(len(answer)):
            said = heard(answer[:length])
            with suppress(CephError):
                # What is whole without its end are the documents before the last one, of ranges.
                assert READERS[kind](said) == READERS[kind](heard(answer))


@pytest.mark.parametrize("kind", READERS)
@given(noise=st.binary(max_size=200))
def test_bytes_are_refused_or_name_nobody(kind: str, noise: bytes) -> None:
    check(kind, heard(noise))


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=examples(3))
@given(chance=chances)
def test_an_answer_of_megabytes_is_refused_or_read(kind: str, chance: random.Random) -> None:
    check(kind, heard(make_it_megabytes(chance, chance.choice(ANSWERS[kind]))))


@pytest.mark.parametrize("piece", ["[]", "[] ", "[", '{"a":', "9", '"', " ", "\\"])
def test_a_piece_over_and_over_is_refused_or_read_in_one_pass(piece: str) -> None:
    """A million documents were once cut off one by one, the rest copied each time."""
    for kind in READERS:
        with suppress(CephError):
            assert READERS[kind](piece * (MEGABYTES // 2 // len(piece))) == ()


# ---------------------------------------------------------------- the fence


@settings(max_examples=examples(300))
@given(chance=chances)
def test_a_bent_listing_covers_no_client_that_it_does_not_list(chance: random.Random) -> None:
    whole = chance.choice([answer for answer in ANSWERS["blocklist"] if b"addr" in answer])
    said = heard(bent_by(chance, whole))
    try:
        listed = entries(said)
    except CephError:
        return
    named = addresses_in(said)
    for client in (Client("10.9.9.9", 0, 5), Client("fd00::1", 0, 77), Client("10.9.9.8", 0, 5)):
        if not uncovered([client], listed, NOW, 3600.0):
            assert client in named or Client(client.ip, 0, 0) in named


# ---------------------------------------------------------------- the conversation


def conversation(*lines: str) -> bytes:
    whole = ["hello clock=1763824000.1 machine=- host=kvm-02", *lines, "end"]
    return "".join(f"{OURS}{line}\n" for line in whole).encode()


IMAGES = conversation(
    'status 1 0 {"watchers":[{"address":"10.0.0.11:0/5","client":4120,"cookie":1}]}',
    'locks 1 0 [{"id":"auto 1","locker":"client.4120","address":"10.0.0.11:0/5"}]',
    'status 2 0 {"watchers":[]}',
    "locks 2 0 []",
    "from 10.0.0.12",
)
LISTING = conversation('blocklist 0 [{"addr":"10.0.0.11:0/5","until":"2026-11-22T18:03:55.030304+0000"}]')
MINE = Client("10.0.0.11", 0, 5)


@settings(max_examples=examples(300))
@given(chance=chances, status=st.sampled_from([0, 0, 0, 1, 11, 124, 255, None]))
def test_a_bent_conversation_is_refused_or_says_what_it_said(chance: random.Random, status: int | None) -> None:
    said = heard(bent_by(chance, IMAGES))
    with suppress(CephError):
        seen = parse_images(NONCE, ProgramResult(None, "", status, said, "", 0.1), ["rbd/a", "rbd/b"])
        assert status == 0
        named = addresses_in(said)
        assert list(seen.images) == ["rbd/a", "rbd/b"]
        assert all({*image.watchers, *image.lockers} <= named for image in seen.images.values())
        lines = [line for line in said.split("\n") if line.startswith(OURS)]
        assert sum(line.startswith((f"{OURS}status ", f"{OURS}locks ")) for line in lines) == 4
    said = heard(bent_by(chance, LISTING))
    with suppress(CephError):
        listed = parse_entries(NONCE, ProgramResult(None, "", status, said, "", 0.1))
        assert status == 0
        assert {entry.client for entry in listed} <= addresses_in(said)


def test_a_conversation_cut_at_any_byte_is_refused() -> None:
    for length in range(len(IMAGES) - 1):
        with pytest.raises(CephError):
            parse_images(NONCE, ProgramResult(None, "", 0, heard(IMAGES[:length]), "", 0.1), ["rbd/a", "rbd/b"])
    for length in range(len(LISTING) - 1):
        with pytest.raises(CephError):
            parse_entries(NONCE, ProgramResult(None, "", 0, heard(LISTING[:length]), "", 0.1))

"""Answers bent out of shape, as a broken disk, a full pipe, a noisy line or a hostile host would bend them."""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st

Bend = Callable[[random.Random, bytes], bytes]

JUNK = (
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xe2\x80\xa8",
    b"\x1b[2J",
    b"\r",
    b"\t",
    b" ",
    b"\n",
    b"{",
    b"]",
    b"&",
)
HUGE = (b"9" * 19, b"9" * 40, b"-1", b"0", b"1e999", b"NaN", b"9" * 5000, "٣".encode())
MEGABYTES = 2 * 1024 * 1024
"""Of a long answer. The SSH adapter takes no more than twice as much."""


def examples(count: int) -> int:
    """How many examples a test tries: `count` under the profile ci, more under one that has more time."""
    return count * settings().max_examples // 100


def drop_a_line(chance: random.Random, whole: bytes) -> bytes:
    lines = whole.split(b"\n")
    del lines[chance.randrange(len(lines))]
    return b"\n".join(lines)


def double_a_line(chance: random.Random, whole: bytes) -> bytes:
    lines = whole.split(b"\n")
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
    return b"\n".join(lines)


def swap_two_lines(chance: random.Random, whole: bytes) -> bytes:
    lines = whole.split(b"\n")
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def cut_off(chance: random.Random, whole: bytes) -> bytes:
    return whole[: chance.randrange(len(whole) + 1)]


def cut_out(chance: random.Random, whole: bytes) -> bytes:
    at = chance.randrange(len(whole) + 1)
    return whole[:at] + whole[at + chance.randint(1, 30) :]


def repeat_a_part(chance: random.Random, whole: bytes) -> bytes:
    at, start = chance.randrange(len(whole) + 1), chance.randrange(len(whole) + 1)
    return whole[:at] + whole[start : start + chance.randint(1, 120)] + whole[at:]


def change_a_digit(chance: random.Random, whole: bytes) -> bytes:
    places = [place for place, byte in enumerate(whole) if chr(byte).isdigit()]
    if not places:
        return whole
    at = chance.choice(places)
    return whole[:at] + str(chance.randrange(10)).encode() + whole[at + 1 :]


def make_a_number_huge(chance: random.Random, whole: bytes) -> bytes:
    places = [place for place, byte in enumerate(whole) if chr(byte).isdigit()]
    if not places:
        return whole
    at = chance.choice(places)
    end = at
    while end < len(whole) and chr(whole[end]).isdigit():
        end += 1
    return whole[:at] + chance.choice(HUGE) + whole[end:]


def put_junk_in(chance: random.Random, whole: bytes) -> bytes:
    at = chance.randrange(len(whole) + 1)
    return whole[:at] + chance.choice(JUNK) + whole[at:]


def flip_a_bit(chance: random.Random, whole: bytes) -> bytes:
    if not whole:
        return whole
    at = chance.randrange(len(whole))
    return whole[:at] + bytes([whole[at] ^ 1 << chance.randrange(8)]) + whole[at + 1 :]


def make_it_megabytes(chance: random.Random, whole: bytes) -> bytes:
    at = chance.randrange(len(whole) + 1)
    piece = whole[at : at + chance.randint(1, 60)] or b"x"
    return whole[:at] + piece * (MEGABYTES // len(piece)) + whole[at:]


BENDS: tuple[Bend, ...] = (
    drop_a_line,
    double_a_line,
    swap_two_lines,
    cut_off,
    cut_out,
    repeat_a_part,
    change_a_digit,
    make_a_number_huge,
    put_junk_in,
    flip_a_bit,
)


def bent_by(chance: random.Random, whole: bytes, most: int = 3) -> bytes:
    """An answer bent one to `most` times."""
    for _ in range(chance.randint(1, most)):
        whole = chance.choice(BENDS)(chance, whole)
    return whole


def bent(whole: bytes, most: int = 3) -> st.SearchStrategy[bytes]:
    """An answer bent in every way that is not long."""
    return st.randoms(use_true_random=False).map(lambda chance: bent_by(chance, whole, most))


seeded = st.integers(0, 2**32 - 1).map(random.Random)
"""Chance that Hypothesis does not steer: for content that differs from one run to the next (paths, times)."""


def heard(answer: bytes) -> str:
    """An answer as the adapters hand it on."""
    return answer.decode("utf-8", "replace")

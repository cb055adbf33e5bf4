"""A guest that writes: a boot sector of our own. Its disk tells whether an older copy has written after a newer one.

Every VM of the lab is one, unless a test gives it disks of its own (`Lab.start_vm`).

    sector 0      the program
    sector 1      how many copies have begun: each reads it, adds one, and takes that for its number
    sector 1 + n  of copy n: its number, how often it has written, and how often copy n - 1 had when this one began

All numbers are 16 bits, little-endian. A copy does nothing but write once it has begun: what it has under way when it
dies is a write. One that lands later has changed its copy's sector after the next copy looked there.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import NamedTuple

SECTOR = 512
SECTORS = 16
BEYOND = 64 << 10
"""Bytes from the begin of a disk: from here on the guest never writes, and a test may."""
_OWN, _FOUND = 0x8000, 0x8200
_READ, _WRITE = 0x4200, 0x4300
_BASE, _DRIVE, _PACKET = 0x7C00, 0x7D00, 0x7D10


class Told(NamedTuple):
    """What a disk tells."""

    begun: int
    """How many copies have begun to write."""
    writes: int
    """How often the newest of them has written."""
    is_late: bool
    """Whether a copy's write has come after the next copy had begun."""


def boot_sectors() -> bytes:
    """The disk as the first copy finds it."""
    return _boot_sector() + bytes((SECTORS - 1) * SECTOR)


def read_told(disk: bytes) -> Told:
    """What the first sectors of a disk tell."""
    (begun,) = struct.unpack_from("<H", disk, SECTOR)
    copies = [struct.unpack_from("<HHH", disk, (1 + number) * SECTOR) for number in range(1, begun + 1)]
    is_late = any(older[1] != newer[2] for older, newer in pairwise(copies) if newer[0])
    return Told(begun, copies[-1][1] if copies else 0, is_late)


def _boot_sector() -> bytes:
    """8086 machine code, by hand. It reads and writes by INT 13h with AH 42h and 43h, and waits for the timer."""
    counter, own = b"\xbb\x01\x00", b"\x8b\x1e" + _word(_OWN)  # mov bx, 1; mov bx, [own number]
    code = [
        bytes.fromhex("fa 31c0 8ed8 8ec0 8ed0 bc007c fb") + b"\x88\x16" + _word(_DRIVE),
        _disk(_READ, counter, _OWN),
        b"\xff\x06" + _word(_OWN),  # inc word [own number]
        _disk(_WRITE, counter, _OWN),
        _disk(_READ, own, _FOUND),  # of the copy before
        b"\xa1" + _word(_FOUND + 2) + b"\xa3" + _word(_OWN + 4),  # what it had written, to what this one found
        b"\xc7\x06" + _word(_OWN + 2) + _word(0),
    ]
    loop = sum(map(len, code))
    code += [
        b"\xff\x06" + _word(_OWN + 2),  # inc word [own writes]
        _disk(_WRITE, own + b"\x43", _OWN),
        b"\xf4" * 6,  # hlt: rest for six ticks of 55 ms
    ]
    return _linked(b"".join([*code, b"\xeb", struct.pack("<b", loop - sum(map(len, code)) - 2)]))


def _disk(function: int, sector: bytes, buffer: int) -> bytes:
    """A call of the subroutine that reads or writes the sector in bx; where it is, is put in at the end."""
    return b"\xb8" + _word(function) + sector + b"\xb9" + _word(buffer) + b"\xe8??"


def _linked(code: bytes) -> bytes:
    routine = b"\x89\x1e" + _word(_PACKET + 8) + b"\x89\x0e" + _word(_PACKET + 4)  # the sector, and the buffer
    routine += b"\x8a\x16" + _word(_DRIVE) + b"\xbe" + _word(_PACKET) + b"\xcd\x13\xc3"
    at = len(code)
    while (call := code.find(b"\xe8??")) >= 0:
        code = code[: call + 1] + struct.pack("<h", at - call - 3) + code[call + 3 :]
    packet = b"\x10\x00" + _word(1) + bytes(12)
    body = (code + routine).ljust(_PACKET - _BASE, b"\0") + packet
    assert len(code + routine) <= _DRIVE - _BASE
    return body.ljust(SECTOR - 2, b"\0") + b"\x55\xaa"


def _word(value: int) -> bytes:
    return struct.pack("<H", value)

"""A guest that writes: a boot sector of our own. What it leaves on its disk tells who wrote, and in which order.

    sector 0  the program
    sector 1  how many copies have begun: each reads it, adds one, and takes that for its own number
    sector 2  (number, writes) of whoever wrote last
    sector 3  nothing, unless a copy found another's number in sector 2 where it had written its own: (number, writes)

All numbers are 16 bits, little-endian. A write that a dead copy left under way shows to the copy that lives.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

SECTOR = 512
SECTORS = 4
_NUMBER, _FOUND = 0x8000, 0x8200
_READ, _WRITE = 0x4200, 0x4300
_BASE, _DRIVE, _PACKET = 0x7C00, 0x7D00, 0x7D10


class Told(NamedTuple):
    """What a disk tells."""

    begun: int
    """How many copies have begun to write."""
    last: int
    """The number of the one that wrote last."""
    writes: int
    """How often that one has written."""
    mixed: bool
    """Whether a copy has found another's write over its own."""


def boot_sectors() -> bytes:
    """The disk as the first copy finds it."""
    return _boot_sector() + bytes((SECTORS - 1) * SECTOR)


def read_told(disk: bytes) -> Told:
    """What the first sectors of a disk tell."""
    (begun,) = struct.unpack_from("<H", disk, SECTOR)
    last, writes = struct.unpack_from("<HH", disk, 2 * SECTOR)
    (mixed,) = struct.unpack_from("<H", disk, 3 * SECTOR)
    return Told(begun, last, writes, bool(mixed))


def _boot_sector() -> bytes:
    """8086 machine code, by hand. It reads and writes by INT 13h with AH 42h and 43h, and waits by INT 15h, AH 86h."""
    start = bytes.fromhex("fa 31c0 8ed8 8ec0 8ed0 bc007c fb") + b"\x88\x16" + _word(_DRIVE)
    first = [_disk(_READ, 1, _NUMBER), b"\xff\x06" + _word(_NUMBER), _disk(_WRITE, 1, _NUMBER)]
    zero = b"\xc7\x06" + _word(_NUMBER + 2) + _word(0)
    code = [start, *first, zero]
    loop = sum(map(len, code))
    complain = _disk(_WRITE, 3, _NUMBER)
    other = b"\xa1" + _word(_FOUND) + b"\x3b\x06" + _word(_NUMBER)  # mov ax, [found]; cmp ax, [number]
    other += b"\x74" + _byte(len(complain))  # je: past the complaint
    begun = b"\x83\x3e" + _word(_NUMBER + 2) + b"\x00"  # cmp word [writes], 0
    begun += b"\x74" + _byte(len(other) + len(complain))  # je: nothing of it is there yet
    failed = b"\x72" + _byte(len(begun) + len(other) + len(complain))  # jc: nothing was read
    code += [_disk(_READ, 2, _FOUND), failed, begun, other, complain]
    again = b"\xff\x06" + _word(_NUMBER + 2)  # inc word [writes]
    code += [again, b"\x75" + _byte(len(again)), again]  # a writes that has come round is never 0
    code += [_disk(_WRITE, 2, _NUMBER), bytes.fromhex("b486 b90000 ba204e cd15")]  # and 20 ms of rest
    code += [b"\xeb" + _byte(loop - sum(map(len, code)) - 2)]  # jmp loop
    return _linked(b"".join(code))


def _disk(function: int, sector: int, buffer: int) -> bytes:
    """A call of the subroutine that reads or writes a sector; where it is, is put in at the end."""
    return b"\xb8" + _word(function) + b"\xbb" + _word(sector) + b"\xb9" + _word(buffer) + b"\xe8??"


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


def _byte(value: int) -> bytes:
    return struct.pack("<b", value)

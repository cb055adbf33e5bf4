"""What is read of a host that was asked for a definition: the whole of it, or nothing."""

from __future__ import annotations

import base64

import pytest

from hafence.adapters.hosts.kvm import parse_capture
from hafence.adapters.hosts.program import ProgramResult
from hafence.core.captures import FetchFault, NotFetched
from hafence.core.model import Uuid
from hafence.core.troubles import Trouble

NONCE = "00112233445566778899aabbccddeeff"
VM = Uuid("6d6f6a5a-0000-4000-8000-000000000001")
DOCUMENT = "<domain>ü</domain>\n".encode() * 20
PARTS = base64.encodebytes(DOCUMENT).decode().split()
LIVE = f"capture {VM} live"


def said(*lines: str, status: int | None = 0, trouble: Trouble | None = None) -> ProgramResult:
    hello = "hello clock=1.0 machine=- host=-"
    stdout = "".join(f"hafence/1 {NONCE} {line}\n" for line in (hello, *lines))
    return ProgramResult(trouble, "", status, stdout, "", 0.1)


def test_the_whole_document_is_read() -> None:
    whole = said(LIVE, *(f"xml {part}" for part in PARTS), f"end lines={len(PARTS) + 1}")
    assert parse_capture(NONCE, whole, [VM]) == {VM: DOCUMENT}


def test_of_several_each_has_its_own() -> None:
    other = Uuid(VM.replace("001", "002"))
    lines = [LIVE, *(f"xml {part}" for part in PARTS), f"capture {other} not-live"]
    read = parse_capture(NONCE, said(*lines, f"end lines={len(lines)}"), [other, VM])
    assert read == {other: NotFetched(FetchFault.NOT_LIVE), VM: DOCUMENT}
    twice = said(*lines, *lines, f"end lines={2 * len(lines)}")
    assert all(isinstance(each, NotFetched) for each in parse_capture(NONCE, twice, [other, VM]).values())


@pytest.mark.parametrize(
    ("run", "why", "says"),
    [
        (said(f"capture {VM} not-live", "end lines=1"), FetchFault.NOT_LIVE, "libvirt's word"),
        (said(f"capture {VM} failed why=lacks-base64", "end lines=1"), FetchFault.FAILED, "lacks base64"),
        (said(f"capture {VM} failed", "end lines=1"), FetchFault.FAILED, "without a reason"),
        (said(trouble=Trouble.TIMED_OUT, status=None), FetchFault.NO_ANSWER, "did not answer"),
        (said(), FetchFault.NO_ANSWER, "truncated"),
        (said(LIVE, "end lines=1"), FetchFault.NO_ANSWER, "does not know"),
        (said("end lines=0"), FetchFault.NO_ANSWER, "does not know"),
        (said(LIVE, f"xml {PARTS[0]}", "end lines=3"), FetchFault.NO_ANSWER, "does not know"),
        (said(LIVE, f"xml {PARTS[0]}", "end lines=2", status=1), FetchFault.NO_ANSWER, "does not know"),
        (said(LIVE, "xml A===", "end lines=2"), FetchFault.NO_ANSWER, "does not know"),
        (said(LIVE, "xml A", "end lines=2"), FetchFault.NO_ANSWER, "does not know"),
        (said(LIVE, "text", "end lines=2"), FetchFault.NO_ANSWER, "does not know"),
        (said(LIVE.replace("001", "002"), f"xml {PARTS[0]}", "end lines=2"), FetchFault.NO_ANSWER, "does not know"),
    ],
    ids=[
        *("not live", "lacks a program", "no reason", "silent", "cut", "empty", "no word", "a line is missing"),
        *("exit 1", "padded", "no base64", "another line", "another VM"),
    ],
)
def test_anything_else_is_none(run: ProgramResult, why: FetchFault, says: str) -> None:
    read = parse_capture(NONCE, run, [VM])[VM]
    assert isinstance(read, NotFetched)
    assert read.why is why
    assert says in read.says

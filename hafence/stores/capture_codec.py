"""The rows of captured definitions: one for each VM, the latest."""

from __future__ import annotations

import re

from ..core.captures import Capture
from .codec import Row, host_in, moment_in, sealed, text_in, uuid_in, when

MOST_BYTES = 1024 * 1024
"""Of one definition: what a reader of definitions takes at most (inventory/domain_xml.py)."""

_DIGEST = re.compile(r"(?:[0-9a-f]{64})?\Z")


def capture_row(new: Capture) -> Row:
    """A capture's row. ValueError for one that could not be read again, which is a bug."""
    return sealed("capture", read_capture, *capture_columns(new))


def capture_columns(new: Capture) -> Row:
    """A capture's columns."""
    return (new.vm, new.host, when(new.at), new.beside, new.xml)


def read_capture(row: Row) -> Capture:
    """The capture in a row. ValueError for what hafence does not write."""
    beside, xml = text_in(row[3]), text_in(row[4])
    if not _DIGEST.match(beside):
        raise ValueError(f"{beside[:80]!r} is no digest")
    if not xml or len(xml.encode()) > MOST_BYTES:  # UnicodeEncodeError is a ValueError
        raise ValueError(f"{len(xml)} characters are no definition")
    return Capture(uuid_in(row[0]), host_in(row[1]), moment_in(row[2]), beside, xml)

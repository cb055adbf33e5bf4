"""This machine's own addresses."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress


def own_addresses(towards: Iterable[str]) -> tuple[str, ...]:
    """This machine's addresses, as it would use them towards others. What is no IP address tells nothing."""
    found: dict[str, None] = {}
    for text in towards:
        with suppress(OSError, ValueError):
            ip = str(ipaddress.ip_address(text))
            with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((ip, 9))  # a datagram socket: nothing is sent
                found[str(probe.getsockname()[0])] = None
    return tuple(found)

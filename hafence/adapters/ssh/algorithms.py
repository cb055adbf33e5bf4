"""Which SSH algorithm a host and hafence lack in common, in words: both sides' lists are in the host's first packet."""

from __future__ import annotations

import re
from collections.abc import Sequence

from paramiko import Transport

SHOWN = 3
"""So many of a list are named."""

_NAME = re.compile(r"[A-Za-z0-9@.+-]{1,60}\Z")


def lacking_in_common(wire: Transport, offered: dict[str, Sequence[str]]) -> str:
    """The first kind of algorithm of which the host offers none that hafence knows; '' where there is none.

    `offered` are the host's lists (RFC 4253, 7.1), as paramiko names them. What is no algorithm's name is not repeated.
    """
    security = wire.get_security_options()
    ours_of = (
        ("key exchange (KexAlgorithms)", security.kex, ("kex_algo_list",)),
        ("host key (HostKeyAlgorithms)", security.key_types, ("server_key_algo_list",)),
        ("cipher (Ciphers)", security.ciphers, ("client_encrypt_algo_list", "server_encrypt_algo_list")),
        ("MAC (MACs)", security.digests, ("client_mac_algo_list", "server_mac_algo_list")),
    )
    for kind, ours, lists in ours_of:
        for name in lists:
            theirs = offered.get(name, ())
            if not set(ours) & set(theirs):
                return f"{kind}: it takes {_some(theirs)}; hafence knows {_some(ours)}"
    return ""


def _some(names: Sequence[str]) -> str:
    known = [name for name in names if _NAME.match(name)]
    more = ", …" if len(known) > SHOWN else ""
    return ", ".join(known[:SHOWN]) + more if known else "none"

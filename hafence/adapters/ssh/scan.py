"""Collecting host keys for `hafence inventory scan-keys`: what `ssh-keyscan` does, without the program."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Mapping

from paramiko import PKey

from ...core.model import Host, HostName
from ...core.troubles import Trouble
from .faults import Broken
from .known_hosts import known_name
from .link import show_host_key

AT_ONCE = 16
KEY_TYPES = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256",),
    ("ecdsa-sha2-nistp384",),
    ("ecdsa-sha2-nistp521",),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
"""Every type that a login takes, each with the signatures it goes by. One connection for each: a server shows one key
at a time."""


def scan_keys(hosts: Iterable[Host], timeout_s: float) -> Mapping[HostName, tuple[str, ...] | Trouble]:
    """The host keys of each host as lines of known_hosts, or why there are none. No login is tried.

    Nothing vouches for these keys but the network they came over: the admin has to. `timeout_s` bounds
    each connection; a silent host costs it once.
    """
    waiting: queue.SimpleQueue[Host] = queue.SimpleQueue()
    found: dict[HostName, tuple[str, ...] | Trouble] = {}
    ordered = list(hosts)
    for host in ordered:
        waiting.put(host)

    def work() -> None:
        while True:
            try:
                host = waiting.get_nowait()
            except queue.Empty:
                return
            found[host.name] = _scan(host, timeout_s)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_ONCE, len(ordered)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {host.name: found[host.name] for host in ordered}


def _scan(host: Host, timeout_s: float) -> tuple[str, ...] | Trouble:
    keys: list[PKey] = []
    trouble = Trouble.PROTOCOL_ERROR
    for kinds in KEY_TYPES:
        try:
            key = show_host_key(host, kinds, timeout_s)
        except Broken as broken:
            trouble = broken.fault.trouble
            # A host that lacks this type has no algorithm in common; any other trouble is the host's.
            if trouble is not Trouble.NO_ALGORITHM:
                break
        else:
            keys.append(key)
    return tuple(f"{known_name(host)} {key.get_name()} {key.get_base64()}" for key in keys) or trouble

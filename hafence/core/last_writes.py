"""The last writes of a process that is dead: what of them may still land on its disks, and what became of it.

A death ends what a process does, and not what it has done: pages wait in the cache of a device that somebody else has
open (the last close flushes, and no other), a request of io_uring goes on without its process, the queue of a TCP
connection is sent for minutes after it (tcp_orphan_retries in tcp(7)). The script on the suspect (scripts/writes.sh,
sockets.sh) flushes and resets what it can after the death, and says in one of WORDS what it could not bring to an end:
then the VM is not proven dead. The words of its reply are read here alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_WAY_OUT = (
    "mend its way to its storage and run the command again, or have the host's power or its way to the storage"
    " fenced ('power:', 'ceph:'), or see the host off and run 'hafence confirm-dead'"
)
WORDS: Mapping[str, str] = MappingProxyType(
    {
        "its-writes-are-still-being-flushed": (
            f"its process is dead, and what it wrote is still in the host's page cache: flushing it does not end;"
            f" {_WAY_OUT}"
        ),
        "its-writes-cannot-be-flushed": (
            "its process is dead, and what it wrote could not be flushed: its storage answers with an error, or 'sync'"
            f" (coreutils) is missing there; {_WAY_OUT}"
        ),
        "its-writes-are-in-flight": (
            f"its process is dead, and requests of it are under way to its disk, whose path hangs; {_WAY_OUT}"
        ),
        "its-writes-in-flight-cannot-be-seen": (
            "its process is dead, and used io_uring, whose requests go on without it; the kernel does not count those"
            " of its disk: write 1 to queue/iostats of the device in /sys/block there, and run the command again"
        ),
        "bytes-of-it-are-on-their-way": (
            "its process is dead, and the kernel still sends what it wrote to its storage, and this could not be ended"
            f" ('ss -K'; the kernel there may lack INET_DIAG_DESTROY); {_WAY_OUT}"
        ),
        "lacks-ss-for-bytes-on-their-way": (
            "its process is dead, and the kernel still sends what it wrote to its storage; 'ss' (iproute2) is missing"
            " there, which would end that: install it, and run the command again"
        ),
        "its-sockets-cannot-be-looked-at": (
            "its process is dead, and whether the kernel still sends what it wrote can't be seen there (/proc/net/tcp,"
            f" or it had a network of its own); {_WAY_OUT}"
        ),
    }
)
"""What may still land, as the script's word and as a sentence with its way out."""


def told(words: Mapping[str, str]) -> str:
    """What was ended after the death, to follow the verdict; '' where there was nothing."""
    count = words.get("reset", "")
    if not count.isdecimal() or count == "0":
        return ""
    each = "connection was" if count == "1" else "connections were"
    return f"; {count} {each} reset that still held bytes of it for its storage"

"""What one machine of the lab sees of another: TCP, ping, neighbour table. Done with its own programs, out of band."""

from __future__ import annotations

import subprocess

from .host import Completed, LabHost

_CONNECT = """\
exec 3<>"/dev/tcp/$1/$2" || exit 1
IFS= read -r -t "$3" line <&3 && printf '%s\\n' "$line"
"""


def see(watcher: LabHost | None, argv: list[str], timeout_s: float = 30.0) -> Completed:
    """Run a program on a host, or with None on the admin node."""
    if watcher is not None:
        return watcher.exec(argv, check=False, timeout_s=timeout_s)
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout_s)


def tcp(watcher: LabHost | None, address: str, port: int = 22, timeout_s: float = 1.0) -> str:
    """`banner`, `silent` (connected, no word), `refused`, `no route`, `timeout`; else the system's own words."""
    script = ["bash", "-c", _CONNECT, "connect", address, str(port), str(timeout_s)]
    seen = see(watcher, ["timeout", str(2 * timeout_s), *script])
    if seen.stdout.startswith("SSH-2.0"):
        return "banner"
    for words, name in (("refused", "refused"), ("No route to host", "no route")):
        if words in seen.stderr:
            return name
    if seen.returncode == 124:
        return "timeout"
    return seen.stderr.strip() or "silent"


def ping(watcher: LabHost | None, address: str) -> bool:
    """Whether one of two pings is answered within two seconds."""
    return see(watcher, ["ping", "-n", "-c", "2", "-i", "0.2", "-W", "2", address]).returncode == 0


def neighbour(watcher: LabHost | None, address: str) -> str:
    """The neighbour entry's state as it lies there: REACHABLE, STALE, DELAY, INCOMPLETE, FAILED; '' for no entry."""
    words = see(watcher, ["ip", "neigh", "show", address]).stdout.split()
    return words[-1] if words else ""

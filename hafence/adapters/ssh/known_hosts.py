"""known_hosts: which host keys it vouches for. Read as OpenSSH reads it, and without any SSH library."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...core.model import Host, HostName

SSH_PORT = 22


def known_name(host: Host) -> str:
    """The name under which a host stands in known_hosts: its address, with the port if that is not 22."""
    address = host.address.lower()
    return address if host.ssh.port == SSH_PORT else f"[{address}]:{host.ssh.port}"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line of known_hosts: the names it speaks for, the key's type, and the key in base64."""

    names: tuple[str, ...]
    kind: str
    blob: str
    revoked: bool = False

    def speaks_for(self, name: str) -> bool:
        """Whether this line is about `name`. One negated pattern that fits rules the line out."""
        fits = False
        for pattern in self.names:
            if pattern.startswith("!"):
                if _fits(pattern[1:], name):
                    return False
            elif _fits(pattern, name):
                fits = True
        return fits


def _fits(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):
        return _hash_fits(pattern, name)
    if "*" not in pattern and "?" not in pattern:
        return pattern.lower() == name
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern.lower())
    return re.fullmatch("".join(parts), name) is not None


def _hash_fits(pattern: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in pattern[3:].split("|", 1))
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)


class KnownHosts:
    """The lines of a known_hosts file, those with plain names found without a walk over all."""

    def __init__(self, keys: Iterable[KnownKey], authorities: Iterable[KnownKey] = ()) -> None:
        self._plain: dict[str, list[KnownKey]] = {}
        self._patterned: list[KnownKey] = []
        self._authorities = tuple(authorities)
        for key in keys:
            if any(c in name for name in key.names for c in "*?!|"):
                self._patterned.append(key)
                continue
            for name in key.names:
                self._plain.setdefault(name.lower(), []).append(key)

    def keys_of(self, name: str) -> tuple[KnownKey, ...]:
        """The lines that speak for a host."""
        return (*self._plain.get(name, ()), *(key for key in self._patterned if key.speaks_for(name)))

    def passed_over(self, name: str) -> str:
        """What speaks for a host and is not taken, in words with a comma in front; '' where nothing does."""
        if any(authority.speaks_for(name) for authority in self._authorities):
            return (
                ", only an authority that vouches for it (@cert-authority), which hafence does not take: collect the"
                " key itself with 'hafence inventory scan-keys'"
            )
        if name.startswith("[") and self.keys_of(name[1:].partition("]")[0]):
            return f", only one without the port: write it as {name}"
        return ""


def read_known_hosts(text: str) -> KnownHosts:
    """Read a known_hosts file. A line that can't be read vouches for nobody, as in OpenSSH.

    Certificate authorities vouch for nobody: hafence takes plain host keys only, and says so of a host that has none.
    """
    keys, authorities = [], []
    for line in text.splitlines():
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        if len(fields) >= 3 and marker in ("", "@revoked"):
            keys.append(KnownKey(tuple(fields[0].split(",")), fields[1], fields[2], bool(marker)))
        if len(fields) >= 3 and marker == "@cert-authority":
            authorities.append(KnownKey(tuple(fields[0].split(",")), fields[1], fields[2]))
    return KnownHosts(keys, authorities)


def read_file(path: str) -> KnownHosts | str:
    """What a file says, or the sentence why it could not be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return read_known_hosts(file.read())
    except OSError as error:
        return f"the known_hosts file {path} can't be read ({error.strerror})"


def known_keys(host: Host) -> frozenset[str]:
    """The keys, in base64, for which the host's known_hosts vouches; none where it can't be read."""
    known = read_file(host.ssh.known_hosts) if host.ssh.known_hosts is not None else ""
    if not isinstance(known, KnownHosts):
        return frozenset()
    return frozenset(key.blob for key in known.keys_of(known_name(host)) if not key.revoked)


def fingerprint(line: str) -> str:
    """A line of known_hosts as `ssh-keygen -l` names its key: its SHA256, and its type."""
    _, kind, blob = line.split()[:3]
    digest = base64.b64encode(hashlib.sha256(base64.b64decode(blob)).digest()).decode().rstrip("=")
    return f"SHA256:{digest} ({kind})"


def shared_keys(hosts: Iterable[Host]) -> tuple[tuple[HostName, ...], ...]:
    """Groups of hosts for which known_hosts has one and the same key: nobody could tell which of them has answered."""
    files: dict[str, KnownHosts | str] = {}
    by_key: dict[str, set[HostName]] = {}
    for host in hosts:
        path = host.ssh.known_hosts
        if path is None:
            continue
        if path not in files:
            files[path] = read_file(path)
        known = files[path]
        if isinstance(known, KnownHosts):
            for key in known.keys_of(known_name(host)):
                if not key.revoked:
                    by_key.setdefault(key.blob, set()).add(host.name)
    groups = {tuple(sorted(names)) for names in by_key.values() if len(names) > 1}
    return tuple(sorted(groups))

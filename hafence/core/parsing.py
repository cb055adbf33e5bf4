"""From the texts that people write to values: durations, booleans, numbers, addresses, paths (stores: `stores/url.py`).

Each function raises ValueError with a sentence that says what is wrong and what would be right.
Texts come as they were written: nothing has guessed that `no` is a boolean or `022` an octal number.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from datetime import UTC, datetime

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(ms|s|m|min|h|d)?\Z")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\Z")
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?(%?)\Z")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")
_SAY_TRUE = frozenset({"yes", "on", "y", "1", "enabled"})
_SAY_FALSE = frozenset({"no", "off", "n", "0", "disabled"})


def shown(text: str) -> str:
    """A piece of what was written as it may stand in a message: quoted, short, nothing unprintable."""
    return ascii(text) if len(text) <= 60 else ascii(text[:57]) + "…"


def parse_duration(text: str) -> float:
    """Seconds, from a number of seconds (`20`, `0.5`) or one with a unit (`500ms`, `20s`, `2m`, `1h`, `1d`)."""
    match = _DURATION.match(text)
    if not match:
        raise ValueError(f"{shown(text)} is not a duration: write seconds, or a number with ms, s, m, h or d, like 20s")
    return float(match[1]) * _UNIT_S[match[2] or "s"]


def moment_words(at: float) -> str:
    """A moment (seconds since the epoch) for people, in UTC: `2026-01-31T23:59:00Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_duration(seconds: float) -> str:
    """A duration as an admin would write it: `20s`, `500ms`, `2m`, `1h`."""
    for unit in ("d", "h", "m"):
        if seconds >= _UNIT_S[unit] and seconds % _UNIT_S[unit] == 0:
            return f"{seconds / _UNIT_S[unit]:.0f}{unit}"
    return f"{seconds:g}s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:g}ms"


def parse_bool(text: str) -> bool:
    """`true` or `false`, in any case and nothing else: YAML versions differ on yes, no, on and off."""
    word = text.lower()
    if word in ("true", "false"):
        return word == "true"
    if word in _SAY_TRUE:
        raise ValueError(f"{shown(text)} is not taken for a boolean: write true")
    if word in _SAY_FALSE:
        raise ValueError(f"{shown(text)} is not taken for a boolean: write false")
    raise ValueError(f"{shown(text)} is not a boolean: write true or false")


def parse_whole(text: str, low: int, high: int) -> int:
    """A whole decimal number from `low` to `high`."""
    if not _WHOLE.match(text):
        raise ValueError(f"{shown(text)} is not a whole number: write one from {low} to {high}, without leading zeros")
    number = int(text)
    if not low <= number <= high:
        raise ValueError(f"{number} is out of range: write a whole number from {low} to {high}")
    return number


def parse_share(text: str) -> float:
    """A share, from a number above 0 and up to 1, or from a percentage."""
    match = _SHARE.match(text)
    share = float(match[1]) / (100.0 if match[2] else 1.0) if match else 0.0
    if not 0.0 < share <= 1.0:
        raise ValueError(f"{shown(text)} is not a share: write a number above 0 and up to 1, like 0.5, or 50%")
    return share


def parse_address(text: str) -> str:
    """An IPv4 or IPv6 address or a DNS name, in the one form in which addresses are compared and looked up.

    Nothing comes through that a shell or an option parser could read.
    """
    if "@" in text:
        raise ValueError("an address holds no user: write the address alone, and the user under ssh: {user: …}")
    if ":" in text:
        return _ipv6(text)
    if re.match(r"[0-9.]+\Z", text):
        try:
            return _usable(ipaddress.IPv4Address(text))
        except ipaddress.AddressValueError:
            raise ValueError(
                f"{shown(text)} is not an IPv4 address: write four numbers from 0 to 255, like 10.0.0.11"
            ) from None
    if not text.isascii():
        raise ValueError(f"{shown(text)} is not ASCII: write the name in its xn-- form, or an IP address")
    name = text.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.match(label) for label in labels) or labels[-1].isdecimal():
        raise ValueError(
            f"{shown(text)} is neither an IP address nor a DNS name: write one, like 10.0.0.11 or kvm-01.example.org"
        )
    return name.lower()


def parse_ip(text: str) -> str:
    """An IPv4 or IPv6 address in its one form, never a name: for what is compared with addresses that others report."""
    address = parse_address(text)
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise ValueError(
            f"{shown(text)} is not an IP address: write one, like 10.0.0.11; a name won't do here"
        ) from None
    return address


def _ipv6(text: str) -> str:
    if text.count(":") == 1:
        raise ValueError(f"{shown(text)} holds a port: write the address alone, and the port under ssh: {{port: …}}")
    if text.startswith("["):
        raise ValueError(
            f"{shown(text)} is in brackets: write the IPv6 address without them, and a port under ssh: {{port: …}}"
        )
    if "%" in text:
        raise ValueError(
            f"{shown(text)} names an interface, which differs from host to host: write a global address or a DNS name"
        )
    try:
        return _usable(ipaddress.IPv6Address(text))
    except ipaddress.AddressValueError:
        raise ValueError(f"{shown(text)} is not an IPv6 address: write one like 2001:db8::11") from None


def _usable(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        raise ValueError(f"{address} is no host's own address: write the one on which its sshd listens")
    return str(address)


def absolute(path: str, base: str) -> str:
    """`path` as an absolute one; a relative one is relative to the folder `base`."""
    return "/" + posixpath.normpath(posixpath.join(base, path)).lstrip("/")

"""Values as JSON: what the journal keeps of effects and their answers."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from enum import Enum
from typing import Any

from ..core.looks import HostLook
from ..core.replies import Reply


def plain(value: Any) -> Any:
    """A value as JSON knows it. Raw output of hosts is kept as its length and hash only."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return None if value == float("inf") else round(value, 3)
        case Enum():
            return value.value
        case Reply():
            return _fields(value) | {"stdout": fingerprint(value.stdout)}
        case HostLook():
            return _look(value)
        case Mapping():
            return {str(plain(key)): plain(each) for key, each in value.items()}
        case frozenset() | set():
            return sorted(plain(each) for each in value)
        case tuple() | list():
            return [plain(each) for each in value]
        case BaseException():
            return {"error": type(value).__name__}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    raise TypeError(f"nothing tells how to write down a {type(value).__name__}")


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _look(look: HostLook) -> dict[str, Any]:
    """A look, without the lists of everything defined there: a history is read by people."""
    return {
        "host": look.host,
        "at": round(look.at, 3),
        "clock_offset_s": round(look.clock_offset_s, 3),
        "libvirt": look.libvirt.value,
        "copies": plain(look.copies),
        "active": plain(look.active),
        "starting": plain(look.starting),
        "doubtful": plain(look.doubtful),
        "memory_free_mib": look.memory_free_mib,
        "missing": plain(look.missing),
    }


def fingerprint(text: str) -> str:
    """Stands for remote output wherever people or the store would see it."""
    if not text:
        return "empty"
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
    return f"{len(text)} characters, sha256 {digest}…"

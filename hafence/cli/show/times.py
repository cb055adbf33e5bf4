"""Times as users see them: RFC 3339 in UTC with milliseconds; ages in one unit."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(at: float) -> str:
    """Seconds since the epoch as `2026-11-22T15:30:00.123Z`."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def seconds(text: str) -> float:
    """What `timestamp` wrote, as seconds since the epoch. Raises ValueError for anything else."""
    return datetime.fromisoformat(text).timestamp()


def ago(seconds: float) -> str:
    """An age in one unit: `12 s`, `3 min`, `5 h`, `9 d`. A clock that was set back makes no age."""
    if seconds < 0:
        return "in the future"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

"""A moment in the past, as people write one: so long ago, or a date."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import click


class Since(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.3
    """`5m`, `2h`, `3d`, or an RFC 3339 time (`2026-11-28`, `2026-11-28T01:30:00Z`; UTC where no offset is given)."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds since the epoch."""
        from ..core.parsing import parse_duration

        text = str(value)
        try:
            return time.time() - parse_duration(text)
        except ValueError:
            pass
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} is no time: write 5m, 2h, 3d, or a date like 2026-11-28 or 2026-11-28T01:30Z.", param, ctx
            )
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

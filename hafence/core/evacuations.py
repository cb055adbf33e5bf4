"""How many hosts may be evacuated in a while: who fences one host after the other is likelier mistaken than unlucky."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .decision import Refused
from .model import HostName, Settings
from .parsing import format_duration, moment_words
from .reasons import Reason
from .risks import listed


@dataclass(frozen=True, slots=True)
class Evacuation:
    """An evacuation by the store's history. It has done something, or goes on, or was killed and may have."""

    host: HostName
    run: str
    who: str
    at: float


def too_many(host: HostName, past: Sequence[Evacuation], settings: Settings, now: float) -> Refused | None:
    """The refusal where with this host more than `max_hosts` would be evacuated within `per`. The same host again is
    none more. What the history has of the future was a moment ago, by a clock that was set back since."""
    latest: dict[HostName, Evacuation] = {}
    for each in past:
        if each.host != host and now - each.at < settings.per_s:
            known = latest.get(each.host)
            latest[each.host] = each if known is None or each.at > known.at else known
    if len(latest) < settings.max_hosts:
        return None
    others = sorted(latest.values(), key=lambda each: each.at)
    what = listed([f"{each.host} ({moment_words(each.at)}, by {each.who}, run {each.run})" for each in others])
    most = f"at most {settings.max_hosts} {'host' if settings.max_hosts == 1 else 'hosts'}"
    says = f"{most} may be evacuated within {format_duration(settings.per_s)} (max_hosts, per), and there"
    says += f" {'was' if len(others) == 1 else 'were'} {what}"
    free_at = others[len(others) - settings.max_hosts].at + settings.per_s
    ways = (
        f"see that {host} and {listed([each.host for each in others])} have really failed; at"
        f" {moment_words(free_at)} it may be evacuated",
        "raise max_hosts, or shorten per (fencing:)",
    )
    return Refused(Reason.STORM_GUARD, says, ways)

"""Steps of format 1 in words: what versions until November 2026 wrote, the field names of effects and answers.

Nothing is written in this format any more; a store keeps its runs for years, so it is still read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...runner.step_format import INTENT
from .steps import count

_VERBS = {"look_at": "looked", "write_record": "record", "tell": "said", "run_hooks": "hooks", "ask": "asked"}
"""Kinds of steps that read better in another word."""


def step_words(step: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """A step in one line."""
    data = _mapping(step["data"])
    effect = _mapping(data.get("effect"))
    kind = str(step["kind"])
    verb = _VERBS.get(kind, kind.replace("_", " "))
    vm = f" of {names.get(step['vm'], step['vm'])}" if step["vm"] else ""
    words = f"{verb.removeprefix('intent ')}{vm}{_about(kind.removeprefix(INTENT), effect)}"
    if kind.startswith(INTENT):
        return words
    answer = _answered(data.get("answer"), names)
    took = f" ({data['seconds']:.2f} s)" if isinstance(data.get("seconds"), (int, float)) else ""
    return f"{words}{': ' + answer if answer else ''}{took}"


def _about(kind: str, effect: Mapping[str, Any]) -> str:
    """What an effect was about, from the fields that say so to a person."""
    order = _mapping(effect.get("order")) or effect
    words = []
    if order.get("suspect"):
        words.append(f"on {order['suspect']}")
    if order.get("proxy"):
        words.append(f"through {order['proxy']}")
    if order.get("target"):
        words.append(f"{'to start' if kind == 'run_hooks' else ''} on {order['target']}".strip())
    said = [str(effect[key]) for key in ("question", "text", "reason", "why") if effect.get(key)]
    if isinstance(effect.get("host"), str):
        words.insert(0, str(effect["host"]))
    about = f" {' '.join(words)}" if words else ""
    return about + (f": {'; '.join(said)}" if said else "")


def _answered(answer: Any, names: Mapping[str, str]) -> str:
    """An answer in one line."""
    match answer:
        case str():
            return answer
        case {"trouble": trouble, "exit_status": status}:
            return str(trouble) if trouble else f"a reply, exit status {status}"
        case {"name": hook, "error": error}:
            return f"{hook} says no: {error}" if error else f"{hook} agreed"
        case {"result": result, "says": says}:
            return f"{result}: {says}" if says else str(result)
        case {"state": state, "host": host, "last_host": last}:
            where = f"on {host}" if host else f"last on {last}"
            return f"{state}, {where}" if host is None else f"{state} {where}"
        case {"witness": witness, "says": says}:
            return f"{witness or 'the admin node'}: {says}"
        case {"says": says}:
            return str(says)
        case list():
            return "; ".join(filter(None, (_answered(each, names) for each in answer)))
        case dict():
            return "; ".join(f"{names.get(name, name)}: {_look(each)}" for name, each in answer.items())
    return ""


def _look(look: Any) -> str:
    match look:
        case {"trouble": trouble}:
            return str(trouble).replace("the suspect", "it")
        case {"copies": copies}:
            return f"answers, {count(len(copies), 'VM')} there"
        case {"says": says}:
            return str(says)
    return str(look)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

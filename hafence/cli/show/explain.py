"""A recorded run as a chain that a person can follow: asked, done step by step, seen, decided, and what would help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .steps import count


def chain_lines(document: Mapping[str, Any], verbose: bool) -> Iterator[str]:
    """The lines of `hafence explain`. `document` is history.history_object()."""
    yield f"run {document['run']}: {document['command']} {document['subject']}".rstrip()
    yield f"  asked by {document['who']} at {document['at']}{_options(document['asked'])}"
    if document["ended"] is None:
        yield "  it goes on, or it was killed; running the command again settles what it left"
    else:
        yield f"  ended at {document['ended']} with exit {document['exit']}"
    yield ""
    yield "steps"
    names = {vm["uuid"]: vm["name"] or vm["uuid"] for vm in document["vms"]}
    unended = _unended(document["steps"])
    for step in document["steps"]:
        words = _step_words(step, names)
        if step["number"] in unended:
            words = f"{words.removeprefix('intent ')}: begun; how it ended is not known"
        elif not verbose and str(step["kind"]).startswith(INTENT):
            continue
        yield f"  {step['at'][11:]}  {words}"
    for outcome in document["outcomes"]:
        yield ""
        yield from _outcome_lines(outcome)


INTENT = "intent_"
"""How the kind of a step begins that was written down before its effect."""


def _unended(steps: Sequence[Mapping[str, Any]]) -> frozenset[int]:
    """The numbers of the steps that were begun and of which the run saw no end."""
    begun: dict[tuple[str, str | None], list[int]] = {}
    for step in steps:
        kind, vm = str(step["kind"]), step["vm"]
        if kind.startswith(INTENT):
            begun.setdefault((kind.removeprefix(INTENT), vm), []).append(step["number"])
        elif begun.get((kind, vm)):
            begun[kind, vm].pop(0)
    return frozenset(number for numbers in begun.values() for number in numbers)


def _options(asked: Mapping[str, Any]) -> str:
    words = []
    for key in ("siblings", "host", "to", "dry_run", "yes", "wait_s"):
        value = asked.get(key)
        if value:
            shown = " ".join(str(each) for each in value) if isinstance(value, list) else str(value)
            words.append(key if value is True else f"{key} {shown}")
    return f" ({', '.join(words)})" if words else ""


def _outcome_lines(outcome: Mapping[str, Any]) -> Iterator[str]:
    yield f"{_mapping(outcome.get('vm')).get('name')}: {outcome.get('decision')} ({outcome.get('reason')})"
    if outcome.get("rule"):
        yield f"  rule      {outcome['rule']}"
    yield f"  message   {outcome.get('message')}"
    if outcome.get("verdict"):
        yield f"  verdict   {outcome['verdict']} on {outcome.get('suspect')}"
    for each in outcome.get("attempts", ()):
        yield f"  attempt   through {each['proxy']}: {each['verdict']}: {each['detail']} ({each['seconds']:.2f} s)"
    for each in outcome.get("evidence", ()):
        age = f", {each['age_s']:.1f} s old at the decision" if each.get("age_s") is not None else ""
        yield f"  evidence  {each['says']} [{each['kind']}, {each['source']}{age}; proves {each.get('proves', '?')}]"
    for note in outcome.get("notes", ()):
        yield f"  weighed   {note}"
    for risk in outcome.get("residual_risk", ()):
        yield f"  risk      {risk}"
    for way in outcome.get("ways_out", ()):
        yield f"  way out   {way}"


_VERBS = {"look_at": "looked", "write_record": "record", "tell": "said", "run_hooks": "hooks", "ask": "asked"}
"""Kinds of steps that read better in another word."""


def _step_words(step: Mapping[str, Any], names: Mapping[str, str]) -> str:
    data = _mapping(step["data"])
    effect = _mapping(data.get("effect"))
    kind = str(step["kind"])
    verb = _VERBS.get(kind, kind.replace("_", " "))
    vm = f" of {names.get(step['vm'], step['vm'])}" if step["vm"] else ""
    words = f"{verb}{vm}{_about(kind.removeprefix(INTENT), effect)}"
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

"""A recorded run as a chain that a person can follow: asked, done step by step, seen, decided, and what would help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def chain_lines(document: Mapping[str, Any], verbose: bool) -> Iterator[str]:
    """The lines of `hafence explain`. `document` is past.story_object()."""
    yield f"run {document['run']}: {document['command']} {document['subject']}".rstrip()
    yield f"  asked by {document['who']} at {document['at']}{_options(document['asked'])}"
    if document["ended"] is None:
        yield "  it goes on, or it was killed; running the command again settles what it left"
    else:
        yield f"  ended at {document['ended']} with exit {document['exit']}"
    yield ""
    yield "steps"
    names = {vm["uuid"]: vm["name"] or vm["uuid"] for vm in document["vms"]}
    for step in document["steps"]:
        if verbose or not str(step["kind"]).startswith("intent_"):
            yield f"  {step['at'][11:]}  {_step_words(step, names)}"
    for outcome in document["outcomes"]:
        yield ""
        yield from _outcome_lines(outcome)


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
        age = f", {each['age_s']:.1f} s old at the end" if each.get("age_s") is not None else ""
        yield f"  evidence  {each['says']} [{each['kind']}, {each['source']}{age}; proves {each.get('proves', '?')}]"
    for note in outcome.get("notes", ()):
        yield f"  weighed   {note}"
    for risk in outcome.get("residual_risk", ()):
        yield f"  risk      {risk}"
    for way in outcome.get("ways_out", ()):
        yield f"  way out   {way}"


def _step_words(step: Mapping[str, Any], names: Mapping[str, str]) -> str:
    data = _mapping(step["data"])
    effect = _mapping(data.get("effect"))
    kind = str(step["kind"]).replace("_", " ")
    vm = f" of {names.get(step['vm'], step['vm'])}" if step["vm"] else ""
    words = f"{kind}{vm}{_about(effect)}"
    answer = _answered(data.get("answer"))
    took = f" ({data['seconds']:.2f} s)" if isinstance(data.get("seconds"), (int, float)) else ""
    return f"{words}{': ' + answer if answer else ''}{took}"


def _about(effect: Mapping[str, Any]) -> str:
    """What an effect was about, from the fields that say so to a person."""
    order = _mapping(effect.get("order")) or effect
    words = []
    if order.get("suspect"):
        words.append(f"on {order['suspect']}")
    if order.get("proxy"):
        words.append(f"through {order['proxy']}")
    if order.get("target"):
        words.append(f"on {order['target']}")
    for key in ("question", "text", "why"):
        if effect.get(key):
            words.append(str(effect[key]))
    if isinstance(effect.get("host"), str):
        words.insert(0, str(effect["host"]))
    return f" {' '.join(words)}" if words else ""


def _answered(answer: Any) -> str:
    """An answer in one line."""
    match answer:
        case str():
            return answer
        case {"trouble": trouble, "exit_status": status}:
            return str(trouble) if trouble else f"a reply, exit status {status}"
        case {"result": result, "says": says}:
            return f"{result}: {says}" if says else str(result)
        case {"state": state, "host": host, "last_host": last}:
            where = f"on {host}" if host else f"last on {last}"
            return f"{state} {where}"
        case {"witness": witness, "says": says}:
            return f"{witness or 'the admin node'}: {says}"
        case {"says": says}:
            return str(says)
        case list():
            return "; ".join(filter(None, (_answered(each) for each in answer)))
        case dict():
            return "; ".join(f"{name}: {_look(each)}" for name, each in answer.items())
    return ""


def _look(look: Any) -> str:
    match look:
        case {"trouble": trouble}:
            return str(trouble).replace("the suspect", "it")
        case {"copies": copies}:
            return f"answers, {len(copies)} VMs run"
        case {"says": says}:
            return str(says)
    return str(look)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

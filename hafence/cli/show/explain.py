"""A recorded run as a chain that a person can follow: asked, done step by step, seen, decided, and what would help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...runner.step_format import INTENT
from .recorded import step_words
from .recorded_1 import step_words as step_words_1


def chain_lines(document: Mapping[str, Any], verbose: bool) -> Iterator[str]:
    """The lines of `hafence explain`. `document` is history.history_object()."""
    yield f"run {document['run']}: {document['command']} {document['subject']}".rstrip()
    version = f", hafence {document['hafence']}" if document["hafence"] else ""
    yield f"  asked by {document['who']} at {document['at']}{_options(document['asked'])}{version}"
    if document["ended"] is None:
        yield "  it goes on, or it was killed; running the command again settles what it left"
    else:
        yield f"  ended at {document['ended']} with exit {document['exit']}"
    yield ""
    yield "steps"
    names = {vm["uuid"]: vm["name"] or vm["uuid"] for vm in document["vms"]}
    unended = _unended(document["steps"])
    words_of = step_words if document["format"] > 1 else step_words_1
    for step in document["steps"]:
        words = words_of(step, names)
        if step["number"] in unended:
            words = f"{words}: begun; how it ended is not known"
        elif str(step["kind"]).startswith(INTENT):
            if not verbose:
                continue
            words = f"intent {words}"
        yield f"  {step['at'][11:]}  {words}"
    for outcome in document["outcomes"]:
        yield ""
        yield from _outcome_lines(outcome)


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
    for key in ("siblings", "host", "to", "dry_run", "yes", "wait_s", "renew"):
        value = asked.get(key)
        if value:
            shown = " ".join(str(each) for each in value) if isinstance(value, list) else str(value)
            words.append(key if value is True else f"{key} {shown}")
    return f" ({', '.join(words)})" if words else ""


def _outcome_lines(outcome: Mapping[str, Any]) -> Iterator[str]:
    yield f"{_name(outcome)}: {outcome.get('decision')} ({outcome.get('reason')})"
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


def _name(outcome: Mapping[str, Any]) -> Any:
    vm = outcome.get("vm")
    return vm.get("name") if isinstance(vm, Mapping) else None

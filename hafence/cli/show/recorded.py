"""Recorded steps in words (runner/step_format.py says what is recorded of each)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...core.looks import answers_only
from ...core.model import HostName
from ...core.second_level import SecondLevelKind
from ...core.troubles import Trouble, met_straight
from ...runner.step_format import INTENT, reading_of
from .steps import count

Names = Mapping[str, str]
"""VMs' names by UUID."""
Data = Mapping[str, Any]


def step_words(step: Mapping[str, Any], names: Names) -> str:
    """A step in one line. What is not as this version writes it is said to be so: a later one may have written it."""
    try:
        return _words(step, names)
    except (KeyError, ValueError, TypeError, AttributeError):
        return f"{step['kind']}: what is recorded of it is not known to this version"


def _words(step: Mapping[str, Any], names: Names) -> str:
    kind, data = str(step["kind"]).removeprefix(INTENT), step["data"]
    verb, about, came = _WORDS.get(kind, (kind.replace("_", " "), _nothing, _nothing))
    vm = f" of {names.get(step['vm'], step['vm'])}" if step["vm"] else ""
    words = " ".join(filter(None, (f"{verb}{vm}", about(data, names))))
    if step["kind"] != kind:
        return words
    answer = came(data, names)
    took = f" ({data['seconds']:.2f} s)" if isinstance(data.get("seconds"), (int, float)) else ""
    return f"{words}{': ' + answer if answer else ''}{took}"


def _nothing(data: Data, names: Names) -> str:
    return ""


def _key(*keys: str) -> Callable[[Data, Names], str]:
    """The values of these keys, as they stand."""
    return lambda data, names: " ".join(str(data[key]) for key in keys if data.get(key) not in (None, ""))


def _fence(data: Data, names: Names) -> str:
    what = "rehearsed " if data["rehearse"] else ""
    through = f" through {data['proxy']}" if data["proxy"] else ""
    return f"{what}on {data['suspect']}{through}"


def _fenced(data: Data, names: Names) -> str:
    readings = {vm: reading_of(each) for vm, each in data["readings"].items()}
    words = {vm: f"{reading.verdict.value}: {reading.detail}" for vm, reading in readings.items()}
    if len(words) == 1:
        return next(iter(words.values()))
    return "; ".join(f"{names.get(vm, vm)} {each}" for vm, each in words.items())


def _watched(data: Data, names: Names) -> str:
    came, living = sum(data["came"].values()), len(data["living"])
    words = f"{came} came back and {'was' if came == 1 else 'were'} ended at once" if came else "nothing came back"
    if living:
        words += ", and one lives still"
    return words if data["whole"] else f"{words}, as far as it was seen: the session ended early"


def _given_back(data: Data, names: Names) -> str:
    given = ", ".join(names.get(vm, vm) for vm in data["back"]) or "none"
    return f"{given} ({data['says']})" if data.get("says") else given


def _looked(data: Data, names: Names) -> str:
    return "; ".join(f"{host}: {_look(look)}" for host, look in data["hosts"].items())


def _look(look: Data) -> str:
    if "seen" in look:
        return f"{answers_only(HostName(look['through']))}: {count(len(look['seen']['copies']), 'VM')} there"
    if "trouble" in look:
        return met_straight(Trouble(look["trouble"]), str(look.get("note", "")))
    return str(look["blind"]) if "blind" in look else f"answers, {count(len(look['copies']), 'VM')} there"


def _witnessed(data: Data, names: Names) -> str:
    return "; ".join(f"{each['witness'] or 'the admin node'}: {each['says']}" for each in data["reports"])


def _hooks(data: Data, names: Names) -> str:
    said = (f"{h['name']} says no: {h['error']}" if h["error"] else f"{h['name']} agreed" for h in data["hooks"])
    return "; ".join(said)


def _target(data: Data, names: Names) -> str:
    return f"on {data['target']}"


def _result(data: Data, names: Names) -> str:
    return ": ".join(filter(None, (data["result"], data["says"])))


def _serves(data: Data, names: Names) -> str:
    return f"{_SERVES[data['serves']]} ({data['says']})"


_SERVES = {"yes": "it does", "not_yet": "not yet", "unknown": "not known"}


def _record(data: Data, names: Names) -> str:
    return f"{data['state']} on {data['host']}" if data["host"] else f"{data['state']}, last on {data['last_host']}"


def _device(data: Data, names: Names) -> str:
    return f"to {data['agent']} of {data['host']}, level {data['level']}"


def _work(data: Data, names: Names) -> str:
    return f"{data['work']} {', '.join(data['names'])}"


def _second_level(data: Data, names: Names) -> str:
    """What a power or storage fence came to: once where that is the same for every VM."""
    told: dict[str, list[str]] = {}
    for vm, reply in data["replies"].items():
        told.setdefault(str(reply["says"]), []).append(names.get(vm, vm))
    words = (f"{', '.join(vms)}: {says}" if len(told) > 1 else says for says, vms in told.items())
    return f"{SecondLevelKind(data['level']).says} of {data['suspect']}: {'; '.join(words)}"


def _asked(data: Data) -> str:
    return f"asked on {data['asked'] or 'the admin node'}"


def _clients(data: Data, names: Names) -> str:
    if "unanswered" in data:
        return str(data["unanswered"])
    seen = ((name, each["watchers"], each["lockers"]) for name, each in data["seen"].items())
    return "; ".join(
        f"{name}: watchers {', '.join(watchers) or 'none'}, locks {', '.join(lockers) or 'none'}"
        for name, watchers, lockers in seen
    )


def _entries(data: Data, names: Names) -> str:
    if "unanswered" in data:
        return str(data["unanswered"])
    return f"shut out are {', '.join(each['client'] for each in data['entries']) or 'none'}"


def _answer(data: Data, names: Names) -> str:
    return str(data["answer"])


Told = Callable[[Data, Names], str]
_WORDS: Mapping[str, tuple[str, Told, Told]] = {
    "ask": ("asked", _key("question"), _answer),
    "tell": ("said:", _key("says"), _nothing),
    "look_at": ("looked", _nothing, _looked),
    "fence": ("fence", _fence, _fenced),
    "end_watch": ("watch on", _key("suspect"), _watched),
    "give_back": ("give back definitions on", _key("host"), _given_back),
    "witness": ("witness on", _key("suspect"), _witnessed),
    "run_hooks": ("hooks", lambda data, names: f"to start on {data['target']}", _hooks),
    "start": ("start", _target, _result),
    "settle": ("settle", _target, _result),
    "await_ready": ("waited until it serves:", lambda data, names: f"on {data['target']}", _serves),
    "write_record": ("record", _nothing, _record),
    "quarantine": ("quarantine", _key("host"), _key("why")),
    "lift_quarantine": ("lift quarantine", _key("host"), _nothing),
    "record_statement": ("record statement", _key("host"), _key("reason")),
    "spend_statement": ("spend statement", _key("host"), _key("why")),
    "plan_work": ("planned work", _work, _key("reason")),
    "end_work": ("planned work ended", _work, _nothing),
    "keep_capture": ("kept the definition from", _key("host"), _key("digest")),
    "send_off": ("send off", _device, _nothing),
    "ask_clients": ("asked who uses", lambda data, names: f"{', '.join(data['volumes'])}, {_asked(data)}", _clients),
    "list_entries": ("listed who is shut out", lambda data, names: _asked(data), _entries),
    "add_entries": ("shut out", lambda data, names: f"{', '.join(data['clients'])}, {_asked(data)}", _entries),
    "remove_entries": ("let in", lambda data, names: f"{', '.join(data['clients'])}, {_asked(data)}", _entries),
    "second_level": ("", _second_level, _nothing),
}
"""Each kind of step: its verb, what it was about, and what came of it."""

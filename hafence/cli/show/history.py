"""Runs of the past, from the store's history: summaries, and the chain that led to a decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...core.model import Uuid
from ...core.pending import Ended, decision_of
from .steps import shortened
from .times import ago, seconds, timestamp

if TYPE_CHECKING:
    from ...core.model import Inventory
    from ...stores.port import RunHistory, RunSummary


def summary_object(summary: RunSummary, inventory: Inventory | None) -> dict[str, Any]:
    """A run without its steps."""
    row, end = summary.row, summary.end
    names: Mapping[str, str] = _mapping(row.details.get("vms"))
    result = end.result if end else {}
    vms = _results(result)
    said = [vm.get("decision", "") for vm in vms]
    return {
        "run": row.run,
        "at": timestamp(row.at),
        "who": row.who,
        "command": row.command,
        "vms": [{"uuid": uuid, "name": names.get(uuid) or _name_of(uuid, inventory)} for uuid in row.vms],
        "subject": _subject(row.details, names, vms),
        "ended": timestamp(end.at) if end else None,
        "exit": end.exit_code if end else None,
        "decision": shortened(list(dict.fromkeys(said))) if said else None,
        "reason": shortened(list(dict.fromkeys(vm.get("reason", "") for vm in vms))) if vms else None,
        "message": vms[0].get("message") if len(vms) == 1 else None,
        "from": _place(vms, "suspect"),
        "to": _place([vm for vm in vms if vm.get("decision") == "started"], "host"),
        "seconds": round(end.at - row.at, 3) if end else None,
    }


def _place(vms: list[Mapping[str, Any]], key: str) -> str | None:
    """Where its VMs were, or went, the end of a long list only counted."""
    places = list(dict.fromkeys(str(vm[key]) for vm in vms if vm.get(key)))
    return shortened(places) if places else None


def when(run: Mapping[str, Any]) -> str:
    """When it began, to the second."""
    return f"{run['at'][:10]} {run['at'][11:19]}Z"


def moved(run: Mapping[str, Any], arrow: str) -> str:
    """From where to where; where nothing went anywhere, the suspect alone."""
    if run["to"] is None:
        return run["from"] or "-"
    return f"{run['from'] or '-'} {arrow} {run['to']}"


def took(run: Mapping[str, Any]) -> str:
    """How long; a clock that was set back makes no time."""
    if run["seconds"] is None:
        return "-"
    return f"{run['seconds']:.1f} s" if 0 <= run["seconds"] < 120 else ago(run["seconds"])


def ends_of(summary: RunSummary) -> Iterator[Ended]:
    """What a run that has ended came to, VM by VM."""
    row, end = summary.row, summary.end
    for each in _results(end.result) if end else ():
        uuid, decision = _mapping(each.get("vm")).get("uuid"), decision_of(each)
        code = each.get("exit")
        if end and isinstance(uuid, str) and decision and isinstance(code, int):
            words = str(each.get("reason", "")), str(each.get("message", ""))
            yield Ended(row.run, Uuid(uuid), decision, code, *words, row.at, row.who)


def history_object(history: RunHistory, inventory: Inventory | None) -> dict[str, Any]:
    """A run with its steps and outcomes; with each outcome the rule that fired and its evidence's age when it fired."""
    from ...stores.port import RunSummary

    document = summary_object(RunSummary(history.row, history.end), inventory)
    asked = dict(history.row.details)
    document["format"] = asked.pop("format", 1)
    document["hafence"] = asked.pop("hafence", None)
    document["asked"] = asked
    document["steps"] = [
        {"number": number, "at": timestamp(step.at), "kind": step.kind, "vm": step.vm, "data": dict(step.data)}
        for number, step in enumerate(history.steps, 1)
    ]
    document["outcomes"] = [_explained(vm, history) for vm in _results(history.end.result if history.end else {})]
    return document


def only_failed(document: dict[str, Any]) -> dict[str, Any]:
    """Of a run over several VMs those that did not end as wanted, and the steps about them or about none."""
    outcomes = [each for each in document["outcomes"] if each.get("exit") != 0]
    failed = {_mapping(each.get("vm")).get("uuid") for each in outcomes}
    steps = [step for step in document["steps"] if step["vm"] is None or step["vm"] in failed]
    return document | {"outcomes": outcomes, "steps": steps}


def _explained(vm: Mapping[str, Any], history: RunHistory) -> dict[str, Any]:
    evidence = [{**each, "at_s": seconds(str(each.get("at")))} for each in vm.get("evidence", ())]
    decided_at = _decided_at(history, str(_mapping(vm.get("vm")).get("uuid")), [each["at_s"] for each in evidence])
    for each in evidence:
        age = decided_at - each.pop("at_s")
        # a host's clock may be a little ahead of this machine's
        each["age_s"] = round(max(0.0, age), 3)
    return {**vm, "evidence": evidence, "rule": RULES.get(str(vm.get("reason")), "")}


def _decided_at(history: RunHistory, vm: str, seen_at: list[float]) -> float:
    """When the decision on a VM was made: what it allows begins with a step of the VM's record. A refusal has none,
    and ends the run.
    """
    latest = max(seen_at, default=0.0)
    marked = (step.at for step in history.steps if step.kind == "write_record" and step.vm == vm and step.at >= latest)
    ended_at = history.end.at if history.end else latest
    return next(marked, ended_at)


def _results(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The outcomes in a run's result: one object, or several under `vms`."""
    if isinstance(result.get("vms"), list):
        return [each for each in result["vms"] if isinstance(each, Mapping)]
    return [result] if "decision" in result else []


def _subject(details: Mapping[str, Any], names: Mapping[str, str], vms: list[Mapping[str, Any]]) -> str:
    named = details.get("host") or details.get("subject")
    if named:
        return str(named)
    known = list(names.values()) or [str(_mapping(vm.get("vm")).get("name", "")) for vm in vms]
    return shortened(known) if known else ""


def _name_of(uuid: str, inventory: Inventory | None) -> str | None:
    vm = inventory.vms.get(Uuid(uuid)) if inventory else None
    return vm.name if vm else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


RULES: Mapping[str, str] = {
    "confirmed_dead": "the VM was seen dead on the suspect: a start is allowed",
    "unreachable_confirmed": "nobody found a sign of life of the suspect, as the policy for silence asks: a start is"
    " allowed",
    "powered_off": "the suspect was observed to be without power: a start is allowed, whatever else was seen before",
    "storage_fenced": "every writable disk of the VM was observed to refuse the suspect: a start is allowed",
    "operator_confirmed": "the suspect is silent and a person has stated that it is off: a start is allowed",
    "not_kvm": "hafence can't look into this hypervisor: a start is allowed without a fence, a fence is not possible",
    "pre_fence_off": "the inventory switches the fence off (pre_fence: false): a start is allowed without proof",
    "already_running": "the VM runs where a run has just started it: nothing is to be done",
    "still_alive": "the VM was seen alive: only an observed power-off or storage fence overrules that",
    "ambiguous": "something was learnt that is neither life nor death: only an observed power-off or storage fence"
    " overrules that",
    "no_sibling": "no sibling could be asked: nothing is known of the suspect",
    "unreachable_unconfirmed": "the suspect is silent, and what the policy for silence asks for is not met",
    "suspect_healthy": "the suspect answers and the VM runs there: only a person's yes lets it be killed",
    "running_elsewhere": "a copy of the VM runs on another host: a start would make two",
    "no_target": "no host can take the VM, so nothing was killed",
    "would_not_start": "no host has what the VM's definition names, so nothing was killed",
    "hook_failed": "a before-start hook said no",
    "start_failed": "the VM was fenced, and no start succeeded",
    "busy": "another run has the right to act on the VM",
    "not_ha": "the inventory says that the VM is not for HA",
    "maintenance": "the suspect is in maintenance",
    "disarmed": "a person has disarmed the cluster: nothing is fenced and nothing started there until that is over",
    "storm_guard": "too much of the cluster is silent, or too many hosts are evacuated in a while: the observer may be"
    " the one who is cut off",
    "store_error": "the store could not be read or written: without a history and a lease nothing is done",
    "interrupted": "the admin ended the run",
    "start_unknown": "a start was sent and its outcome could not be settled: nothing is started elsewhere before it is",
    "start_paused": "the VM was started, and libvirt does not run it: its process holds the disks and does nothing",
    "not_ready": "the VM runs, and did not get ready in time (ready in the inventory): nobody waits for it any more",
    "two_copies": "two copies of the VM were seen",
    "disks_differ": "the VM's process writes to newer disks than a start would be from, so nothing was killed",
}
"""The rule behind each reason, in one sentence; core/decision.py is where they are rules."""

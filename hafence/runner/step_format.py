"""What a run's history keeps of each step: a format of its own, with a number.

A history is read for years, by later versions and by people's scripts, so nothing in it is the name of a class or a
field: each kind of step has its word and its keys here, and they stay. What a later version adds has new keys; what it
must change gets a new FORMAT. Raw output of hosts is never in it.

Format 1 (until November 2026) was the effects' and answers' own field names, under `effect` and `answer`; it is still
shown (`cli/show/explain.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..core.attempts import Facts, FenceReport, Reading, Verdict
from ..core.evidence import Evidence, WitnessReport
from ..core.given_back import GivenBack
from ..core.looks import Blind, HostLook, Look, Silence
from ..core.owners import owner_words, read_owner
from ..core.power import DeviceId
from ..core.ready import Readiness
from ..core.record import VmRecord
from ..core.risks import Risk
from ..core.second_level import SecondLevelReply
from ..core.starts import StartOrder, StartReply
from ..core.storage.port import ClientsSeen, EntriesSeen, Unanswered
from ..core.troubles import Trouble
from ..core.watch import WatchReport
from ..core.wire import Faulty, ReplyFault
from ..effects import (
    AddEntries,
    Ask,
    AskClients,
    AwaitReady,
    Effect,
    EndWatch,
    EndWork,
    Fence,
    GiveBack,
    KeepCapture,
    LiftQuarantine,
    ListEntries,
    LookAt,
    NoteSecondLevel,
    PlanWork,
    Quarantine,
    RecordStatement,
    RemoveEntries,
    RunHooks,
    SendOff,
    Settle,
    SpendStatement,
    Start,
    Tell,
    Witness,
    WriteRecord,
)

FORMAT = 2
INTENT = "intent_"
"""How the kind of a step begins that was written down before its effect."""

Json = dict[str, Any]


def kind_of(effect: Effect[Any]) -> str:
    """The stable word for a kind of step. KeyError for an effect that has no place in a history: a bug."""
    return _KINDS[type(effect)][0]


def asked(effect: Effect[Any]) -> Json:
    """What is wanted, before it is known what comes of it."""
    return _KINDS[type(effect)][1](effect)


def came(effect: Effect[Any], answer: Any) -> Json:
    """What came of it, beside what was wanted."""
    return {**asked(effect), **_KINDS[type(effect)][2](answer)}


def moment(at: float) -> float | None:
    """Seconds, to the millisecond; None for one that never comes."""
    return None if at == float("inf") else round(at, 3)


def _nothing(_: Any) -> Json:
    return {}


def _fence(effect: Fence) -> Json:
    order = effect.order
    return {
        "suspect": order.suspect,
        "proxy": order.proxy,
        "vms": list(order.vms),
        "within_s": order.within_s,
        "not_after": moment(order.not_after),
        "rehearse": order.rehearse,
    }


def _watched(report: WatchReport) -> Json:
    definitions = {vm: "aside" if aside else "kept" for vm, aside in report.definitions.items()}
    told = {"came": dict(report.came), "living": sorted(report.living), "whole": report.whole}
    return {**told, **({"definitions": definitions} if definitions else {})}


def _given_back(given: GivenBack) -> Json:
    return {"back": sorted(given.vms), **({"says": given.says} if given.says else {})}


def _fenced(report: FenceReport) -> Json:
    return {"readings": {vm: reading_document(reading) for vm, reading in report.readings.items()}}


def reading_document(reading: Reading) -> Json:
    """A reading: its verdict, and what else is not at its default."""
    document: Json = {"verdict": reading.verdict.value}
    if reading.trouble is not None:
        document |= {"trouble": reading.trouble.value} | ({"note": reading.note} if reading.note else {})
    if reading.fault is not None:
        document |= {"fault": reading.fault.fault.value} | (
            {"about": reading.fault.about} if reading.fault.about else {}
        )
    facts = reading.facts
    named: Json = {"found": facts.found, "killed": facts.killed, "state": facts.state, "why": facts.why}
    document |= {key: value for key, value in named.items() if value not in (None, "")}
    if facts.owner is not None:
        document["owner"] = owner_words(facts.owner)
    if facts.more:
        document["more"] = dict(facts.more)
    return document | ({"machine_id": reading.machine_id} if reading.machine_id else {})


def reading_of(document: Mapping[str, Any]) -> Reading:
    """What `reading_document` wrote. ValueError or KeyError for anything else."""
    fault = document.get("fault")
    trouble = document.get("trouble")
    facts = Facts(
        document.get("found"),
        document.get("killed"),
        str(document.get("state", "")),
        str(document.get("why", "")),
        tuple(sorted((str(key), str(value)) for key, value in dict(document.get("more", {})).items())),
        read_owner({str(key): str(value) for key, value in dict(document.get("owner", {})).items()}),
    )
    return Reading(
        Verdict(document["verdict"]),
        facts,
        Trouble(trouble) if trouble else None,
        str(document.get("note", "")),
        Faulty(ReplyFault(fault), str(document.get("about", ""))) if fault else None,
        document.get("machine_id"),
    )


def _looked(looks: Mapping[str, Look]) -> Json:
    return {"hosts": {name: _look(look) for name, look in looks.items()}}


def _look(look: Look) -> Json:
    """A look, without the lists of everything defined there: a history is read by people."""
    match look:
        case Silence():
            note: Json = {"note": look.note} if look.note else {}
            if look.seen is not None:
                note |= {"through": look.seen.through, "seen": _look(look.seen)}
            return {"at": moment(look.at), "trouble": look.trouble.value, **note}
        case Blind():
            return {"at": moment(look.at), "blind": look.says}
        case HostLook():
            return {
                "at": moment(look.at),
                "clock_offset_s": moment(look.clock_offset_s),
                "libvirt": look.libvirt.value,
                "copies": dict(look.copies),
                "active": sorted(look.active),
                "starting": sorted(look.starting),
                "doubtful": dict(look.doubtful),
                "memory_free_mib": look.memory_free_mib,
                "missing": list(look.missing),
                **({"lacking": [lack.says for lack in look.lacking]} if look.lacking else {}),
            }


def _witnessed(reports: tuple[WitnessReport, ...]) -> Json:
    return {"reports": [_report(report) for report in reports]}


def _report(report: WitnessReport) -> Json:
    return {
        "witness": report.witness,
        "at": moment(report.at),
        "signs": sorted(sign.value for sign in report.signs),
        "could_look": report.could_look,
        "says": report.says,
        "peers_asked": report.peers_asked,
        "peers_reached": report.peers_reached,
    }


def _order(order: StartOrder) -> Json:
    return {
        "target": order.target,
        "ticket": order.ticket,
        "not_after": moment(order.not_after),
        "within_s": order.within_s,
        **({"boot": order.boot_id} if order.boot_id else {}),
    }


def _started(reply: StartReply) -> Json:
    return {"result": reply.result.value, "says": reply.says}


def _awaited(effect: AwaitReady) -> Json:
    asked = {"guest_agent": True} if effect.ready.tcp is None else {"tcp": effect.ready.tcp}
    return {"target": effect.target, **asked, "within_s": round(effect.within_s, 3)}


def _serves(readiness: Readiness) -> Json:
    return {"serves": readiness.serves.value, "says": readiness.says}


def record_document(record: VmRecord) -> Json:
    """A record as it was written."""
    return {
        "state": record.state.value,
        "host": record.host,
        "last_host": record.last_host,
        "revision": record.revision,
        "run": record.run,
        "ticket": record.ticket,
        "grounds": record.grounds.value if record.grounds else None,
        "started_at": None if record.started_at is None else moment(record.started_at),
        "shut_out": [{"host": each.host, "until": moment(each.until)} for each in record.shut_out],
        "unproven": list(record.unproven),
    }


def _capture(effect: KeepCapture) -> Json:
    """Which definition was kept, and not what stands in it."""
    capture = effect.capture
    return {"host": capture.host, "at": moment(capture.at), "digest": capture.digest, "beside": capture.beside}


def _risk(risk: Risk | None) -> Json:
    return {"risk": {"kind": risk.kind.value, "hosts": list(risk.hosts)}} if risk else {}


def _evidence(evidence: Evidence) -> Json:
    return {
        "kind": evidence.kind,
        "source": evidence.source,
        "at": moment(evidence.at),
        "says": evidence.says,
        "proves": evidence.proves.value,
    }


def _level(reply: SecondLevelReply) -> Json:
    return {
        "done": reply.done,
        "says": reply.says,
        "evidence": [_evidence(each) for each in reply.evidence],
        "shut_out_until": None if reply.shut_out_until is None else moment(reply.shut_out_until),
    }


def _device(device: DeviceId) -> Json:
    return {"host": device.host, "level": device.level, "device": device.number, "agent": device.agent}


def _asker(effect: AskClients | ListEntries | AddEntries | RemoveEntries) -> Json:
    asker = effect.asker
    return {
        "storage": asker.storage,
        "cluster": asker.cluster,
        "asked": asker.host,
        "not_after": moment(effect.not_after),
    }


def _clients(answer: ClientsSeen[Any] | Unanswered) -> Json:
    if isinstance(answer, Unanswered):
        return {"unanswered": answer.says}
    seen = {
        name: {"watchers": [each.text for each in volume.watchers], "lockers": [each.text for each in volume.lockers]}
        for name, volume in answer.volumes.items()
    }
    return {"at": moment(answer.at), "seen": seen, "source": answer.source}


def _entries(answer: EntriesSeen[Any] | Unanswered) -> Json:
    if isinstance(answer, Unanswered):
        return {"unanswered": answer.says}
    listed = [{"client": each.client.text, "until": moment(each.until)} for each in answer.entries]
    return {"at": moment(answer.at), "entries": listed}


def _about(vms: tuple[str, ...]) -> Json:
    return {"about": list(vms)} if vms else {}


Asked = Callable[[Any], Json]
_KINDS: Mapping[type[Effect[Any]], tuple[str, Asked, Asked]] = {
    Ask: ("ask", lambda e: {"question": e.question}, lambda answer: {"answer": answer.value}),
    Tell: ("tell", lambda e: {"says": e.text, **_risk(e.risk)}, _nothing),
    LookAt: ("look_at", lambda e: {"looked_at": list(e.hosts), **_about(e.about)}, _looked),
    Fence: ("fence", _fence, _fenced),
    EndWatch: ("end_watch", lambda e: {"suspect": e.suspect}, _watched),
    GiveBack: ("give_back", lambda e: {"host": e.host, "vms": list(e.vms)}, _given_back),
    Witness: ("witness", lambda e: {"suspect": e.suspect, "siblings": list(e.siblings)}, _witnessed),
    RunHooks: (
        "run_hooks",
        lambda e: {"suspect": e.suspect, "target": e.target},
        lambda results: {"hooks": [{"name": each.name, "error": each.error} for each in results]},
    ),
    Start: ("start", lambda e: _order(e.order), _started),
    Settle: ("settle", lambda e: _order(e.order), _started),
    AwaitReady: ("await_ready", _awaited, _serves),
    WriteRecord: ("write_record", lambda e: record_document(e.record), record_document),
    Quarantine: ("quarantine", lambda e: {"host": e.host, "why": e.why}, _nothing),
    LiftQuarantine: ("lift_quarantine", lambda e: {"host": e.host, "machine_id": e.machine_id}, _nothing),
    RecordStatement: (
        "record_statement",
        lambda e: {"host": e.host, "reason": e.reason, "expires_at": moment(e.expires_at)},
        _nothing,
    ),
    SpendStatement: ("spend_statement", lambda e: {"host": e.host, "why": e.why}, _nothing),
    PlanWork: (
        "plan_work",
        lambda e: {"work": e.kind.value, "names": list(e.names), "reason": e.reason, "until": moment(e.until)},
        _nothing,
    ),
    EndWork: ("end_work", lambda e: {"work": e.kind.value, "names": list(e.names)}, _nothing),
    KeepCapture: ("keep_capture", _capture, _nothing),
    SendOff: ("send_off", lambda e: {**_device(e.device), "not_after": moment(e.not_after)}, _nothing),
    AskClients: ("ask_clients", lambda e: {**_asker(e), "volumes": list(e.volumes)}, _clients),
    ListEntries: ("list_entries", _asker, _entries),
    AddEntries: (
        "add_entries",
        lambda e: {**_asker(e), "clients": [each.text for each in e.clients], "anew": e.anew},
        _entries,
    ),
    RemoveEntries: (
        "remove_entries",
        lambda e: {**_asker(e), "clients": [each.text for each in e.clients]},
        _entries,
    ),
    NoteSecondLevel: (
        "second_level",
        lambda e: {
            "suspect": e.suspect,
            "level": e.kind.value,
            "replies": {vm: _level(reply) for vm, reply in e.replies.items()},
        },
        _nothing,
    ),
}
"""Each effect that a history knows: its word, what was wanted of it, and what came of it."""
KINDS = tuple(_KINDS)

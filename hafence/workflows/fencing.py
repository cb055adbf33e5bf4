"""The fence: through which siblings, what next when one fails, and the judgement on each VM.

The order: siblings are asked in order until one learns something about the suspect. A suspect that is
unreachable is looked at by every witness at once; a sibling that sees it accept connections fences it. Where
that does not end in a confirmed death, the configured power and storage fences follow. Then the gate
(core/decision.py) judges each VM.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from ..core.attempts import Attempt, FenceOrder, FenceReport, Reading, Verdict, foretell
from ..core.decision import Judgement, Refused, final_verdict, judge, wants_witnesses
from ..core.evidence import Evidence, Observation, Proof, Sign
from ..core.looks import HostLook, Look, life_words, shows_life, sibling_behind
from ..core.model import Host, HostName, Unreachable, Uuid
from ..core.planned import all_as_planned, forbidden
from ..core.reasons import Reason
from ..core.second_level import FenceTried
from ..core.siblings import Candidates, choose_siblings
from ..effects import (
    Fence,
    Interrupted,
    LearnMachine,
    Now,
    Together,
    Uptime,
    Witness,
    Workflow,
    do,
)
from .fencing_state import Fencing, Observed
from .planned import planned_now, with_fenced
from .power_and_storage import second_level, shut_out_the_dead, spend_if_seen_alive
from .vm_run import Request, VmRun

MAX_SEEING = 2
"""How many witnesses that see the suspect accept connections are asked to fence it, one after the other."""


def fence_suspect(
    run: Request,
    suspect: Host,
    vm_runs: Mapping[Uuid, VmRun],
    view: Observed,
    watch: bool = False,
    starts: bool = False,
) -> Workflow[dict[Uuid, Judgement]]:
    """Fence the VMs of `vm_runs` on `suspect`; each run of a VM gets its attempts, evidence and verdict written in.

    With `watch` the session of a fence that has proved them dead stays there, until end_watch(). With `starts` a start
    elsewhere follows, and a VM that would be started from an older disk is left alone.
    """
    planned = yield from planned_now(run, view.memory.planned)
    refusal = forbidden(suspect, planned)
    if refusal is not None:
        return {vm: with_fenced(vm_run, suspect.name, refusal) for vm, vm_run in vm_runs.items()}
    view = replace(view, memory=replace(view.memory, planned=planned))
    hosts = all_as_planned(run.inventory.members(suspect.cluster), planned)
    candidates = choose_siblings(suspect, hosts, run.siblings, view.memory.quarantine, view.looks)
    fencing = Fencing(run, suspect, vm_runs, view, candidates, (yield from _boot_grace(run)), watch, starts)
    _note_what_is_known(fencing)
    yield from _ask_siblings(fencing)
    yield from _second_look(fencing)
    yield from spend_if_seen_alive(fencing)
    refusal = yield from second_level(fencing)
    if refusal is None:
        yield from shut_out_the_dead(fencing)
    judgements = {vm: _close(fencing, vm_run) for vm, vm_run in vm_runs.items()}
    if refusal is None:
        return judgements
    return {vm: with_fenced(vm_run, suspect.name, refusal) for vm, vm_run in vm_runs.items()}


def note_plan(run: Request, suspect: Host, vm_runs: Mapping[Uuid, VmRun], view: Observed) -> None:
    """For a dry run that would have to ask: what a yes would kill, and through whom."""
    hosts = all_as_planned(run.inventory.members(suspect.cluster), view.memory.planned)
    candidates = choose_siblings(suspect, hosts, run.siblings, view.memory.quarantine, view.looks)
    look = view.looks.get(suspect.name)
    for vm, vm_run in vm_runs.items():
        if not (candidates.chosen or suspect.power or run.inventory.cluster_of(suspect.name).ceph):
            vm_run.notes.append(f"with --yes: refused, {Reason.NO_SIBLING.value}")
        elif isinstance(look, HostLook) and look.runs(vm):
            vm_run.notes.append(f"with --yes: would kill {look.copies.get(vm) or 1} leftover(s)")
        _note_siblings(vm_run, candidates)


def _note_siblings(vm_run: VmRun, candidates: Candidates) -> None:
    vm_run.notes.append(f"siblings in order: {', '.join(candidates.chosen) or 'none'}")
    vm_run.notes += [f"sibling {name} not asked: {why}" for name, why in candidates.excluded]


def _note_what_is_known(fencing: Fencing) -> None:
    """The siblings and exclusions, a person's statement, and what the admin node's look says of the suspect's life."""
    for vm_run in fencing.vm_runs.values():
        _note_siblings(vm_run, fencing.candidates)
    known: list[Evidence] = []
    look = fencing.view.looks.get(fencing.suspect.name)
    if look is not None and shows_life(look):
        words = f"{fencing.suspect.name} {life_words(look)}"
        source = sibling_behind(look) or "admin node"
        known.append(Observation("look", source, look.at, words, Proof.HOST_ALIVE))
    statement = fencing.view.memory.statements.get(fencing.suspect.name)
    if statement is not None and not known:  # a host that speaks has ended it
        words = f"{statement.who} stated that {statement.host} is powered off: {statement.reason}"
        ends = statement.expires_at
        known.append(Observation("statement", statement.who, statement.at, words, Proof.STATEMENT, ends))
    for vm in fencing.vm_runs:
        fencing.extra[vm] += known


def _ask_siblings(fencing: Fencing) -> Workflow[None]:
    """The siblings in order, until one learns something about the suspect; a lone one gets a second chance."""
    proxies = list(fencing.candidates.chosen)
    if len(proxies) == 1:
        proxies *= 2
    if proxies and _looks_silent(fencing):
        learnt = yield from _attempt(fencing, proxies.pop(0), Witness(fencing.suspect.name, fencing.candidates.chosen))
        if learnt:
            return
    for proxy in proxies:
        learnt = yield from _attempt(fencing, proxy)
        if learnt:
            return


def _looks_silent(fencing: Fencing) -> bool:
    """Whether the witnesses will be wanted: a suspect that is silent to the admin node is looked at by all right away.

    Asking first and looking afterwards would cost a dead host's VMs one more time-out.
    """
    look = fencing.view.looks.get(fencing.suspect.name)
    policy = fencing.run.inventory.settings.unreachable
    return look is not None and not shows_life(look) and policy is not Unreachable.PROCEED


def _attempt(fencing: Fencing, proxy: HostName, meanwhile: Witness | None = None) -> Workflow[bool]:
    """One attempt through one proxy for every open VM. Whether it said anything about the suspect."""
    vms = fencing.open_vms()
    settings = fencing.run.inventory.settings
    not_after = math.inf
    for vm in vms:
        not_after = min(not_after, (yield from fencing.vm_runs[vm].renew()))
    order = FenceOrder(
        suspect=fencing.suspect.name,
        proxy=proxy,
        vms=vms,
        within_s=settings.ssh_timeout_s,
        settle_s=settings.settle_s,
        not_after=not_after,
        rehearse=fencing.run.dry_run,
        machine_id=fencing.view.memory.machine_ids.get(fencing.suspect.name),
        others=_boot_ids(fencing),
        watch=fencing.watch and not fencing.run.dry_run,
        starts=fencing.starts,
        aside=fencing.run.inventory.sets_aside(fencing.suspect.name) and not fencing.run.dry_run,
        claim=fencing.run.claim,
    )
    report = yield from _send(fencing, order, meanwhile)
    readings = report.readings
    if fencing.run.dry_run:
        readings = {vm: foretell(reading) for vm, reading in readings.items()}
    for vm, reading in readings.items():
        fencing.attempts[vm].append(Attempt(proxy, reading, report.seconds, report.at))
    yield from _learn(fencing, next(iter(readings.values())))
    return not any(reading.sibling_side for reading in readings.values())


def _boot_ids(fencing: Fencing) -> tuple[tuple[HostName, str], ...]:
    """Of the other hosts that answered in this round."""
    looks = ((name, look) for name, look in sorted(fencing.view.looks.items()) if name != fencing.suspect.name)
    return tuple((name, look.boot_id) for name, look in looks if isinstance(look, HostLook) and look.boot_id)


def _send(fencing: Fencing, order: FenceOrder, meanwhile: Witness | None) -> Workflow[FenceReport]:
    """Send the order. From the moment it may have been sent, the courses say so, also if the run ends there."""
    try:
        if meanwhile is None:
            report = yield from do(Fence(order))
        else:
            report, fencing.reports = yield from do(Together((Fence(order), meanwhile), first_may_do=True))
    except Interrupted:
        _mark_fenced(fencing, order)
        _mark_watched(fencing, order)
        raise
    _mark_fenced(fencing, order)
    if all(reading.verdict is Verdict.CONFIRMED_DEAD for reading in report.readings.values()):
        _mark_watched(fencing, order)
    return report


def _mark_fenced(fencing: Fencing, order: FenceOrder) -> None:
    for vm in order.vms:
        fencing.vm_runs[vm].fenced = not order.rehearse


def _mark_watched(fencing: Fencing, order: FenceOrder) -> None:
    for vm in order.vms:
        if order.watch:
            fencing.vm_runs[vm].watched = order.suspect


def _learn(fencing: Fencing, reading: Reading) -> Workflow[None]:
    name = fencing.suspect.name
    if reading.machine_id and not fencing.run.dry_run and name not in fencing.view.memory.machine_ids:
        yield from do(LearnMachine(name, reading.machine_id))


def _second_look(fencing: Fencing) -> Workflow[None]:
    """Where the suspect is unreachable: every witness at once, unless they have looked already; then the siblings
    that saw the suspect accept connections fence it."""
    if not any(fencing.verdict(vm) is Verdict.UNREACHABLE for vm in fencing.vm_runs):
        return
    chosen = fencing.candidates.chosen
    tried = {attempt.proxy for attempts in fencing.attempts.values() for attempt in attempts}
    if any(wants_witnesses(fencing.case(vm)) for vm in fencing.vm_runs):
        proceed = fencing.run.inventory.settings.unreachable is Unreachable.PROCEED
        asked = tuple(name for name in chosen if name in tried) if proceed else chosen
        fencing.reports = yield from do(Witness(fencing.suspect.name, asked))
    seeing = [HostName(r.witness) for r in fencing.reports if r.witness and Sign.SYN_ACK in r.signs]
    fresh_first = sorted(seeing, key=lambda name: (name in tried, chosen.index(name)))
    for proxy in fresh_first[:MAX_SEEING]:
        if not fencing.open_vms() or (yield from _attempt(fencing, proxy)):
            return


def _close(fencing: Fencing, vm_run: VmRun) -> Judgement:
    """Judge one VM and write into its run what the judgement stands on."""
    case = fencing.case(vm_run.vm.uuid)
    vm_run.verdict = final_verdict(case)
    vm_run.attempts += case.attempts
    # What was observed then stands beside it, and is what is shown.
    vm_run.evidence = tuple(each for each in case.evidence if not isinstance(each, FenceTried))
    judgement = judge(case)
    if judgement.reason is Reason.CONFIRMED_DEAD and case.attempts[-1].reading.foretold:
        # nobody has seen a death: the words are the rehearsal's
        judgement = replace(judgement, message=f"the fence on {case.suspect} {case.attempts[-1].says}")
    if isinstance(judgement, Refused) and judgement.reason is Reason.NO_SIBLING and fencing.candidates.excluded:
        against = "; ".join(f"{name} {why}" for name, why in fencing.candidates.excluded)
        ways = (*fencing.candidates.ways, *judgement.ways_out)
        judgement = replace(judgement, message=f"{judgement.message}: {against}", ways_out=ways)
    vm_run.risks = () if isinstance(judgement, Refused) else judgement.risks
    return judgement


def _boot_grace(run: Request) -> Workflow[str]:
    """Why hafence's own machine has been up too short a time to call others silent; '' if it has not."""
    grace = run.inventory.settings.boot_grace_s
    if not grace:
        return ""
    up = yield from do(Uptime())
    return f"this machine booted {up:.0f} s ago, within boot_grace ({grace:.0f} s)" if up < grace else ""


def evidence_ends(vm_run: VmRun, looks: Mapping[HostName, Look] | None = None) -> float:
    """When the oldest observation that the permission stands on, the round of looks among them, will be too old.

    In seconds since the epoch; inf where it stands on none. A person's statement ends when it said that it would, also
    where it had begun to hold when this run asked: a fence may last, and so may the targets before the one that works.
    """
    ends = [e.until for e in vm_run.evidence if isinstance(e, Observation)]
    times = [e.at for e in vm_run.evidence if e.proves in _AGEING or _met_silence(e)]
    times += [look.at for look in (looks or {}).values()]
    return min([min(times, default=math.inf) + vm_run.run.inventory.settings.evidence_age_s, *ends])


def evidence_is_old(vm_run: VmRun, looks: Mapping[HostName, Look] | None = None) -> Workflow[bool]:
    """Whether what the permission stands on has to be observed anew."""
    now = yield from do(Now())
    return now > evidence_ends(vm_run, looks)


def _met_silence(evidence: Evidence) -> bool:
    """Whether it is an attempt that nothing answered: with `proceed` a permission stands on that alone."""
    return isinstance(evidence, Attempt) and evidence.reading.verdict is Verdict.UNREACHABLE


_AGEING = frozenset({Proof.VM_DEAD, Proof.SILENCE, Proof.HOST_OFF, Proof.DISKS_FENCED})

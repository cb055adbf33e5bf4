"""`hafence status` for people: what needs somebody first, each with what to type; then the tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from .output import out, out_folded
from .tables import table
from .terminal import marks_on
from .times import ago, seconds

Document = dict[str, Any]


def print_names(document: Document) -> None:
    """The VMs' names, a line each, for whoever loops over them."""
    for vm in document["vms"]:
        out(vm["name"])


def print_status(document: Document, now: float, wide: bool) -> None:
    """What needs somebody, the VMs, the hosts, the leases and the last run."""
    _disarmed(document, now)
    if document["looked_at"]:
        _needs(document)
    _pinned(document, now)
    if document["vms"]:
        _vms(document, wide)
        out()
    if document["hosts"]:
        _hosts(document, now, wide)
        out()
    for lease in document["leases"]:
        name = lease["vm"]["name"] or lease["vm"]["uuid"]
        out_folded(f"lease on {name}: {lease['holder']}, run {lease['run']}, until {lease['expires_at']}")
    last = document["last_run"]
    if last is None:
        out_folded(f"no run yet in {document['store']}")
    else:
        end = "not ended" if last["exit"] is None else f"exit {last['exit']}"
        out_folded(f"last run: {last['run']} {last['command']} {last['subject']} ({end}), in {document['store']}")


def _disarmed(document: Document, now: float) -> None:
    """Above all: whatever else is wrong, nothing would be fenced or started."""
    for work in document["disarmed"]:
        left = ago(seconds(work["until"]) - now)
        out_folded(
            f"{marks_on(sys.stdout)['ODD']} {work['cluster']} is DISARMED by {work['who']} for {left} more:"
            f" {work['reason']}"
        )
        out(f"  hafence arm --cluster {work['cluster']}")
    if document["disarmed"]:
        out()


def _needs(document: Document) -> None:
    from ...core.live import WELL, WORST_FIRST

    order = [seen.value for seen in WORST_FIRST]
    well = {seen.value for seen in WELL}
    needing = [vm for vm in document["vms"] if vm["live"]["seen"] not in well]
    marks = marks_on(sys.stdout)
    if not needing:
        return
    width = max(len(vm["name"]) for vm in needing)
    for vm in sorted(needing, key=lambda vm: order.index(vm["live"]["seen"])):
        live = vm["live"]
        out_folded(f"{marks['BAD']} {vm['name']:<{width}}  {_word(live['seen']):<9}  {live['says']}")
        out(f"  {'':<{width}}  {'':<9}  {live['do']}".rstrip())
    out()


def _pinned(document: Document, now: float) -> None:
    """Runs that need a person, where what was seen just now does not say it already."""
    from ...core.live import WELL

    well = {seen.value for seen in WELL}
    told = {vm["uuid"] for vm in document["vms"] if vm["live"] and vm["live"]["seen"] not in well}
    left = [run for run in document["needs_person"] if run["vm"]["uuid"] not in told]
    mark = marks_on(sys.stdout)["BAD"]
    for run in left:
        whose = f"run {run['run']}, {ago(now - seconds(run['at']))} ago, by {run['who']}"
        out_folded(f"{mark} {run['vm']['name']}  {run['reason']}  {whose}: {run['says']}")
        out(f"  {run['do']}")
    if left:
        out()


def _word(seen: str) -> str:
    return seen.replace("_", " ")


def _vms(document: Document, wide: bool) -> None:
    heads = ["VM", *(["UUID"] if wide else []), *(["SEEN"] if document["looked_at"] else []), "RECORD"]
    rows = []
    for vm in document["vms"]:
        live = vm["live"]
        on = f" ({', '.join(live['on'])})" if live and live["on"] else ""
        seen = [_word(live["seen"]) + on] if live else []
        rows.append((vm["name"], *([vm["uuid"]] if wide else []), *seen, _record(vm)))
    _out_table(heads, rows)


def _hosts(document: Document, now: float, wide: bool) -> None:
    heads = ["HOST", "CLUSTER", *(["ADDRESS"] if wide else []), *(["SEEN"] if document["looked_at"] else []), "STATE"]
    rows = []
    for host in document["hosts"]:
        live = host["live"]
        words = _host_words(host, now)
        if live and live["says"]:
            words += f"; {live['says']}"
        seen = [_word(live["seen"])] if live else []
        rows.append((host["name"], host["cluster"], *([host["address"]] if wide else []), *seen, words))
    _out_table(heads, rows)


def _out_table(heads: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    for line in table(heads, rows).splitlines():
        out_folded(line)


def _record(vm: Document) -> str:
    words = str(vm["says"])
    if not vm["recorded"]:
        words += " (the inventory's word: no run has touched it)"
    return words if vm["ha"] else f"{words}, no HA"


def _host_words(host: Document, now: float) -> str:
    words = [str(host["state"])]
    if host["quarantine"]:
        words.append(
            f"in quarantine for {ago(now - seconds(host['quarantine']['since']))}: {host['quarantine']['why']}"
        )
    if host["statement"]:
        stated = host["statement"]
        left = ago(seconds(stated["expires_at"]) - now)
        words.append(f"{stated['who']} stated that it is off ({stated['reason']}), which holds for {left} more")
    if host["maintenance"]:
        work = host["maintenance"]
        left = ago(seconds(work["until"]) - now)
        words.append(f"in maintenance by {work['who']} for {left} more: {work['reason']}")
    return "; ".join(words)

"""`hafence audit`: the check for cron and monitoring, read-only unless it is told to renew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..context import Options, read_inventory, store_url
from ..options import common_options, json_option, pass_options
from ..show.output import out_folded, print_document

if TYPE_CHECKING:
    from ...core.model import HostName, Inventory
    from ...core.storage.results import HowLong, Renewed
    from ...core.survey import Finding, Severity, Survey


@click.command("audit", short_help="Check fence paths and VMs, read-only, for cron.")
@click.option("--renew", is_flag=True, help="Make storage fences of quarantined hosts last that end: a run of its own.")
@click.option("--capture", is_flag=True, help="Keep definitions of running VMs that are new: a run of its own.")
@json_option
@common_options
@pass_options
def audit(options: Options, renew: bool, capture: bool) -> int:
    """Rehearse the fence of every host through every sibling, and look for every VM; change nothing.

    Prints one status line with performance data, then the findings, the worst first. Exit 0 OK, 1 WARNING,
    2 CRITICAL, 3 UNKNOWN (also for a usage error). With -q it is silent when all is well.

    What it changes, and only where it is told to: with --renew a quarantined host whose entries on Ceph's blocklist
    end is kept shut out; with --capture the store keeps what VMs run with now, from which they are started then.
    """
    inventory = read_inventory(options)

    from ...core.audit import find_all, worst
    from ...core.survey import Severity
    from ...runner import open_session
    from ...workflows.audit import audit as workflow
    from ...workflows.vm_run import Request
    from ..audit_capture import captured_objects, keep_captures
    from ..show.voices import QuietVoice

    url = store_url(options, inventory)
    with open_session(inventory, url, "audit", (), {}, QuietVoice(), dry_run=True, unread=True) as session:
        scene = session.play(workflow(Request(session.run_id, inventory, dry_run=True, store_id=session.store_id)))
    scene, renewed = _renew(inventory, url, scene) if renew else (scene, {})
    scene, kept = keep_captures(inventory, url, scene) if capture else (scene, ())
    findings = find_all(scene)
    status = worst(findings)
    counts = _counts(scene, findings)
    if options.json:
        found = [_object(finding) for finding in findings]
        done = {"renewed": [{"host": host, "says": each.says} for host, each in renewed.items()]} if renew else {}
        done |= {"captured": captured_objects(inventory, kept)} if capture else {}
        print_document({"status": status.name, "findings": found, "counts": counts, **done})
    elif not (options.quiet and status is Severity.OK):
        _print(status, findings, counts)
        for host, each in renewed.items():
            out_folded(_one_line(f"renewed {host}: {each.says}"))
        for each_kept in kept:
            out_folded(f"captured {inventory.vms[each_kept.vm].name} on {each_kept.host}")
    return status


def _renew(inventory: Inventory, url: str, scene: Survey) -> tuple[Survey, dict[HostName, Renewed]]:
    """Make the storage fences last that end and can be made to, as a run of its own; the audit as it is then.

    Where there is none no run is begun: a history is never cut, and cron asks every five minutes.
    """
    from ...core.storage.results import Renewed
    from ...effects import StoreError
    from ...runner import open_session
    from ...workflows.audit import can_be_renewed, not_renewed, renew_storage_fences, with_renewed
    from ...workflows.vm_run import Request
    from ..runs import played
    from ..show.voices import QuietVoice

    ending = can_be_renewed(scene)
    if not ending:
        return scene, {}
    details = {"host": ", ".join(ending), "renew": True}
    try:
        with open_session(inventory, url, "audit", (), details, QuietVoice()) as session:
            workflow = renew_storage_fences(Request(session.run_id, inventory), ending, scene.looks)
            renewed = played(session, workflow, _ended)
    except StoreError as error:
        renewed = not_renewed(ending, error)
    done = {host: each for host, each in renewed.items() if isinstance(each, Renewed)}
    return with_renewed(scene, renewed), done


def _ended(renewed: dict[HostName, HowLong]) -> tuple[int, dict[str, Any]]:
    """The end of the run that renews, for the history."""
    from ...core.storage.results import Lasts, NoneThere, Renewed
    from ...core.survey import Severity

    well = all(isinstance(each, Lasts | NoneThere | Renewed) for each in renewed.values())
    told = {host: each.says for host, each in renewed.items() if not isinstance(each, Lasts)}
    return Severity.OK if well else Severity.CRITICAL, {"renewed": told}


def _counts(scene: Survey, findings: tuple[Finding, ...]) -> dict[str, int]:
    from ...core.attempts import Verdict
    from ...core.looks import Silence
    from ...core.survey import Severity

    proving = (Verdict.CONFIRMED_DEAD, Verdict.STILL_ALIVE)
    readings = [reading for paths in scene.paths.values() for reading in paths.values()]
    return {
        "critical": sum(1 for finding in findings if finding.severity is Severity.CRITICAL),
        "warning": sum(1 for finding in findings if finding.severity is Severity.WARNING),
        "unknown": sum(1 for finding in findings if finding.severity is Severity.UNKNOWN),
        "hosts": len(scene.looks),
        "hosts_silent": sum(1 for look in scene.looks.values() if isinstance(look, Silence)),
        "fence_paths": len(readings),
        "fence_paths_good": sum(1 for reading in readings if reading.verdict in proving),
        "vms": len(scene.inventory.vms),
    }


def _object(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity.name,
        "subject": finding.subject,
        "saw": finding.saw,
        "do": finding.do,
    }


def _print(status: Severity, findings: tuple[Finding, ...], counts: dict[str, int]) -> None:
    if findings:
        first = findings[0]
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        words = f"{first.code} {first.subject}: {first.saw}{more}"
    else:
        words = (
            f"{counts['hosts']} hosts, {counts['fence_paths_good']} of {counts['fence_paths']} fence paths,"
            f" {counts['vms']} VMs as recorded"
        )
    # '|' parts the words from the figures, and a line's end ends them, for whoever reads this
    out_folded(f"HAFENCE {status.name} - {_one_line(words).replace('|', '/')} | {_perfdata(counts)}")
    for finding in findings:
        says = f"{finding.severity.name} {finding.code} {finding.subject}: {finding.saw}. Do: {finding.do}"
        out_folded(_one_line(says))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _perfdata(counts: dict[str, int]) -> str:
    limits = {"critical": ";;0", "warning": ";0", "unknown": ""}
    return " ".join(f"{label}={number}{limits.get(label, '')}" for label, number in counts.items())

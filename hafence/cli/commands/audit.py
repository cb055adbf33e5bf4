"""`hafence audit`: the read-only check for cron and monitoring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..context import Options, read_inventory, store_url
from ..options import common_options, json_option, pass_options
from ..show.output import out_folded, print_document

if TYPE_CHECKING:
    from ...core.survey import Finding, Severity, Survey


@click.command("audit", short_help="Check fence paths and VMs, read-only, for cron.")
@json_option
@common_options
@pass_options
def audit(options: Options) -> int:
    """Rehearse the fence of every host through every sibling, and look for every VM; change nothing.

    Prints one status line with performance data, then the findings, the worst first. Exit 0 OK, 1 WARNING,
    2 CRITICAL, 3 UNKNOWN (also for a usage error). With -q it is silent when all is well.
    """
    inventory = read_inventory(options)

    from ...core.audit import find_all, worst
    from ...core.survey import Severity
    from ...runner import open_session
    from ...workflows.audit import audit as workflow
    from ...workflows.vm_run import Request
    from ..show.voices import QuietVoice

    url = store_url(options, inventory)
    with open_session(inventory, url, "audit", (), {}, QuietVoice(), dry_run=True, unread=True) as session:
        scene = session.play(workflow(Request(session.run_id, inventory, dry_run=True)))
    findings = find_all(scene)
    status = worst(findings)
    counts = _counts(scene, findings)
    if options.json:
        print_document(
            {"status": status.name, "findings": [_object(finding) for finding in findings], "counts": counts}
        )
    elif not (options.quiet and status is Severity.OK):
        _print(status, findings, counts)
    return status


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

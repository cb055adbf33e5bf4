"""An audit's result: by cause for whoever sits at a terminal, in lines for monitoring, as objects for --json."""

from __future__ import annotations

import sys
from typing import Any

from ...core.attempts import Verdict
from ...core.audit import worst
from ...core.causes import MOST_COMMANDS, Cause, Well, all_well, by_cause
from ...core.looks import Silence
from ...core.risks import some_of
from ...core.survey import Finding, Severity, Survey
from .output import out, out_folded
from .steps import count
from .terminal import marks_on


def counts_of(scene: Survey, findings: tuple[Finding, ...]) -> dict[str, int]:
    """The figures of an audit, by stable names."""
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


def finding_object(finding: Finding) -> dict[str, Any]:
    """A finding as it stands in JSON."""
    return {
        "code": finding.code,
        "severity": finding.severity.name,
        "subject": finding.subject,
        "saw": finding.saw,
        "do": finding.do,
    }


def print_lines(status: Severity, findings: tuple[Finding, ...], counts: dict[str, int]) -> None:
    """The status line with its performance data, and a line for each finding, as monitoring plugins print them."""
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
    out_folded(f"HAFENCE {status.name} - {one_line(words).replace('|', '/')} | {_perfdata(counts)}")
    for finding in findings:
        says = f"{finding.severity.name} {finding.code} {finding.subject}: {finding.saw}. Do: {finding.do}"
        out_folded(one_line(says))


def one_line(text: str) -> str:
    """Words that stand in one line, whatever was in them."""
    return " ".join(text.split())


def _perfdata(counts: dict[str, int]) -> str:
    limits = {"critical": ";;0", "warning": ";0", "unknown": ""}
    return " ".join(f"{label}={number}{limits.get(label, '')}" for label, number in counts.items())


_INDENT = 17
"""Where the names begin: under them stands what to type."""


def print_by_cause(scene: Survey, findings: tuple[Finding, ...], seconds: float, verbose: bool) -> None:
    """What was found on a terminal: the worst first, each cause once, with what to type under it."""
    counts = counts_of(scene, findings)
    told = f"{count(counts['hosts'], 'host')}, {count(counts['vms'], 'VM')}"
    out(f"{worst(findings).name}: {told}, {seconds:.1f} s")
    marks = marks_on(sys.stdout)
    causes = by_cause(scene, findings)
    for cause in causes:
        _print_cause(cause, marks["BAD" if cause.severity is Severity.CRITICAL else "ODD"])
    out_folded(f"{marks['NEUTRAL' if causes else 'GOOD']} {_words(all_well(scene), counts)}")
    if verbose:
        for finding in findings:
            out()
            out_folded(one_line(f"{finding.severity.name} {finding.code} {finding.subject}: {finding.saw}"))
            out_folded(one_line(f"    do: {finding.do}"))


def _print_cause(cause: Cause, mark: str) -> None:
    names = some_of(cause.names)
    many = f" ({len(cause.names)})" if len(cause.names) > 1 else ""
    says = "  ".join(each for each in (names, cause.says) if each)
    out_folded(f"{mark} {cause.kind + many:<{_INDENT - 3}} {says}", _INDENT)
    shown = cause.do[:MOST_COMMANDS]
    for do in shown:
        line = " " * _INDENT + do
        if do.startswith("hafence "):
            out(line)
        else:
            out_folded(line, _INDENT)
    if len(cause.do) > len(shown):
        out(" " * _INDENT + f"and {len(cause.do) - len(shown)} more: hafence audit -v")


def _words(well: Well, counts: dict[str, int]) -> str:
    """What is as it should be; only what is true of some."""
    words = [
        f"{well.hosts[0]} of {well.hosts[1]} hosts can be fenced through siblings"
        f" ({counts['fence_paths_good']} of {counts['fence_paths']} paths)",
        f"{well.vms[0]} of {well.vms[1]} VMs where recorded",
    ]
    if well.store_whole:
        words.append("store whole")
    if well.clocks_s is not None:
        words.append(f"clocks within {well.clocks_s:.1f} s")
    return ", ".join(words)

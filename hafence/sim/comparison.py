"""What each policy costs and risks, from the same random cases: the table of `hafence simulate --explore --compare`."""

from __future__ import annotations

from typing import Any

from .policies import SshFailureIsDeath
from .report import Report

_SHORT = {
    "no fence": "-",
    "storage fence": "storage",
    "power fence": "power",
    "storage and power fence": "both",
    "no fence, guarded": "guard",
    SshFailureIsDeath.name: "ssh failure is death",
}
_LEGEND = """\
broken   split-brains that nothing excuses
excused  split-brains that nobody who was asked could have known, by the policy,
         or of another manager that runs VMs behind libvirt's back
others'  split-brains for which libvirt brought the VM back on the suspect, when
         it had been dead there for longer than 'settle'
guard    each host has the hook of contrib/guard
refused  runs that refused
seconds  from the command to the VM's start, the middle one, in simulated time
"""


def table(reports: list[Report]) -> str:
    """The rows as text, at most 80 columns: counts per million runs."""
    rows: list[tuple[str, ...]] = [
        ("", "", "split-brains", "", "", "", ""),
        ("policy", "fences", "broken", "excused", "others'", "refused", "seconds"),
    ]
    for report in reports:
        counts = (report.split_brains, report.named_split_brains, report.unbidden_split_brains, report.refusals)
        seconds = report.median_start_s
        rows.append(
            (
                _SHORT.get(report.policy, report.policy),
                _SHORT.get(report.means, report.means),
                *(f"{report.per_million(count):,}" for count in counts),
                "-" if seconds is None else f"{seconds:.1f}",
            )
        )
    lines = ["per million runs:"]
    for policy, fences, *numbers in rows:
        cells = "".join(text.rjust(9) for text in numbers)
        if numbers[0] == "split-brains":
            cells = "   --- split-brains ----"
        lines.append(f"{policy:22}{fences:8}{cells}".rstrip())
    return "\n".join(lines) + "\n\n" + _LEGEND


def as_json(reports: list[Report]) -> dict[str, Any]:
    """The same as a document. `split_brains` are those of hafence's own policies."""
    return {
        "cases": sum(report.cases for report in reports),
        "split_brains": sum(report.split_brains for report in ours(reports)),
        "policy": "all",
        "held": all(report.held for report in ours(reports)),
        "policies": [report.as_json() | {"per_million": _per_million(report)} for report in reports],
    }


def ours(reports: list[Report]) -> list[Report]:
    """The rows of what hafence does; the other one is what it is compared with."""
    return [report for report in reports if report.policy != SshFailureIsDeath.name]


def _per_million(report: Report) -> dict[str, int]:
    return {
        "split_brains": report.per_million(report.split_brains),
        "named_split_brains": report.per_million(report.named_split_brains),
        "unbidden_split_brains": report.per_million(report.unbidden_split_brains),
        "starts": report.per_million(report.starts),
        "refusals": report.per_million(report.refusals),
    }

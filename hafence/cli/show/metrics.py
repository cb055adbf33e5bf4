"""An audit as figures for node_exporter's textfile collector: a file in the text format, replaced in one step.

prometheus_client writes it: it knows what must be escaped, and it renames. Samples bear no timestamp, which the
collector refuses; how old the file is it tells itself (`node_textfile_mtime_seconds`).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.audit import worst
from ...core.audit_paths import watched, ways_to_fence
from ...core.survey import Code, Finding, Survey

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

PREFIX = "hafence_audit_"
_HELP = {
    "critical": "Findings that are CRITICAL.",
    "warning": "Findings that are WARNING.",
    "unknown": "Findings that are UNKNOWN.",
    "hosts": "Hosts that were looked at.",
    "hosts_silent": "Hosts that do not answer.",
    "fence_paths": "Fence paths that were rehearsed in this run.",
    "fence_paths_good": "Those of them that work.",
    "vms": "VMs of the inventory.",
}
"""The figures of `counts` in `audit --json`, each by its name there."""


def is_there() -> bool:
    """Whether the library is installed. It is not loaded: that takes some 75 ms."""
    return find_spec("prometheus_client") is not None


def registry_of(
    scene: Survey, findings: tuple[Finding, ...], counts: Mapping[str, int], seconds: float
) -> CollectorRegistry:
    """All figures of an audit."""
    from prometheus_client import CollectorRegistry, Gauge

    registry = CollectorRegistry()

    def gauge(name: str, says: str, *labels: str) -> Gauge:
        return Gauge(PREFIX + name, says, labels, registry=registry)

    gauge("status", "0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.").set(worst(findings))
    gauge("duration_seconds", "How long the audit took.").set(round(seconds, 3))
    for name, says in _HELP.items():
        gauge(name, says).set(counts[name])
    codes = gauge("findings", "Findings by their code, each of hafence(1), AUDIT.", "code")
    for code in Code:
        codes.labels(code.value).set(sum(1 for finding in findings if finding.code is code))
    siblings = gauge("host_siblings", "Siblings through which the host can be fenced now.", "host", "cluster")
    for host, _ in watched(scene):
        siblings.labels(host.name, host.cluster).set(len(ways_to_fence(scene, host)))
    return registry


def write_metrics(
    path: Path, scene: Survey, findings: tuple[Finding, ...], counts: Mapping[str, int], seconds: float
) -> str:
    """Replace the file. The words for why that failed; '' where it did not: the old one then stays, and grows old."""
    from prometheus_client import write_to_textfile

    try:
        write_to_textfile(str(path), registry_of(scene, findings, counts, seconds))
    except OSError as error:
        return f"{path} could not be written: {error.strerror or error}"
    return ""


def unfit(path: Path) -> str:
    """Why nothing could be written there, as far as that can be told before the audit; '' where it could."""
    if not is_there():
        return (
            "--textfile needs prometheus_client, which is not installed: 'pip install hafence[metrics]', or Debian's"
            " package python3-prometheus-client"
        )
    if not path.parent.is_dir():
        return f"--textfile {path}: there is no folder {path.parent}"
    return ""

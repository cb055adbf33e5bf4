"""What an audit finds of VMs that run otherwise than they would be started."""

from __future__ import annotations

from collections.abc import Iterator

from .drift import DriftKind
from .model import Vm
from .survey import Code, Finding, Severity, Survey

_SEVERITY = {DriftKind.DISKS: Severity.CRITICAL}


def definition_drift(scene: Survey, vm: Vm) -> Iterator[Finding]:
    """A start would not bring back what runs now. From an older disk it loses what was written since."""
    drifts = scene.drifts.get(vm.uuid, ())
    if not drifts or not vm.ha:  # one that is never started here is its admins' business
        return
    severity = max(_SEVERITY.get(drift.kind, Severity.WARNING) for drift in drifts)
    saw = f"runs otherwise than it would be started: {'; '.join(drift.says for drift in drifts)}"
    do = f"'hafence capture {vm.name}', or mend its definition in the inventory; 'hafence audit --capture' each night"
    yield Finding(Code.DEFINITION_DRIFT, severity, vm.name, saw, do)

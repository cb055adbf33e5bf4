"""What contrib/ has for monitoring: alerts that name figures which are there, units that systemd takes, a cron line."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from hafence.cli.show.audit import counts_of
from hafence.cli.show.metrics import registry_of
from hafence.core.audit import find_all
from hafence.core.survey import Code
from tests.core.test_findings_told import SCENES
from tests.lab.require import find_program, lack

FOLDER = Path(__file__).parents[1] / "contrib/monitoring"
RULES = [
    rule for group in yaml.safe_load((FOLDER / "hafence.rules.yml").read_text())["groups"] for rule in group["rules"]
]
OTHERS = {"node_textfile_mtime_seconds", "time", "ignoring", "or", "code", "file"}
"""What is not hafence's in an expression."""


def exported() -> set[str]:
    scene = SCENES["much at once, the worst first"]
    findings = find_all(scene)
    registry = registry_of(scene, findings, counts_of(scene, findings), 1.5)
    return {metric.name for metric in registry.collect()}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_each_alert_goes_by_figures_that_are_written(rule: dict[str, object]) -> None:
    expr = str(rule["expr"])
    names = set(re.findall(r"[a-z_]+", re.sub(r'"[^"]*"', "", expr)))
    assert names - OTHERS <= exported()
    assert names & (exported() | {"node_textfile_mtime_seconds"})
    codes = set(re.findall(r'code="([a-z_]+)"', expr))
    assert codes <= {code.value for code in Code}
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[smhd]", str(rule.get("for", "1s")))
    labels, annotations = rule["labels"], rule["annotations"]
    assert isinstance(labels, dict)
    assert isinstance(annotations, dict)
    assert labels["severity"] in ("critical", "warning")
    assert set(annotations) == {"summary", "runbook"}


def test_each_alert_has_a_name_of_its_own() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names)) >= 8


@pytest.mark.parametrize("unit", ["hafence-audit.service", "hafence-audit.timer"])
def test_systemd_takes_the_units(unit: str) -> None:
    if find_program("systemd-analyze") is None:
        lack("needs systemd-analyze (Debian package systemd)")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(FOLDER / unit)], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "hafence-audit" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_the_cron_line_has_its_fields_and_runs_the_audit_quietly() -> None:
    lines = [line for line in (FOLDER / "hafence.cron").read_text().splitlines() if not line.startswith("#")]
    settings = [line for line in lines if "=" in line.split()[0]]
    [job] = [line for line in lines if line not in settings]
    *when, user, command, quiet, audit = job.split()
    assert (len(when), user, command, quiet, audit) == (5, "root", "hafence", "-q", "audit")
    assert any(line.startswith("PATH=") for line in settings)

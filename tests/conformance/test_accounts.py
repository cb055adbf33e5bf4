"""Nothing is forgotten: every fault of the lab and every event of the simulation is compared, or named with why not."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from hafence.sim.events import FIREWALL, LACKS, LIBVIRTD, SSHD, STARTS, VERBS
from tests.conformance.test_power import LIKE
from tests.lab import faults

HERE = Path(__file__).parent
NO_FAULT = {"ADMIN", "REJECTIONS", "Fault"}
"""What tests.lab.faults offers beside faults."""

OF_THE_LAB_ALONE = {
    "sshd_options": "any line of sshd_config: the named faults of sshd are made of it",
}
OF_THE_ADMIN_NODE = "it strikes the run, the store or a person; no host, sshd, libvirt, Ceph or BMC answers it"
OF_THE_SIMULATION_ALONE = {
    **dict.fromkeys(("crash", "hold", "release", "interrupt", "boot", "deaths"), OF_THE_ADMIN_NODE),
    **dict.fromkeys(("store", "own_store", "hooks", "operator", "state", "definition"), OF_THE_ADMIN_NODE),
    **dict.fromkeys(("disarm", "arm", "maintenance"), OF_THE_ADMIN_NODE),
    "clock": "all lab hosts share this machine's clock",
    "unfreeze": "what heals is compared with `heal` and `power_on`",
    "ready": "a lab guest is a boot sector and serves nothing; what real libvirt answers: tests/lab/test_ready.py",
    "slow": "no lab fault makes a host slow without stopping it; what a late script may do is compared with its lease",
    "wants": "a look here is about no VM's definition; real targets that lack what one names: tests/lab/test_needs.py",
    "own_disk": "likewise; real copies of a target's own: tests/lab/test_own_disks.py",
    "switches": "a BMC is its host's own in the conformance cases; exchanged ones: tests/lab/test_power.py",
    "reinstall": "a lab host keeps its machine-id; another one is a matter of interpret(), see tests/core",
}
VALUES = {"sshd": SSHD, "libvirtd": LIBVIRTD, "firewall": FIREWALL, "lacks": LACKS, "starts": STARTS}
WELL = ("ok", "")


@cache
def texts() -> frozenset[str]:
    """Every text in these tests, `{}` where something is put in; and the names that are taken from `faults`."""
    found: set[str] = set()
    for path in HERE.glob("*.py"):
        if path.name == Path(__file__).name:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
                found.add("".join(str(part) for part in parts))
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "faults":
                found.add(node.attr)
    return frozenset(found)


def test_every_fault_of_the_lab_is_compared_or_excused() -> None:
    of_the_lab = set(faults.__all__) - NO_FAULT
    compared = of_the_lab & texts()
    assert compared | OF_THE_LAB_ALONE.keys() == of_the_lab
    assert not compared & OF_THE_LAB_ALONE.keys()


def test_every_rejection_of_the_lab_is_compared() -> None:
    assert set(faults.REJECTIONS) <= texts()


def test_every_event_of_the_simulation_is_compared_or_excused() -> None:
    compared = {
        verb
        for verb in VERBS
        if any(text == "heal" if verb == "heal" else re.match(rf"{verb} \S", text) for text in texts())
    }
    assert compared | OF_THE_SIMULATION_ALONE.keys() == VERBS.keys()
    assert not compared & OF_THE_SIMULATION_ALONE.keys()


@pytest.mark.parametrize("verb", VALUES)
def test_every_value_of_a_setting_is_compared(verb: str) -> None:
    compared = {value for value in VALUES[verb] if any(re.match(rf"{verb} \S+={value}\Z", text) for text in texts())}
    assert compared | set(WELL) >= set(VALUES[verb])


def test_every_value_of_a_bmc_is_compared() -> None:
    assert set(LIKE.values()) == {"ok", "ignores", "gone"}


@pytest.mark.parametrize(
    "does",
    [
        "begins",
        "unkillable",
        "zombie-leader",
        *("defined", "respawns", "unit", "managed", "hidden", "holds", "starts-slowly"),
        *("leaves queue", "leaves request", "leaves cache", "differs"),
    ],
)
def test_every_state_of_a_process_is_compared(does: str) -> None:
    assert any(re.match(rf"qemu \S+ \S+ {does}\b", text) for text in texts())

"""The power fence with Debian's real fence agents and real BMCs: only a power-off that was seen is one."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hafence.core.evidence import Proof
from hafence.core.model import Host, HostName, PowerDevice
from hafence.core.second_level import SecondLevelReply
from hafence.workflows.power_fence import power_fence
from tests.core.make import inventory
from tests.lab import faults
from tests.lab.bmc import Bmc, IpmiBmc, Mode, RedfishBmc
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, assert_refused, assert_started, never_twice
from tests.playing import play

pytestmark = pytest.mark.bmc
Start = Callable[..., Bmc]

both = pytest.mark.parametrize("kind", [IpmiBmc, RedfishBmc])
SUSPECT = "kvm-01"


def device(bmc: Bmc, **more: object) -> PowerDevice:
    options = bmc.device(**more)["options"]
    return PowerDevice(bmc.agent, tuple((name, str(value)) for name, value in options.items() if value is not None))


def host(*levels: tuple[PowerDevice, ...]) -> Host:
    return Host(HostName(SUSPECT), "prod", "192.0.2.1", power=levels)


def power_off(suspect: Host, within_s: float, rehearse: bool) -> SecondLevelReply:
    """What the power fence comes to, with the real agents."""
    return play(inventory([suspect], []), power_fence(suspect, math.inf, within_s, rehearse))


# ---------------------------------------------------------------- what counts as off


@both
@pytest.mark.parametrize("mode", [Mode.NORMAL, Mode.SLOW_OFF, Mode.OFF_WITH_ERROR, Mode.CONFLICT_WHEN_OFF])
def test_an_off_that_is_seen_is_proof_whatever_the_answer_to_it_was(
    start_bmc: Start, kind: type[Bmc], mode: Mode
) -> None:
    bmc = start_bmc(kind)
    bmc.mode = mode
    for _ in ("on", "off already"):
        reply = power_off(host((device(bmc),)), 40, rehearse=False)
        assert reply.done, reply
        assert [each.proves for each in reply.evidence] == [Proof.HOST_OFF]
        assert bmc.power == "off"


@both
@pytest.mark.parametrize("mode", [Mode.IGNORES_OFF, Mode.REFUSES_OFF, Mode.NO_STATUS])
def test_an_off_that_is_not_seen_is_none(start_bmc: Start, kind: type[Bmc], mode: Mode) -> None:
    bmc = start_bmc(kind)
    bmc.mode = mode
    reply = power_off(host((device(bmc, power_timeout=2),)), 12, rehearse=False)
    assert not reply.done, reply
    assert [each.proves for each in reply.evidence] == [Proof.NOTHING]
    assert ("can't tell" if mode is Mode.NO_STATUS else "says on") in reply.says


@both
def test_a_wrong_password_switches_nothing_off_and_proves_nothing(
    start_bmc: Start, kind: type[Bmc], tmp_path: Path
) -> None:
    bmc = start_bmc(kind)
    (tmp_path / "wrong").write_text("wrong-horse\n")
    reply = power_off(host((device(bmc, password_file=tmp_path / "wrong"),)), 12, rehearse=False)
    assert not reply.done
    assert "can't tell" in reply.says
    assert "wrong-horse" not in str(reply)
    assert bmc.orders == []


@both
def test_a_bmc_that_is_silent_or_dead_proves_nothing_and_costs_no_more_than_its_time(
    start_bmc: Start, kind: type[Bmc]
) -> None:
    bmc = start_bmc(kind)
    with bmc.hang():
        assert not power_off(host((device(bmc),)), 6, rehearse=False).done
    bmc.die()
    reply = power_off(host((device(bmc, login_timeout=2),)), 6, rehearse=False)
    assert not reply.done
    assert reply.evidence[0].proves is Proof.NOTHING


def test_an_agent_that_is_missing_or_a_password_that_is_not_there_proves_nothing(tmp_path: Path) -> None:
    for bad in (
        PowerDevice("fence_no_such_agent"),
        PowerDevice("fence_ipmilan", (("ip", "127.0.0.1"), ("password_file", str(tmp_path / "none")))),
        PowerDevice("fence_ipmilan", (("ip", "127.0.0.1"), ("password_env", "HAFENCE_NO_SUCH_VARIABLE"))),
        PowerDevice("fence_ipmilan", (("ip", "127.0.0.1"), ("password_command", ("false",)))),
    ):
        reply = power_off(host((bad,)), 6, rehearse=False)
        assert not reply.done
        assert reply.evidence[0].proves is Proof.NOTHING


# ---------------------------------------------------------------- levels


def test_all_devices_of_a_level_must_be_seen_off(start_bmc: Start) -> None:
    one, other = start_bmc(IpmiBmc), start_bmc(RedfishBmc)
    assert power_off(host((device(one), device(other))), 40, rehearse=False).done
    assert one.power == other.power == "off"


@pytest.mark.parametrize("mode", [Mode.IGNORES_OFF, Mode.NO_STATUS])
def test_one_off_and_one_that_is_not_seen_off_is_no_level_and_the_next_has_its_turn(
    start_bmc: Start, mode: Mode
) -> None:
    good, bad, last = start_bmc(IpmiBmc), start_bmc(RedfishBmc), start_bmc(RedfishBmc)
    bad.mode = mode
    level = (device(good), device(bad, power_timeout=2))
    reply = power_off(host(level), 12, rehearse=False)
    assert not reply.done, reply
    assert good.power == "off"
    reply = power_off(host(level, (device(last),)), 40, rehearse=False)
    assert reply.done, reply
    assert "level 2" in reply.says
    assert last.power == "off"


def test_a_level_that_hangs_leaves_time_for_the_next(start_bmc: Start) -> None:
    silent, good = start_bmc(RedfishBmc), start_bmc(IpmiBmc)
    with silent.hang():
        reply = power_off(host((device(silent),), (device(good),)), 24, rehearse=False)
    assert reply.done, reply
    assert good.power == "off"


def test_a_rehearsal_asks_and_switches_nothing(start_bmc: Start) -> None:
    bmc = start_bmc(IpmiBmc)
    reply = power_off(host((device(bmc),)), 20, rehearse=True)
    assert reply.done
    assert reply.evidence == ()
    assert bmc.orders == []
    bmc.mode = Mode.NO_STATUS
    assert not power_off(host((device(bmc),)), 20, rehearse=True).done


# ---------------------------------------------------------------- secrets


@contextmanager
def arguments_of_everybody() -> Iterator[list[bytes]]:
    """Every command line of every process, looked at as often as this machine can, without repetitions."""
    seen: set[bytes] = set()
    found: list[bytes] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    seen.add(Path(f"/proc/{pid}/cmdline").read_bytes())
                except OSError:
                    continue

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join(30)
        found.extend(seen)


@both
@pytest.mark.parametrize("source", ["password_file", "password_env", "password_command"])
def test_the_password_is_seen_nowhere(lab: Lab, start_bmc: Start, kind: type[Bmc], source: str) -> None:
    secret = "Pl4in-5ight"
    bmc = start_bmc(kind, SUSPECT, password=secret)
    given: dict[str, object] = {
        "password_file": str(bmc.password_file),
        "password_env": "LAB_BMC",
        "password_command": ["cat", str(bmc.password_file)],
    }
    vm = lab.start_vm(SUSPECT, "web-01")
    power = [[bmc.device(password_file=None, verbose=1) | {"options": {**bmc.options(), source: given[source]}}]]
    admin = AdminNode(lab, hosts={SUSPECT: {"power": power}}, fencing={"unreachable": "prove", "power_timeout": 40})
    if source == "password_env":
        admin.environment["LAB_BMC"] = secret
    faults.link_down(lab, SUSPECT)
    with arguments_of_everybody() as seen:
        ended = admin.run("-v", "start-vm", vm.name, "--json")
    assert_started(admin, vm, ended, "powered_off")
    assert any(bmc.agent.encode() in line for line in seen)
    assert not [line for line in seen if secret.encode() in line]
    assert secret not in ended.stdout + ended.stderr
    holding = [path for path in admin.folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert holding == []
    run = ended["run"]
    assert secret not in admin.run("explain", run).stdout + admin.run("history", "--json").stdout


# ---------------------------------------------------------------- what it is good for


def with_power(lab: Lab, bmc: Bmc, policy: str, **device_options: object) -> AdminNode:
    power = [[bmc.device(**device_options)]]
    return AdminNode(lab, hosts={SUSPECT: {"power": power}}, fencing={"unreachable": policy, "power_timeout": 20})


@both
@pytest.mark.parametrize("policy", ["confirm", "prove"])
def test_a_host_that_lives_in_silence_is_switched_off_and_its_vm_starts(
    lab: Lab, start_bmc: Start, kind: type[Bmc], policy: str
) -> None:
    bmc = start_bmc(kind, SUSPECT)
    vm = lab.start_vm(SUSPECT, "web-01")
    faults.link_down(lab, SUSPECT)
    admin = with_power(lab, bmc, policy)
    foretold = admin.run_json("start-vm", vm.name, "--dry-run")
    assert (foretold.code, foretold["decision"], foretold["reason"]) == (0, "started", "powered_off"), foretold
    assert bmc.orders == []
    with never_twice(lab):
        ended = admin.run_json("start-vm", vm.name)
    assert_started(admin, vm, ended, "powered_off")
    assert not lab.hosts[SUSPECT].is_on()
    assert [each["kind"] for each in ended["evidence"] if "off" in each["says"]][-1:] == ["power"], ended
    assert admin.quarantined() == {SUSPECT}
    told = admin.run("explain", ended["run"]).stdout
    assert "level 1 sees it off" in told, told


def test_a_firewalled_host_that_lives_is_switched_off_before_its_vm_starts(lab: Lab, start_bmc: Start) -> None:
    bmc = start_bmc(IpmiBmc, SUSPECT)
    vm = lab.start_vm(SUSPECT, "web-01")
    faults.firewall(lab, SUSPECT)
    admin = with_power(lab, bmc, "confirm")
    with never_twice(lab):
        ended = admin.run_json("start-vm", vm.name)
    assert_started(admin, vm, ended, "powered_off")


def test_bmcs_that_were_exchanged_prove_nothing_of_a_host_that_goes_on_answering(lab: Lab, start_bmc: Start) -> None:
    """The inventory has the BMC of kvm-04 under kvm-01: kvm-04 goes off, and kvm-01 goes on answering."""
    wrong = start_bmc(IpmiBmc, "kvm-04")
    vm = lab.start_vm(SUSPECT, "web-01")
    faults.unkillable(lab, lab.qemu(vm).pid)
    admin = with_power(lab, wrong, "confirm")
    ended = admin.run_json("start-vm", vm.name, "--yes")
    assert_refused(admin, vm, ended, "still_alive", "still_alive", lab.qemus(vm.uuid))
    assert wrong.orders == ["off"]
    assert "the devices are another machine's (see 'power:' of kvm-01)" in ended["message"], ended
    found = admin.run_json("audit")
    assert ("wrong_power", SUSPECT) in [(each["code"], each["subject"]) for each in found["findings"]], found
    assert wrong.orders == ["off"]


def test_an_audit_names_the_device_that_can_not_be_asked(lab: Lab, start_bmc: Start, tmp_path: Path) -> None:
    bmc = start_bmc(IpmiBmc, SUSPECT)
    (tmp_path / "wrong").write_text("wrong-horse\n")
    for admin, wanted in (
        (with_power(lab, bmc, "confirm"), []),
        (with_power(lab, bmc, "confirm", password_file=str(tmp_path / "wrong")), [SUSPECT]),
        (with_power(lab, bmc, "confirm", lan_plus="1"), [SUSPECT]),
    ):
        found = admin.run_json("audit")["findings"]
        assert [each["subject"] for each in found if each["code"] == "power_unusable"] == wanted, found
    assert bmc.orders == []


def test_what_sigkill_does_not_end_is_ended_by_power(lab: Lab, start_bmc: Start) -> None:
    bmc = start_bmc(IpmiBmc, SUSPECT)
    vm = lab.start_vm(SUSPECT, "web-01")
    faults.unkillable(lab, lab.qemu(vm).pid)
    with never_twice(lab):
        ended = with_power(lab, bmc, "confirm").start_vm(vm.name)
    assert (ended.code, ended["reason"], ended["verdict"]) == (0, "powered_off", "still_alive"), ended


def test_a_host_that_lives_with_other_vms_is_not_switched_off_unless_someone_agrees(lab: Lab, start_bmc: Start) -> None:
    bmc = start_bmc(IpmiBmc, SUSPECT)
    vm, other = lab.start_vm(SUSPECT, "web-01"), lab.start_vm(SUSPECT, "web-02")
    faults.firewall(lab, SUSPECT)
    admin = with_power(lab, bmc, "confirm")
    ended = admin.run_json("start-vm", vm.name)
    assert_refused(admin, vm, ended, "unreachable_unconfirmed", "ambiguous", lab.qemus(vm.uuid))
    assert "1 other VM(s) are there and nobody agreed to switch them off; --yes agrees" in ended["message"], ended
    assert bmc.orders == []
    assert lab.copies(other.uuid) == 1


@pytest.mark.parametrize("mode", [Mode.IGNORES_OFF, Mode.NO_STATUS])
def test_silence_never_strengthens_a_power_fence_that_failed(lab: Lab, start_bmc: Start, mode: Mode) -> None:
    bmc = start_bmc(IpmiBmc)
    bmc.mode = mode
    vm = lab.start_vm(SUSPECT, "web-01")
    faults.link_down(lab, SUSPECT)
    admin = with_power(lab, bmc, "confirm", power_timeout=2)
    ended = admin.run_json("start-vm", vm.name)
    assert_refused(admin, vm, ended, "unreachable_unconfirmed", "unreachable", lab.qemus(vm.uuid))


@pytest.mark.parametrize("policy", ["confirm", "prove"])
def test_a_bmc_that_lost_power_with_its_host_does_not_trap_the_admin(lab: Lab, start_bmc: Start, policy: str) -> None:
    bmc = start_bmc(IpmiBmc, SUSPECT)
    vm = lab.start_vm(SUSPECT, "web-01")
    admin = with_power(lab, bmc, policy, login_timeout=2)
    faults.power_off(lab, SUSPECT)
    bmc.die()
    ended = admin.run_json("start-vm", vm.name)
    assert_refused(admin, vm, ended, "unreachable_unconfirmed", "unreachable")
    ways = " ".join(ended["ways_out"])
    assert f"confirm-dead {SUSPECT}" in ways
    assert "'ceph:'" in ways
    said = admin.run("confirm-dead", SUSPECT, "--reason", "both cords pulled", "--confirm", SUSPECT)
    assert said.code == 0, said
    with never_twice(lab):
        ended = admin.run_json("start-vm", vm.name)
    assert_started(admin, vm, ended, "operator_confirmed")
    assert any("both cords pulled" in each["says"] for each in ended["evidence"])
    assert ended["residual_risk"]

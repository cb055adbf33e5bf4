"""The demo's hosts: SSH as sshd does it, a virsh that scripts can use, and faults that are what they say."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import asyncssh
import pytest

from hafence.demo.cluster import DemoCluster
from hafence.demo.guard import install_guard, remove_guard
from hafence.demo.layout import HOSTS, VMS, root_of
from hafence.demo.writers import overlap, writers

from .conftest import Client

TCP_PATIENCE_S = 0.5


def test_every_vm_writes_where_the_inventory_says(cluster: DemoCluster) -> None:
    for vm in VMS:
        cluster.await_beat(vm.name, vm.host)
        assert {beat.host for beat in cluster.beats(vm.name)} == {vm.host}


def test_a_command_gets_its_stdin_and_gives_its_output_and_status(client: Client) -> None:
    assert client.run("kvm-02", "read -r word; echo got $word; exit 7", stdin="hello\n") == (
        7,
        "got hello\n",
    )


def test_a_killed_command_has_no_exit_status_but_a_signal(client: Client) -> None:
    status, _ = client.run("kvm-02", "kill -9 $$")
    assert status == -1


def test_a_host_is_reached_through_its_sibling_and_sees_its_programs_first(client: Client) -> None:
    status, output = client.run("kvm-01", "command -v virsh", via="kvm-03")
    assert (status, output.strip()) == (0, str(root_of(client.cluster.folder, "kvm-01") / "bin" / "virsh"))


def test_a_sibling_forwards_to_nothing_but_the_demo(client: Client) -> None:
    async def forward() -> None:
        key = str(client.cluster.folder / "id_ed25519")
        known = str(client.cluster.folder / "known_hosts")
        address, port = client.address("kvm-02")
        async with asyncssh.connect(
            address, port, username="demo", client_keys=[key], known_hosts=known, config=None
        ) as sibling:
            with pytest.raises(asyncssh.ChannelOpenError) as refused:
                await sibling.open_connection("127.0.0.1", 22)
            assert refused.value.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED

    asyncio.run(forward())


def test_another_key_is_not_let_in(client: Client) -> None:
    async def log_in() -> None:
        address, port = client.address("kvm-02")
        known = str(client.cluster.folder / "known_hosts")
        stranger = asyncssh.generate_private_key("ssh-ed25519")
        await asyncssh.connect(address, port, username="demo", client_keys=[stranger], known_hosts=known, config=None)

    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(log_in())


def test_virsh_tells_running_from_defined_and_refuses_a_second_start(client: Client) -> None:
    vms = {vm.name: vm.uuid for vm in VMS if vm.host == "kvm-02"}
    assert client.run("kvm-02", "virsh -q -c qemu:///system 'list --uuid'")[1].split() == sorted(vms.values())
    assert client.run("kvm-02", "virsh -q start web-02")[0] == 1
    assert client.run("kvm-02", "virsh -q destroy web-02; virsh -q list --uuid")[1].split() == [vms["db-01"]]
    assert set(client.run("kvm-02", "virsh -q list --all --uuid")[1].split()) == set(vms.values())
    assert client.run("kvm-02", f"virsh -q start {vms['web-02']}; virsh domstate web-02") == (0, "running\n")
    assert not overlap(client.cluster.beats("web-02"))


def test_with_the_guard_libvirt_starts_nothing_that_hafence_has_not_started(client: Client) -> None:
    folder, run = client.cluster.folder, root_of(client.cluster.folder, "kvm-01") / "run/hafence"
    uuid = next(vm.uuid for vm in VMS if vm.name == "web-01")
    client.run("kvm-01", "virsh destroy web-01")
    install_guard(folder, "kvm-01")
    status, said = client.run("kvm-01", "virsh start web-01 2>&1")
    assert (status, "Hook script execution failed: hafence-guard: hafence has not started VM" in said) == (1, True), (
        said
    )
    run.mkdir(exist_ok=True)
    (run / f"{uuid}.ticket").write_text("1 start\n")
    assert client.run("kvm-01", "virsh start web-01")[0] == 0
    client.run("kvm-01", "virsh destroy web-01")
    (run / f"{uuid}.ticket").unlink()
    remove_guard(folder, "kvm-01")
    assert client.run("kvm-01", "virsh start web-01")[0] == 0


def test_virsh_keeps_what_is_defined_and_forgets_what_was_only_created(client: Client) -> None:
    xml = client.cluster.folder / "domains" / "web-01.xml"
    assert (
        client.run("kvm-01", "virsh -q destroy web-01; virsh -q undefine web-01; virsh -q list --all --name")[1] == ""
    )
    assert client.run("kvm-03", f"virsh -q 'create {xml}; list --name'") == (0, "web-01\n")
    assert client.run("kvm-03", "virsh -q 'destroy web-01; list --all --name'") == (0, "")
    assert client.run("kvm-03", f"virsh -q define {xml}; virsh -q list --all --name") == (0, "web-01\n")


def test_virsh_goes_on_after_a_failure_and_the_last_status_counts(client: Client) -> None:
    assert client.run("kvm-03", "virsh -q 'start nobody; echo done'") == (0, "done\n")
    assert client.run("kvm-03", "virsh -q 'echo done; start nobody'") == (1, "done\n")


def test_a_vm_does_not_keep_the_lock_of_whoever_started_it(client: Client) -> None:
    client.run("kvm-02", "virsh -q destroy web-02")
    locked = 'exec 9>>"$TMPDIR/lock"; flock 9; virsh -q start web-02'
    assert client.run("kvm-02", locked)[0] == 0
    assert client.run("kvm-02", 'flock -n "$TMPDIR/lock" echo free') == (0, "free\n")


def test_memory_shrinks_with_each_running_vm(client: Client) -> None:
    def free() -> int:
        lines = client.run("kvm-02", "virsh -q nodememstats")[1].splitlines()
        return int(next(line for line in lines if line.startswith("free")).split()[-2])

    before = free()
    client.run("kvm-02", "virsh -q destroy web-02")
    assert free() == before + 512 * 1024


def test_a_deaf_qemu_survives_sigterm_and_sigkill_takes_it_out_of_proc(client: Client) -> None:
    cluster = client.cluster
    cluster.await_beat("db-01", "kvm-02")
    pid = cluster.beats("db-01")[-1].pid
    entry = root_of(cluster.folder, "kvm-02") / "proc" / str(pid)
    os.kill(pid, signal.SIGTERM)
    cluster.await_beat("db-01", "kvm-02")
    assert entry.exists()
    assert entry.resolve().name == str(pid)
    os.kill(pid, signal.SIGKILL)
    cluster.wait(lambda: not entry.is_symlink(), "the dead process to leave the host's /proc")
    assert client.run("kvm-02", "virsh -q domstate db-01") == (0, "shut off\n")


def test_a_host_without_power_drops_connections_and_its_vm_has_ended(client: Client) -> None:
    cluster = client.cluster
    cluster.make_fault("kvm-04", "off")
    written = len(cluster.beats("mail-01"))
    for _ in range(3):
        with pytest.raises(TimeoutError):
            socket.create_connection(client.address("kvm-04"), TCP_PATIENCE_S)
    assert len(cluster.beats("mail-01")) == written
    assert client.run("kvm-02", f"ping -c 1 {HOSTS[3].address}")[0] == 1
    assert client.run("kvm-02", f"ping -c 1 {HOSTS[2].address}")[0] == 0
    cluster.heal_fault("kvm-04", "off")
    cluster.await_beat("mail-01", "kvm-04")
    assert client.run("kvm-04", "true", via="kvm-02")[0] == 0
    assert not overlap(cluster.beats("mail-01"))


def test_a_cut_host_leaves_the_admin_node_waiting_and_lets_siblings_in(client: Client) -> None:
    client.cluster.make_fault("kvm-01", "cut")
    with pytest.raises((TimeoutError, asyncssh.ConnectionLost)):
        client.run("kvm-01", "true", login_s=0.5)
    assert client.run("kvm-01", "echo in", via="kvm-02") == (0, "in\n")
    client.cluster.heal_fault("kvm-01", "cut")
    assert client.run("kvm-01", "echo in") == (0, "in\n")


def test_another_manager_brings_a_killed_vm_back_as_another_process(client: Client) -> None:
    cluster = client.cluster
    cluster.await_beat("web-02", "kvm-02")
    cluster.make_fault("kvm-02", "respawn")
    os.kill(cluster.beats("web-02")[-1].pid, signal.SIGKILL)
    cluster.wait(lambda: len(writers(cluster.beats("web-02"))) == 2, "the VM to come back")
    assert not overlap(cluster.beats("web-02"))
    cluster.heal_fault("kvm-02", "respawn")
    client.run("kvm-02", "virsh -q destroy web-02")
    assert client.run("kvm-02", "sleep 0.5; virsh domstate web-02")[1] == "shut off\n"

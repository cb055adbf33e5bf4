"""known_hosts as OpenSSH reads it, and the collecting of host keys."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hafence.adapters.hosts.program import Program
from hafence.adapters.ssh.connections import Hosts
from hafence.adapters.ssh.known_hosts import known_name, read_known_hosts, shared_keys
from hafence.adapters.ssh.scan import scan_keys
from hafence.core.model import Host, HostName, SshSettings
from hafence.core.troubles import Trouble

from .conftest import NewServer
from .servers import free_port, make_key, public


def blobs(text: str, name: str) -> list[str]:
    return [key.blob for key in read_known_hosts(text).keys_of(name)]


@pytest.mark.parametrize(
    ("names", "name", "fits"),
    [
        ("kvm-01", "kvm-01", True),
        ("KVM-01", "kvm-01", True),
        ("kvm-01", "kvm-011", False),
        ("kvm-02,kvm-01", "kvm-01", True),
        ("10.0.0.*", "10.0.0.7", True),
        ("10.0.0.*", "10.0.1.7", False),
        ("10.0.0.?", "10.0.0.7", True),
        ("10.0.0.?", "10.0.0.17", False),
        ("10.0.0.*,!10.0.0.7", "10.0.0.7", False),
        ("10.0.0.*,!10.0.0.7", "10.0.0.8", True),
        ("!10.0.0.7", "10.0.0.8", False),
        ("[kvm-01]:2222", "[kvm-01]:2222", True),
        ("[kvm-*]:2222", "[kvm-01]:2222", True),
        ("kvm-01", "[kvm-01]:2222", False),
        ("|1|broken|broken", "kvm-01", False),
        ("|1|onlysalt", "kvm-01", False),
    ],
)
def test_names_fit_as_in_openssh(names: str, name: str, fits: bool) -> None:
    assert bool(blobs(f"{names} ssh-ed25519 AAAA\n", name)) is fits


@pytest.mark.parametrize("name", ["kvm-01", "kvm-02", "10.0.0.7"])
def test_ssh_keygen_finds_the_same_lines(tmp_path: Path, name: str) -> None:
    keys = [public(make_key(tmp_path / f"key{n}")) for n in range(3)]
    names = ["kvm-01", "kvm-0?,!kvm-02", "10.0.0.0,10.0.0.7"]
    file = tmp_path / "known_hosts"
    file.write_text("".join(f"{n} {k}\n" for n, k in zip(names, keys, strict=True)))
    found = subprocess.run(["ssh-keygen", "-F", name, "-f", file], capture_output=True, text=True, check=False).stdout
    expected = [line.split()[2] for line in found.splitlines() if not line.startswith("#")]
    assert sorted(blobs(file.read_text(), name)) == sorted(expected)


@pytest.mark.parametrize(
    "line", ["", "#comment", "kvm-01", "kvm-01 ssh-ed25519", "@cert-authority * ssh-rsa AAAA", "@odd * a b"]
)
def test_a_line_that_is_no_key_vouches_for_nobody(line: str) -> None:
    assert blobs(f"{line}\n", "kvm-01") == []


def test_a_port_other_than_22_is_part_of_the_name() -> None:
    host = Host(HostName("a"), "c", "KVM-01.example")
    assert known_name(host) == "kvm-01.example"
    assert known_name(replace(host, ssh=SshSettings(port=2222))) == "[kvm-01.example]:2222"


# ------------------------------------------------ scan-keys


def test_a_scan_brings_every_key_of_a_host_and_makes_it_known(sshd: NewServer, hosts: Hosts) -> None:
    server = sshd("suspect", key_kinds=("ed25519", "ecdsa", "rsa"))
    found = scan_keys([server.host()], 5)[HostName("suspect")]
    on_disk = {" ".join(public(server.folder / f"host_{kind}").split()[:2]) for kind in server.key_kinds}
    assert isinstance(found, tuple)
    assert set(found) == {f"{server.known_name} {key}" for key in on_disk}
    for line in found:
        server.known_hosts.write_text(line + "\n")
        assert hosts.run(server.host(), Program("exit 0\n"), within_s=5).trouble is None


@pytest.mark.parametrize("bits", ["384", "521"])
def test_a_scan_asks_for_every_type_that_a_login_takes(
    sshd: NewServer, hosts: Hosts, tmp_path: Path, bits: str
) -> None:
    server = sshd("suspect", start=False, key_kinds=("ecdsa",))
    key = server.folder / "host_ecdsa"
    key.unlink()
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-b", bits, "-N", "", "-f", str(key)], input=b"y\n", check=True)
    server.start()
    found = scan_keys([server.host()], 5)[HostName("suspect")]
    assert isinstance(found, tuple)
    assert [line.split()[1] for line in found] == [f"ecdsa-sha2-nistp{bits}"]
    server.known_hosts.write_text(found[0] + "\n")
    assert hosts.run(server.host(), Program("exit 0\n"), within_s=5).trouble is None


def test_a_scan_of_a_host_with_no_algorithm_in_common_says_so(sshd: NewServer) -> None:
    server = sshd("suspect", settings=("KexAlgorithms sntrup761x25519-sha512@openssh.com",))
    assert scan_keys([server.host()], 5)[HostName("suspect")] is Trouble.NO_ALGORITHM


def test_a_host_with_one_kind_of_key_gives_that_one(sshd: NewServer) -> None:
    server = sshd("suspect", key_kinds=("ecdsa",))
    found = scan_keys([server.host()], 5)[HostName("suspect")]
    assert isinstance(found, tuple)
    assert [line.split()[1] for line in found] == ["ecdsa-sha2-nistp256"]


def test_a_scan_tells_of_each_host_that_gave_no_key(sshd: NewServer, silent_port: int, mute_port: int) -> None:
    server = sshd("well")
    well = server.host()
    others = {"refuses": free_port(), "silent": silent_port, "mute": mute_port}
    hosts = [well, *(replace(well, name=HostName(n), ssh=replace(well.ssh, port=p)) for n, p in others.items())]
    found = scan_keys(hosts, 1)
    assert list(found) == ["well", "refuses", "silent", "mute"]
    assert isinstance(found[HostName("well")], tuple)
    assert found[HostName("refuses")] is Trouble.REFUSED
    assert found[HostName("silent")] is Trouble.TIMED_OUT
    assert found[HostName("mute")] is Trouble.NO_BANNER


def test_a_scan_of_nobody_is_empty() -> None:
    assert scan_keys([], 1) == {}


def test_hosts_that_known_hosts_can_not_tell_apart_are_named_and_revoked_keys_are_not_counted(tmp_path: Path) -> None:
    one, other = (public(make_key(tmp_path / name)).split()[1] for name in ("one", "other"))
    file = tmp_path / "known_hosts"
    lines = [f"10.0.0.1 ssh-ed25519 {one}", f"10.0.0.2,10.0.0.3 ssh-ed25519 {one}", f"10.0.0.3 ssh-ed25519 {other}"]
    lines += [f"@revoked 10.0.0.4 ssh-ed25519 {one}", f"10.0.0.4 ssh-ed25519 {other}x"]
    file.write_text("\n".join(lines) + "\n")
    ssh = SshSettings(known_hosts=str(file))
    hosts = [Host(HostName(f"kvm-0{n}"), "prod", f"10.0.0.{n}", ssh=ssh) for n in range(1, 5)]
    unset = Host(HostName("kvm-09"), "prod", "10.0.0.1")
    missing = replace(unset, ssh=SshSettings(known_hosts=str(tmp_path / "nowhere")))
    assert shared_keys([*hosts, unset, missing]) == (("kvm-01", "kvm-02", "kvm-03"),)
    assert shared_keys(hosts[2:]) == ()

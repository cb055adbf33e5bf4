"""`doctor` names what this machine lacks, with what mends it, and changes nothing."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from hafence.core.model import Uuid
from hafence.stores import can_be_written, open_store
from hafence.stores.port import RunRow
from tests.cli.conftest import WEB, Desk, Typed

INVENTORY = """\
ssh: {identity_file: key, known_hosts: known_hosts}
store: sqlite:state.db
clusters: {prod-a: }
hosts:
  kvm-01: {cluster: prod-a, address: 10.0.0.1}
  kvm-02: {cluster: prod-a, address: 10.0.0.2, ssh: {port: 2222}}
"""
Row = tuple[str, str]
"""What is said, and what mends it."""


def private_key(how: KeySerializationEncryption | None = None) -> bytes:
    made = Ed25519PrivateKey.generate()
    return made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, how or NoEncryption())


def public_key() -> str:
    made = Ed25519PrivateKey.generate().public_key()
    return made.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def write_key(desk: Desk, content: bytes, mode: int = 0o600) -> None:
    path = desk.folder / "key"
    path.write_bytes(content)
    path.chmod(mode)


@pytest.fixture
def ready(empty_desk: Desk) -> Desk:
    """An admin node that lacks nothing."""
    empty_desk.write(INVENTORY)
    write_key(empty_desk, private_key())
    empty_desk.write(f"10.0.0.1 {public_key()}\n[10.0.0.2]:2222 {public_key()}\n", "known_hosts")
    return empty_desk


def checks(said: Typed) -> list[dict[str, Any]]:
    document = said.document
    assert said.err == ""
    bad = [row for row in document["checks"] if row["state"] == "bad"]
    assert (document["ready"], said.code) == ((False, 3) if bad else (True, 0))
    assert all(row["do"] for row in bad), "each is told with what mends it"
    assert not any(row["do"] for row in document["checks"] if row["state"] == "ok")
    return list(document["checks"])


def bad(desk: Desk, **env: str) -> dict[str, Row]:
    """What is not ready, by what was looked at."""
    rows = checks(desk.type("doctor", "--json", **env))
    return {row["check"]: (row["says"], row["do"]) for row in rows if row["state"] == "bad"}


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mode, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


def test_a_node_that_lacks_nothing_is_ready_and_stays_as_it_was(ready: Desk) -> None:
    before = snapshot(ready.folder)
    rows = checks(ready.type("doctor", "--json"))
    assert [row["check"] for row in rows] == ["key", "known_hosts", "store", "witness"]
    assert {row["state"] for row in rows} == {"ok"}
    text = ready.type("doctor")
    assert (text.code, text.err) == (0, "")
    assert [line.split()[0] for line in text.out.splitlines()] == ["✔"] * 4
    assert ready.type("doctor", "-q").out == ""
    assert snapshot(ready.folder) == before


def test_marks_are_told_in_letters_that_are_there(ready: Desk) -> None:
    (ready.folder / "key").chmod(0o644)
    lines = ready.type("doctor", LC_ALL="C", PYTHONIOENCODING="ascii").out.splitlines()
    assert lines[0].startswith("x key")
    assert lines[2].startswith("+ known_hosts")


def test_a_key_is_missing_open_to_others_locked_or_none(ready: Desk) -> None:
    path = ready.folder / "key"
    path.chmod(0o640)
    says, do = bad(ready)["key"]
    assert "can be read by others (mode 640)" in says
    assert do == f"chmod 600 {path}"
    write_key(ready, private_key(BestAvailableEncryption(b"secret")))
    says, do = bad(ready)["key"]
    assert "has a passphrase" in says
    assert do == f"ssh-keygen -p -f {path}"
    write_key(ready, b"no key\n")
    assert "is not a private key" in bad(ready)["key"][0]
    path.unlink()
    says, do = bad(ready)["key"]
    assert "No such file" in says
    assert do == f"ssh-keygen -t ed25519 -N '' -f {path}"
    ready.write(INVENTORY.replace("identity_file: key, ", ""))
    assert bad(ready)["key"][0] == "no key is set for kvm-01, kvm-02"


def test_known_hosts_covers_every_host_by_its_port_and_others_may_not_write_it(ready: Desk) -> None:
    path = ready.folder / "known_hosts"
    path.chmod(0o666)
    assert bad(ready)["known_hosts"][1] == f"chmod go-w {path}"
    path.chmod(0o644)
    path.write_text(f"10.0.0.1 {public_key()}\n10.0.0.2 {public_key()}\n")
    says, do = bad(ready)["known_hosts"]
    assert says == f"{path} has no key for kvm-02, only one without the port: write it as [10.0.0.2]:2222"
    assert do == f"hafence inventory scan-keys -o {path} --append kvm-02"
    path.write_text(f"@revoked 10.0.0.1 {public_key()}\n[10.0.0.2]:2222 {public_key()}\n")
    assert "has no key for kvm-01" in bad(ready)["known_hosts"][0]
    path.unlink()
    assert bad(ready)["known_hosts"][1] == f"hafence inventory scan-keys -o {path}"
    ready.write(INVENTORY.replace(", known_hosts: known_hosts", ""))
    assert "every login there is refused" in bad(ready)["known_hosts"][0]


def test_the_command_that_mends_names_the_inventory_that_was_named(ready: Desk) -> None:
    (ready.folder / "known_hosts").unlink()
    said = ready.type("-i", "inventory.yaml", "doctor")
    assert said.code == 3
    assert "hafence -i inventory.yaml inventory scan-keys -o " in said.out


def test_an_agent_is_looked_for_only_where_it_is_asked_for(ready: Desk) -> None:
    assert "agent" not in bad(ready, SSH_AUTH_SOCK="/nonexistent")
    ready.write(INVENTORY.replace("{identity_file: key", "{agent: true, identity_file: key"))
    rows = {row["check"]: row for row in checks(ready.type("doctor", "--json", SSH_AUTH_SOCK=""))}
    assert rows["agent"]["state"] == "note"
    assert "SSH_AUTH_SOCK is not set" in rows["agent"]["says"]
    ready.write(INVENTORY.replace("{identity_file: key", "{agent: true"))
    assert "ssh-add" in bad(ready, SSH_AUTH_SOCK="")["agent"][1]


def test_an_agent_that_hangs_is_told_in_time(ready: Desk) -> None:
    ready.write(INVENTORY.replace("{identity_file: key", "{agent: true"))
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{folder}/agent")
        silent.listen()
        assert "does not answer" in bad(ready, SSH_AUTH_SOCK=f"{folder}/agent")["agent"][0]


def test_a_store_that_is_damaged_or_in_the_place_of_something_else(ready: Desk) -> None:
    store = ready.folder / "state.db"
    store.write_bytes(b"no store at all, but long enough to be taken for a file of one" * 20)
    says, do = bad(ready)["store"]
    assert str(store) in says
    assert do == "hafence store check"
    store.unlink()
    store.mkdir()
    assert "is a folder" in bad(ready)["store"][0]


@pytest.fixture
def folder_of_another() -> Iterator[Path]:
    """A folder in which this process may look, and may not write."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o555)
        as_root = os.geteuid() == 0
        if as_root:
            os.seteuid(65534)
        try:
            yield path
        finally:
            if as_root:
                os.seteuid(0)


def test_whether_a_store_can_be_written_is_told_without_writing(ready: Desk, folder_of_another: Path) -> None:
    assert can_be_written(f"sqlite://{folder_of_another}/state.db") is False
    assert can_be_written(f"sqlite://{folder_of_another}/a/b/state.db") is False
    assert can_be_written("etcd://h:1") is None
    assert list(folder_of_another.iterdir()) == []


def test_a_store_that_nobody_has_made_yet_may_be_made(ready: Desk) -> None:
    assert can_be_written(f"sqlite://{ready.folder}/a/b/state.db") is True
    assert not (ready.folder / "a").exists()


def test_a_clock_behind_the_stores_newest_run_is_told(ready: Desk) -> None:
    store = open_store(f"sqlite://{ready.folder / 'state.db'}")
    store.begin_run(RunRow("r1", time.time() - 60, "ann@admin", "fence", (Uuid(WEB),)))
    rows = {row["check"]: row for row in checks(ready.type("doctor", "--json"))}
    assert rows["clock"]["state"] == "ok"
    store.begin_run(RunRow("r2", time.time() + 3600, "ann@admin", "fence", (Uuid(WEB),)))
    store.close()
    says, do = bad(ready)["clock"]
    assert "behind the newest run in the store" in says
    assert do == "timedatectl set-ntp true"


POWER = """\
    power: [[{agent: fence_that_is_not_there, options: {password_file: pw}}, {agent: fence_x, options: {%s}}]]
"""


def test_agents_and_their_passwords(ready: Desk) -> None:
    programs = ready.folder / "bin"
    programs.mkdir()
    agent = programs / "fence_x"
    agent.write_text("#!/bin/sh\nexit 1\n")
    agent.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"

    def power(options: str, **env: str) -> list[Row]:
        host = f"  kvm-01:\n    cluster: prod-a\n    address: 10.0.0.1\n{POWER % options}"
        ready.write(INVENTORY.replace("  kvm-01: {cluster: prod-a, address: 10.0.0.1}\n", host))
        rows = checks(ready.type("doctor", "--json", PATH=path, **env))
        return [(row["says"], row["do"]) for row in rows if row["check"] == "power" and row["state"] == "bad"]

    secret = ready.write("SECRET\n", "pw")
    secret.chmod(0o600)
    ((says, do),) = power("password_env: BMC", BMC="SECRET")
    assert says == "fence_that_is_not_there is not installed: kvm-01 can't be switched off"
    assert "fence-agents" in do
    assert power("password_env: BMC")[1:] == [("kvm-01, fence_x: BMC is not in the environment", "export BMC=…")]
    assert power("password_command: [no-such-program, SECRET]")[1:] == [
        ("kvm-01, fence_x: no-such-program (password_command) is not there", "install no-such-program")
    ]
    secret.chmod(0o644)
    assert power("a: b")[1] == (
        f"kvm-01, fence_that_is_not_there: {secret} can be read by others (mode 644)",
        f"chmod 600 {secret}",
    )
    secret.unlink()
    says, do = power("a: b")[1]
    assert "No such file" in says
    assert str(secret) in do


def test_ceph_is_no_hindrance_as_long_as_the_hosts_can_ask_it(ready: Desk) -> None:
    ready.write(INVENTORY.replace("{prod-a: }", "{prod-a: {ceph: {conf: no.conf}}}"))
    rows = {row["check"]: row for row in checks(ready.type("doctor", "--json"))}
    assert rows["ceph"]["state"] == "note"
    assert "can't read" in rows["ceph"]["says"]
    assert rows["ceph"]["do"]


def test_a_machine_that_can_not_look_for_signs_of_life(ready: Desk) -> None:
    says, do = bad(ready, PATH="/nonexistent")["witness"]
    assert says == "this machine can't look for signs of life: it lacks ping, ip, bash, timeout"
    assert "iputils-ping" in do


def test_an_inventory_that_is_not_valid_is_exit_6(ready: Desk) -> None:
    ready.write("hosts: [")
    assert ready.type("doctor", "--json").code == 6

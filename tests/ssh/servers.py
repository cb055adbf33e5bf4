"""Real sshd's of the tests' own, on loopback ports or in a network namespace, each with its own keys."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hafence.core.model import Host, HostName, SshSettings


def wait_for(condition: Callable[[], object], what: str, at_most_s: float = 10.0) -> None:
    end = time.monotonic() + at_most_s
    while not condition():
        assert time.monotonic() < end, f"waited {at_most_s} s in vain: {what}"
        time.sleep(0.01)


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)]
    if kind == "rsa":
        command += ["-b", "2048"]
    subprocess.run(command, check=True)
    return path


def public(path: Path) -> str:
    return path.with_name(path.name + ".pub").read_text().strip()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Server:
    """One sshd. `settings` are lines of sshd_config, `restrict` stands before the key in authorized_keys."""

    folder: Path
    identity: Path
    name: str
    address: str = "127.0.0.1"
    port: int = 0
    netns: str = ""
    settings: tuple[str, ...] = ()
    restrict: str = ""
    key_kinds: tuple[str, ...] = ("ed25519",)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.port = self.port or free_port()
        self.home.mkdir(parents=True)
        for kind in self.key_kinds:
            make_key(self.folder / f"host_{kind}", kind)
        self.authorize(self.restrict)
        self.trust(*(f"host_{kind}" for kind in self.key_kinds))

    def authorize(self, restrict: str) -> None:
        (self.folder / "authorized_keys").write_text(f"{restrict} {public(self.identity)}\n".lstrip())

    def trust(self, *keys: str) -> None:
        """Write known_hosts with these of the host's keys."""
        self.known_hosts.write_text("".join(f"{self.known_name} {public(self.folder / k)}\n" for k in keys))

    @property
    def known_name(self) -> str:
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def host(self, **ssh: object) -> Host:
        settings: dict[str, object] = {
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "port": self.port,
            "identity_file": str(self.identity),
            "known_hosts": str(self.known_hosts),
            "sudo": False,
        }
        return Host(HostName(self.name), "lab", self.address, ssh=SshSettings(**(settings | ssh)))  # type: ignore[arg-type]

    def start(self, everywhere: bool = False) -> Server:
        config = self.folder / "sshd_config"
        lines = [
            f"ListenAddress {'0.0.0.0' if everywhere else self.address}:{self.port}",
            *(f"HostKey {self.folder / f'host_{kind}'}" for kind in self.key_kinds),
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}",
            *self.settings,
            # bash reads ~/.bashrc for every ssh command; this machine's is slow, and not the test's.
            f"SetEnv HOME={self.home}",
            "StrictModes no",
            "UsePAM no",
            "PidFile none",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
        ]
        config.write_text("\n".join(lines) + "\n")
        inside = ["ip", "netns", "exec", self.netns] if self.netns else []
        log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen([*inside, "/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stderr=log)
        wait_for(lambda: b"listening on" in (self.folder / "log").read_bytes(), f"{self.name} listens")
        return self

    @property
    def pid(self) -> int:
        """The listener. `ip netns exec` becomes the command that it runs."""
        assert self.process is not None
        return self.process.pid

    def sessions(self) -> list[int]:
        """The processes of its logins, and whatever runs in them, newest first."""
        return descendants(self.pid)

    def signal_sessions(self, number: signal.Signals) -> None:
        wait_for(self.sessions, f"{self.name} has a session")
        for pid in self.sessions():
            _kill(pid, number)

    def freeze(self) -> None:
        """Nothing of it runs on; its kernel does."""
        for pid in [self.pid, *self.sessions()]:
            _kill(pid, signal.SIGSTOP)

    def freeze_listener(self) -> None:
        _kill(self.pid, signal.SIGSTOP)

    def kill(self) -> None:
        if self.process is None:
            return
        for pid in [self.pid, *self.sessions()]:
            _kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None


def _kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found[::-1]


SYN_SENT = "02"


def connecting_to(port: int, pid: int | str = "self") -> bool:
    """Whether somebody (in the network namespace of `pid`) is waiting for an answer from this port."""
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[2].endswith(f":{port:04X}") and line.split()[3] == SYN_SENT for line in lines)

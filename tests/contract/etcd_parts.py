"""Real etcd clusters on loopback, with ports that the kernel gave; they end with the tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.lab.require import PACKAGE_OF, find_program, lack

READY_S = 60.0


def need_etcd(*programs: str) -> None:
    """Skip the test by name where there is no etcd; on CI fail."""
    lacks = [f"{name} (Debian package {PACKAGE_OF[name]})" for name in ("etcd", *programs) if not find_program(name)]
    if lacks:
        lack("needs " + ", ".join(lacks))


class Member:
    """One etcd process. `tls`: the folder of certificates (see `certificates`)."""

    def __init__(self, folder: Path, name: str, peers: str, peer_port: int, port: int, tls: Path | None) -> None:
        self.name, self.port, self.folder = name, port, folder
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{port}"
        self._argv = [
            *("setpriv", "--pdeathsig", "KILL", "etcd", "--name", name, "--data-dir", str(folder / name)),
            *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
            *("--listen-peer-urls", f"http://127.0.0.1:{peer_port}"),
            *("--initial-advertise-peer-urls", f"http://127.0.0.1:{peer_port}"),
            *("--initial-cluster", peers, "--initial-cluster-token", folder.name, "--log-level", "error"),
            *(("--cert-file", f"{tls}/server.crt", "--key-file", f"{tls}/server.key") if tls else ()),
            *(("--client-cert-auth", "--trusted-ca-file", f"{tls}/ca.crt") if tls else ()),
        ]
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with (self.folder / f"{self.name}.log").open("ab") as log:
            return subprocess.Popen(self._argv, stdout=log, stderr=log)

    def freeze(self) -> None:
        """It keeps its connections and takes new ones, and says nothing from the moment that this returns: on a busy
        machine a thread of it may go on for a moment after the signal was sent."""
        self.process.send_signal(signal.SIGSTOP)
        end = time.monotonic() + READY_S
        while not all(state == "T" for state in self._states()):
            assert time.monotonic() < end, f"{self.name} did not stop"
            time.sleep(0.005)

    def _states(self) -> list[str]:
        """Of each of its threads."""
        states = []
        for stat in Path(f"/proc/{self.process.pid}/task").glob("*/stat"):
            with suppress(OSError):  # it has just ended
                states.append(stat.read_text().rsplit(")", 1)[1].split()[0])
        return states

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=READY_S)

    def start_again(self) -> None:
        """On the same data, as after a crash."""
        self.process = self._start()


class Cluster:
    """Members of one cluster."""

    def __init__(self, folder: Path, members: Sequence[Member], tls: Path | None) -> None:
        self.folder, self.members, self.tls = folder, members, tls

    def url(self, prefix: str, *, more: str = "", first: int = 0) -> str:
        """The store's URL; `first`: the member that is asked first."""
        order = [*self.members[first:], *self.members[:first]]
        query = f"?ca={self.tls}/ca.crt&cert={self.tls}/client.crt&key={self.tls}/client.key{more}" if self.tls else ""
        return f"etcd://{','.join(f'127.0.0.1:{member.port}' for member in order)}/{prefix}{query}"

    def leader(self) -> Member:
        """The member that leads."""
        for member in self.members:
            status = post(member.url + "/v3/maintenance/status", {})
            if status["leader"] == status["header"]["member_id"]:  # both are text
                return member
        raise AssertionError("no member leads")

    def ctl(self, *words: str, env: dict[str, str] | None = None) -> str:
        """What etcdctl says."""
        tls = self.tls
        more = (f"--cacert={tls}/ca.crt", f"--cert={tls}/client.crt", f"--key={tls}/client.key") if tls else ()
        endpoints = ",".join(member.url for member in self.members)
        run = subprocess.run(
            ["etcdctl", f"--endpoints={endpoints}", *more, *words],
            env={**os.environ, "ETCDCTL_API": "3", **(env or {})},
            capture_output=True,
            text=True,
            timeout=READY_S,
            check=True,
        )
        return run.stdout


def post(url: str, document: object) -> dict[str, Any]:
    """What the JSON gateway answers to a plain request."""
    request = urllib.request.Request(url, json.dumps(document).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        document = json.loads(answer.read())
    assert isinstance(document, dict)
    return document


@contextmanager
def cluster(size: int = 1, tls: Path | None = None) -> Iterator[Cluster]:
    """A cluster that has a leader."""
    need_etcd()
    folder = Path(tempfile.mkdtemp(prefix="hft-etcd-"))
    ports = free_ports(2 * size)
    names = [f"m{number}" for number in range(size)]
    peers = ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in zip(names, ports[:size], strict=True))
    members: list[Member] = []
    try:
        for name, peer_port, port in zip(names, ports[:size], ports[size:], strict=True):
            members.append(Member(folder, name, peers, peer_port, port, tls))
        made = Cluster(folder, members, tls)
        for member in members:
            _wait_until_it_serves(made, member)
        yield made
    finally:
        for member in members:
            member.thaw()
            member.kill()
        shutil.rmtree(folder)


def _wait_until_it_serves(made: Cluster, member: Member) -> None:
    give_up_at = time.monotonic() + READY_S
    while True:
        try:
            if made.tls:
                made.ctl("get", "x")
            else:
                post(member.url + "/v3/kv/range", {"key": "eA=="})
            return
        except (OSError, urllib.error.URLError, subprocess.CalledProcessError):
            log = (member.folder / f"{member.name}.log").read_text()
            assert member.process.poll() is None, log
            assert time.monotonic() < give_up_at, log
            time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def certificates(folder: Path) -> Path:
    """A CA, a server's certificate for 127.0.0.1, a client's without a name (which the gateway demands)."""
    need_etcd("openssl")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=READY_S)

    def signed(name: str, subject: str, extensions: str) -> None:
        (folder / f"{name}.ext").write_text(extensions)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
                "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt")  # fmt: skip

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=test ca",
            "-days", "2", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", "ca.key",
            "-out", "ca.crt")  # fmt: skip
    signed("server", "/CN=etcd", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    signed("other-name", "/CN=etcd", "subjectAltName=DNS:elsewhere\nextendedKeyUsage=serverAuth\n")
    signed("client", "/O=hafence", "extendedKeyUsage=clientAuth\n")
    return folder

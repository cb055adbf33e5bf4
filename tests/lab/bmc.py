"""Baseboard controllers on loopback, for Debian's real fence agents: IPMI 2.0 (pyghmi) and Redfish (sushy-tools).

A BMC may be a lab host's: then what it says is whether the host is on, and `off` pulls the host's plug.
"""

from __future__ import annotations

import enum
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar

from . import cleaning, faults
from .cluster import Lab
from .fault import Fault
from .proc import LabError, identity, kill, kill_all, run, task_states, wait_until

REPOSITORY = Path(__file__).parents[2]


class Mode(enum.Enum):
    """How a BMC takes an order to power off."""

    NORMAL = "does it"
    IGNORES_OFF = "says that it did, and did not"
    REFUSES_OFF = "answers with an error, and did not"
    OFF_WITH_ERROR = "answers with an error, and did"
    SLOW_OFF = "says that it did, and does it some seconds later"
    NO_STATUS = "does it, and answers with an error when asked for the state"
    CONFLICT_WHEN_OFF = "does it, and answers an off to what is off already with an error (Redfish: 409)"


class Bmc:
    """A BMC in a process of its own. `with IpmiBmc(lab, "kvm-01") as bmc:`

    power     what it says: `on` or `off`; a lab host's is whether that host is on
    mode      how it takes orders; may be changed at any time
    orders    what it was told, in order (`off`, `on`, …; status questions are not noted)
    """

    kind: ClassVar[str]
    agent: ClassVar[str]
    programs: ClassVar[tuple[str, ...]]
    modules: ClassVar[tuple[str, ...]]
    slow_off_s = 2.0

    def __init__(self, lab: Lab, host: str | None = None, user: str = "admin", password: str = "Tr0ub4dor") -> None:
        self.lab, self.host = lab, host
        self.user, self.password = user, password
        self.mode = Mode.NORMAL
        self.orders: list[str] = []
        self.port = 0
        self._power = "on"
        self._off: Fault | None = None
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Bmc:
        return self.up()

    def __exit__(self, *_: object) -> None:
        self.down()

    # ------------------------------------------------------------ its process

    def up(self) -> Bmc:
        """Start it on a free loopback port."""
        number = sum(1 for _ in self.lab.folder.glob("bmc-*")) + 1
        self.folder = self.lab.folder / f"bmc-{number}"
        self.folder.mkdir(mode=0o700)
        self._write_files()
        with (self.folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.lab.bmc_server", self.kind, str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=REPOSITORY,
            )
        cleaning.note_child(self.lab.folder, self._process.pid)
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        if words[:1] != ["listening"]:
            raise LabError(f"the BMC did not start: {(self.folder / 'log').read_text()[-2000:]}")
        self.port = int(words[1])
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def down(self) -> None:
        """End it. A host that it has powered off stays off until the lab's next reset."""
        if self._process is not None:
            self.die()
            self._process = None

    def _serve(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        assert process.stdin is not None
        for line in process.stdout:
            try:
                process.stdin.write(self._answer(line.strip()) + "\n")
                process.stdin.flush()
            except (BrokenPipeError, ValueError):
                return

    def _write_files(self) -> None:
        for name, text in (("user", self.user), ("password", self.password)):
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(text)

    # ------------------------------------------------------------ what it does

    @property
    def power(self) -> str:
        """`on` or `off`."""
        if self.host is not None:
            return "on" if self.lab.hosts[self.host].is_on() else "off"
        return self._power

    def _answer(self, order: str) -> str:
        if order == "status":
            return "error" if self.mode is Mode.NO_STATUS else self.power
        self.orders.append(order)
        if order == "on":
            self._switch_on()
            return "ok"
        return self._switched_off() if order == "off" else "error"

    def _switched_off(self) -> str:
        if self.mode is Mode.CONFLICT_WHEN_OFF and self.power == "off":
            return "conflict"
        if self.mode is Mode.SLOW_OFF:
            timer = threading.Timer(self.slow_off_s, self._switch_off)
            timer.daemon = True
            timer.start()
        elif self.mode not in (Mode.IGNORES_OFF, Mode.REFUSES_OFF):
            self._switch_off()
        return "error" if self.mode in (Mode.REFUSES_OFF, Mode.OFF_WITH_ERROR) else "ok"

    def _switch_off(self) -> None:
        self._power = "off"
        if self.host is not None and self.lab.hosts[self.host].is_on():
            self._off = faults.power_off(self.lab, self.host)

    def _switch_on(self) -> None:
        self._power = "on"
        if self._off is not None:
            self._off.heal()

    # ------------------------------------------------------------ its own faults

    def hang(self) -> Fault:
        """It takes packets and connections and never answers."""
        who = identity(self._pid())
        assert who is not None
        kill(who, signal.SIGSTOP)
        wait_until(lambda: set(task_states(who.pid)) == {"T"}, "the BMC hangs")
        return Fault(self.lab, f"{self.kind} BMC hangs", lambda: kill(who, signal.SIGCONT))

    def die(self) -> None:
        """It has lost its power, as one does that hangs on its host's supply: nobody listens."""
        process = self._process
        if process is None:
            return
        kill_all([process.pid], f"{self.kind} BMC")
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue

    def _pid(self) -> int:
        if self._process is None:
            raise LabError("the BMC is not up")
        return self._process.pid

    # ------------------------------------------------------------ for the inventory

    def options(self) -> dict[str, Any]:
        """The agent's options, without the password."""
        raise NotImplementedError

    @property
    def password_file(self) -> Path:
        """A file with the password, readable by root alone."""
        return self.folder / "password"

    def device(self, **more: Any) -> dict[str, Any]:
        """One device of a host's `power:` in the inventory."""
        return {"agent": self.agent, "options": {**self.options(), "password_file": str(self.password_file), **more}}

    def ask(self, action: str, *, timeout_s: float = 60.0, **more: Any) -> subprocess.CompletedProcess[str]:
        """What the real agent makes of it: exit 0 done or on, 2 off, else failed. Options go to its stdin."""
        options = {**self.options(), "password": self.password, "action": action, **more}
        lines = "".join(f"{key}={value}\n" for key, value in options.items())
        return subprocess.run(
            [self.agent], input=lines, capture_output=True, text=True, timeout=timeout_s, check=False, env=_ENVIRONMENT
        )


_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}


class IpmiBmc(Bmc):
    """IPMI 2.0 over LAN, for fence_ipmilan."""

    kind, agent = "ipmi", "fence_ipmilan"
    programs, modules = ("fence_ipmilan", "ipmitool"), ("pyghmi",)

    def options(self) -> dict[str, Any]:
        """As fence_ipmilan wants them."""
        return {"ip": "127.0.0.1", "ipport": self.port, "username": self.user, "lanplus": 1}


class RedfishBmc(Bmc):
    """Redfish over HTTPS, for fence_redfish."""

    kind, agent = "redfish", "fence_redfish"
    programs, modules = ("fence_redfish", "openssl"), ("sushy_tools", "bcrypt")

    def _write_files(self) -> None:
        super()._write_files()
        import bcrypt  # needed for a Redfish BMC alone

        hashed = bcrypt.hashpw(self.password.encode(), bcrypt.gensalt(4)).decode()
        (self.folder / "htpasswd").write_text(f"{self.user}:{hashed}\n")
        files = ["-keyout", str(self.folder / "key.pem"), "-out", str(self.folder / "cert.pem")]
        subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files, *subject])

    def options(self) -> dict[str, Any]:
        """As fence_redfish wants them; the certificate is the BMC's own."""
        return {"ip": "127.0.0.1", "ipport": self.port, "username": self.user, "ssl_insecure": 1}

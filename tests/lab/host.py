"""A lab host: namespaces of its own, a real sshd, a real libvirtd, and an init that reaps.

Everything here acts out of band, through the kernel (`nsenter`, /proc), so that no check depends on the network
that a fault has cut.
"""

from __future__ import annotations

import select
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .image import SSHD_CONFIG, make_disk
from .net import Network
from .proc import (
    LabError,
    arguments,
    children,
    in_namespace,
    is_living,
    kill_all,
    pid_namespace,
    run,
    wait_until,
)

HOST_SH = Path(__file__).with_name("host.sh")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "HOME": "/root", "LC_ALL": "C", "TERM": "dumb"}
KEEPER = ("sleep", "36500d")
"""What a host's init looks after, so that it stays."""
BOOT_TIMEOUT_S = 60.0
Completed = subprocess.CompletedProcess[str]


class LabHost:
    """One host. `name` and `address` are what an inventory says of it; `pid` is its init, in the root namespace."""

    def __init__(self, network: Network, folder: Path, name: str, number: int, daemons: Sequence[str]) -> None:
        self.name = name
        self.address = f"{network.subnet}.{number}"
        self.namespace = f"{network.prefix}-{name}"
        self.port = f"p{number}"
        self.network = network
        self.folder = folder
        self.daemons = tuple(daemons)
        self.pid = 0
        self._outside: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<LabHost {self.name} {self.address}>"

    # ------------------------------------------------------------ power

    def attach(self, pid: int) -> None:
        """Take over a host that another process has booted; a `pid` that no longer lives leaves it off."""
        self.pid = pid if is_living(pid) else 0

    def install(self, template: Path, cache: Path | None) -> None:
        """Its disk and its cable."""
        make_disk(self.folder, template, self.name, cache)
        self.network.plug_in(self.namespace, self.port, self.address)

    def unplug(self) -> None:
        """Take its cable and its network away for ever."""
        run(["ip", "netns", "del", self.namespace])

    def boot(self) -> None:
        """Begin to boot; `wait_ready` waits for the end of it."""
        self.net("ip", "link", "set", "eth0", "up")
        argv = ["ip", "netns", "exec", self.namespace, "unshare", "-m", "-p", "-u", "-i", "--fork", "--kill-child"]
        with (self.folder / "boot.log").open("ab") as log:
            self._outside = subprocess.Popen(
                [*argv, str(HOST_SH), self.name, str(self.folder), *self.daemons],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Wait until its daemons answer. Raises LabError with the boot's log."""
        outside = self._outside
        assert outside is not None
        assert outside.stdout is not None
        said = b""
        if select.select([outside.stdout], [], [], BOOT_TIMEOUT_S)[0]:
            said = outside.stdout.readline()
        outside.stdout.close()
        if said != b"ready\n":
            raise LabError(f"{self.name} did not boot: {(self.folder / 'boot.log').read_text()[-2000:]}")
        self.pid = children(outside.pid)[0]

    def power_on(self) -> None:
        """Boot and wait until its daemons answer. Does nothing when it is on."""
        if not self.is_on():
            self.boot()
            self.wait_ready()

    def power_off(self) -> None:
        """As a pulled plug: off the network first, so that no socket says goodbye, then every process at once."""
        self.net("ip", "link", "set", "eth0", "down")
        if self.pid:
            kill_all(self.processes(), f"the processes of {self.name}")
        self.reap()
        self.pid = 0

    def reap(self) -> None:
        """Collect the process that held the namespaces, once they are dead."""
        if self._outside is not None:
            self._outside.wait(timeout=15)

    def is_on(self) -> bool:
        """Whether its init lives."""
        return bool(self.pid) and is_living(self.pid)

    # ------------------------------------------------------------ inside

    def exec(
        self, argv: Sequence[str], *, check: bool = True, timeout_s: float = 60.0, stdin: str = "", user: str = "root"
    ) -> Completed:
        """Run a program inside, out of band. With `check`, raises LabError when it fails; always when it hangs."""
        full = self.inside(argv, user)
        try:
            done = subprocess.run(
                full, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False, env=ENVIRONMENT
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self.name}: took longer than {timeout_s:g} s: {shlex.join(argv)}") from error
        if check and done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise LabError(f"{self.name}: exit {done.returncode}: {shlex.join(argv)}: {said}")
        return done

    def shell(self, script: str, *, check: bool = True, timeout_s: float = 60.0) -> Completed:
        """Run a shell script inside, out of band."""
        return self.exec(["/bin/sh", "-c", script], check=check, timeout_s=timeout_s)

    def inside(self, argv: Sequence[str], user: str = "root") -> list[str]:
        """The command line that runs `argv` inside from outside."""
        if not self.is_on():
            raise LabError(f"{self.name} is off")
        become = [] if user == "root" else ["setpriv", "--reuid", user, "--regid", user, "--init-groups"]
        return ["nsenter", "-t", str(self.pid), "-a", "--", *become, *argv]

    def spawn(self, argv: Sequence[str]) -> int:
        """Start a program inside that goes on by itself, as a child of its init. Returns its PID here."""
        before = set(self.processes())
        script = 'setsid "$@" </dev/null >/dev/null 2>&1 & echo $!'
        local = int(self.exec(["/bin/sh", "-c", script, "spawn", *argv]).stdout)
        wait_until(lambda: self._outer_pid(local), f"{argv[0]} runs on {self.name}", 5)
        found = self._outer_pid(local)
        assert found not in before
        return found

    def _outer_pid(self, local: int) -> int:
        for pid in self.processes():
            status = Path(f"/proc/{pid}/status")
            try:
                lines = status.read_text().splitlines()
            except OSError:
                continue
            if any(line.startswith("NSpid:") and line.split()[-1] == str(local) for line in lines):
                return pid
        return 0

    def net(self, *argv: str, stdin: str = "") -> str:
        """Run a network command in its network namespace: works when the host is off, too."""
        return run(["ip", "netns", "exec", self.namespace, *argv], stdin=stdin)

    def path(self, inside: str) -> Path:
        """A file of the host, as seen from here."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def processes(self) -> list[int]:
        """Everything that lives inside, as PIDs of the root namespace."""
        return in_namespace(pid_namespace(self.pid)) if self.pid else []

    def virsh(self, *commands: str, check: bool = True, timeout_s: float = 60.0) -> str:
        """Run virsh inside and return what it printed. One text is one command line, as in `virsh "list --all"`."""
        return self.exec(["virsh", "-q", "-c", "qemu:///system", *commands], check=check, timeout_s=timeout_s).stdout

    # ------------------------------------------------------------ daemons

    @property
    def host_key(self) -> str:
        """`TYPE BASE64` of its host key."""
        return " ".join((self.folder / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])

    def sshd_pid(self) -> int:
        """The sshd that listens; 0 when none does."""
        return self._find(lambda argv: argv[0].startswith("sshd:") and "[listener]" in argv[0])

    def libvirtd_pid(self) -> int:
        """libvirtd; 0 when none runs."""
        return self._find(lambda argv: argv[0] == "/usr/sbin/libvirtd")

    def _find(self, matches: Callable[[list[str]], bool]) -> int:
        for pid in self.processes():
            argv = arguments(pid)
            if argv and matches(argv):
                return pid
        return 0

    def start_sshd(self) -> None:
        """Start sshd if none listens. It has read its config when this returns."""
        if not self.sshd_pid():
            self.exec(["/usr/sbin/sshd", "-E", "/var/log/sshd.log"])
            wait_until(self.sshd_pid, f"{self.name}: sshd listens")

    def stop_sshd(self) -> None:
        """Kill the sshd that listens; sessions go on."""
        if pid := self.sshd_pid():
            kill_all([pid], f"sshd of {self.name}")

    def configure_sshd(self, options: str = "") -> None:
        """Restart sshd with these lines before its own (in sshd_config the first value wins)."""
        self.write_sshd_config(options)
        self.stop_sshd()
        self.start_sshd()

    def write_sshd_config(self, options: str) -> None:
        """sshd_config as its next start will read it."""
        (self.folder / "etc/ssh/sshd_config").write_text(options + "\n" + SSHD_CONFIG)

    def start_libvirtd(self) -> None:
        """Start libvirtd if none runs, and wait until it answers."""
        if not self.libvirtd_pid():
            self.exec(["/usr/sbin/libvirtd", "-d"])
        end = time.monotonic() + 30
        while self.exec(["virsh", "-c", "qemu:///system", "version"], check=False).returncode != 0:
            if time.monotonic() > end:
                raise LabError(f"{self.name}: libvirtd does not answer")

    def stop_libvirtd(self) -> None:
        """Kill libvirtd; VMs go on."""
        if pid := self.libvirtd_pid():
            kill_all([pid], f"libvirtd of {self.name}")

"""The connections of one run: programs on hosts, straight or through a sibling, and every failure under its own name.

A direct connection is made once, kept, and used again by the next call for that host. Nothing is ever
shared by two calls at a time: closing one of two tunnels makes sshd drop the connection that carries
both (paramiko #1115), so each call has its connection, and its gateway, to itself.

Through a sibling the stages are: the sibling; tunnel and login; the program. A trouble is laid to the
suspect only if the suspect or the sibling has just spoken, or the sibling answers right after: a frozen
sibling looks exactly like a silent suspect.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from ...core.model import Host, HostName
from ...core.troubles import Trouble
from ..hosts.program import Program, ProgramResult
from .faults import GIVEN_UP, SPOKE, Broken, Obstacle, of_sibling
from .keys import Keys
from .link import Link
from .talk import Talked, talk

LOGINS_AT_ONCE = 8
"""Logins under way on one sshd. Its default, `MaxStartups 10:30:100`, drops a third of more than ten."""

KEPT_AT_MOST = 128
"""Connections kept for later use; beyond, the one unused for longest is closed. Each holds a file descriptor and
a thread, and a process has 1024 descriptors by default."""

RETRY_PAUSES_S = (0.1, 0.3, 0.9)
"""Before each new attempt at an sshd that closed the door unasked, as it does beyond MaxStartups."""


class Hosts:
    """Connections of one run. `run` may be called from many threads; `close` from any, at any time.

    `connect_timeout_s` bounds each step of a connection: TCP, banner and key exchange, login, and the
    sibling's own connecting to the suspect.
    """

    def __init__(self, hosts: Mapping[HostName, Host], connect_timeout_s: float) -> None:
        self._timeout_s = connect_timeout_s
        self._keys = Keys()
        self._logins = {name: threading.Semaphore(LOGINS_AT_ONCE) for name in hosts}
        self._idle: list[Link] = []
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._reached: set[HostName] = set()
        """Hosts on which a login of this run's own has worked, without a sibling."""
        self._taken: set[HostName] = set()

    def run(self, host: Host, program: Program, *, via: Host | None = None, within_s: float) -> ProgramResult:
        """Run a program on `host` and wait at most `within_s` seconds for it, connecting not included.

        Whatever the network, the hosts and sshd can do is a Run with its trouble. Only an exception of
        `program.on_line` is raised.
        """
        begun = time.monotonic()
        try:
            if via is None:
                talked = self._run_direct(host, program, within_s)
            else:
                talked = self._run_through(via, host, program, within_s)
        except Broken as broken:
            talked = Talked(broken.fault)
        fault = GIVEN_UP if self._closed.is_set() and talked.fault is not None else talked.fault
        return ProgramResult(
            trouble=fault.trouble if fault else None,
            note=fault.note if fault else "",
            exit_status=talked.exit_status,
            stdout=talked.stdout,
            stderr=talked.stderr,
            seconds=time.monotonic() - begun,
        )

    def has_taken(self, host: Host) -> bool:
        """Whether the host has taken a TCP connection of this run's own, without a sibling: its kernel answers here."""
        return host.name in self._taken

    def close(self) -> None:
        """End every connection; calls that are under way return soon. Never hangs, never raises."""
        self._closed.set()
        with self._lock:
            links = list(self._links)
            self._links.clear()
        for link in links:
            link.cut()

    def _run_direct(self, host: Host, program: Program, within_s: float) -> Talked:
        link = self._take(host)
        kept = False
        try:
            talked = talk(link, program, within_s)
            kept = talked.fault is None
        finally:
            self._give_back(link, kept)
        return talked

    def _run_through(self, via: Host, host: Host, program: Program, within_s: float) -> Talked:
        try:
            gateway = self._take(via)
        except Broken as broken:
            raise Broken(of_sibling(broken.fault)) from None
        kept = False
        try:
            talked = self._run_tunnelled(gateway, host, program, within_s)
            fault = talked.fault
            if fault is not None and fault.trouble not in SPOKE and not gateway.answers():
                frozen = Trouble.SIBLING_LOST if gateway.lost else Trouble.SIBLING_FROZEN
                return Talked(Obstacle(frozen), None, talked.stdout, talked.stderr)
            # After the tunnel's end sshd may have dropped the gateway; only one that answers is kept.
            kept = fault is None and gateway.answers()
        finally:
            self._give_back(gateway, kept)
        return talked

    def _run_tunnelled(self, gateway: Link, host: Host, program: Program, within_s: float) -> Talked:
        try:
            link = self._log_in(host, gateway)
        except Broken as broken:
            if broken.fault.trouble is Trouble.LOGIN_FAILED and host.name in self._reached:
                return Talked(Obstacle(Trouble.LOGIN_BY_ADDRESS))
            return Talked(broken.fault)
        try:
            return talk(link, program, within_s)
        finally:
            self._forget(link)
            link.finish()

    def _take(self, host: Host) -> Link:
        """A connection to `host` that nobody else uses: a kept one that still works, or a new one. Raises Broken."""
        with self._lock:
            link = next((idle for idle in reversed(self._idle) if idle.host == host), None)
            if link is not None:
                self._idle.remove(link)
        if link is None:
            return self._log_in(host, None)
        if link.answers():
            return link
        # What ended this one has most likely ended the others to this host, and each would cost its own wait.
        with self._lock:
            lost = [idle for idle in self._idle if idle.host == host]
            self._idle = [idle for idle in self._idle if idle.host != host]
        for each in (link, *lost):
            self._end(each)
        return self._log_in(host, None)

    def _give_back(self, link: Link, keep: bool) -> None:
        if not keep or self._closed.is_set():
            self._end(link)
            return
        with self._lock:
            self._idle.append(link)
            unused = self._idle.pop(0) if len(self._idle) > KEPT_AT_MOST else None
        if unused is not None:
            self._end(unused)

    def _end(self, link: Link) -> None:
        self._forget(link)
        link.cut()

    def _log_in(self, host: Host, gateway: Link | None) -> Link:
        """A new connection. An sshd that closes its door is asked again a few times. Raises Broken."""
        with self._lock:
            logins = self._logins.setdefault(host.name, threading.Semaphore(LOGINS_AT_ONCE))
        for pause_s in (*RETRY_PAUSES_S, None):
            with logins:
                link = Link(host, gateway)
                self._remember(link)
                try:
                    link.open(self._keys, self._timeout_s, taken=lambda: self._taken.add(host.name))
                    if gateway is None:
                        self._reached.add(host.name)
                    return link
                except BaseException as error:
                    self._forget(link)
                    link.finish()
                    if not isinstance(error, Broken) or not error.fault.again or pause_s is None:
                        raise
            if self._closed.wait(pause_s):
                break
        raise Broken(GIVEN_UP)

    def _remember(self, link: Link) -> None:
        with self._lock:
            if self._closed.is_set():
                raise Broken(GIVEN_UP)
            self._links.add(link)

    def _forget(self, link: Link) -> None:
        with self._lock:
            self._links.discard(link)

"""One SSH connection to one host, direct or through a sibling, opened in stages so that each failure belongs to one.

Every wait here has an end. Paramiko has calls that know no time-out (an answer to a global request, a
write to a peer that has stopped reading); they run in threads that end when the connection is closed.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from fabric import Config, Connection
from paramiko import Message, PKey, Transport

from ...core.model import Host
from ...core.troubles import Trouble
from .algorithms import lacking_in_common
from .faults import GIVEN_UP, Broken, Obstacle, Overdue, SecondFactor, connect_fault, login_fault, tunnel_fault
from .keys import Keys

T = TypeVar("T")

ANSWER_S = 2.0
"""How long a working sshd may take to answer a keepalive. It takes 1 ms on a local network."""

CLOSE_S = 1.0
"""How long an orderly close may take before the connection is cut."""

# Paramiko logs the remote side's words, and without a handler Python prints them on the terminal.
_log = logging.getLogger("paramiko")
_log.addHandler(logging.NullHandler())
_log.propagate = False


def _config() -> Config:
    """Neither Fabric's own configuration files nor ~/.ssh/config: the inventory says all.

    One for each connection: Fabric writes into it, and one that threads share is empty for a moment each time.
    """
    return Config(overrides={"load_ssh_configs": False}, lazy=True)


_CIPHERS_FIRST = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
"""One pass over a packet instead of a cipher and a MAC: the work is Python's, under one lock for all connections."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """Do a call that knows no time-out. Raises Overdue, and leaves the call to end with its connection."""
    answer: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answer.put((call(), None))
        except BaseException as error:  # handed over to the caller's thread
            answer.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        value, error = answer.get(timeout=max(0.0, seconds))
    except queue.Empty:
        raise Overdue from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # None only where T is None


class Wire(Transport):  # type: ignore[misc]  # paramiko ships no types
    """A transport without Nagle's delay, that asks for known host key types first and keeps a sibling's refusal."""

    def __init__(
        self, sock: Any, *, host_key_types: tuple[str, ...], only_types: tuple[str, ...] = (), **options: Any
    ) -> None:
        if isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(sock, **options)
        self.refusal_words = ""
        self.lacking = ""
        """Which kind of algorithm the two sides have none of in common, in words."""
        security = self.get_security_options()
        security.ciphers = _first(security.ciphers, _CIPHERS_FIRST)
        security.key_types = only_types or _first(security.key_types, host_key_types)

    def _parse_channel_open_failure(self, message: Message) -> None:
        copy = Message(message.asbytes())
        copy.get_int()
        copy.get_int()
        self.refusal_words = copy.get_text()
        super()._parse_channel_open_failure(message)

    def _really_parse_kex_init(self, message: Message, ignore_first_byte: bool = False) -> Any:
        offered = super()._really_parse_kex_init(message, ignore_first_byte)
        self.lacking = lacking_in_common(self, offered)
        return offered

    def auth_interactive_dumb(self, username: str, handler: Any = None, submethods: str = "") -> Any:
        """Refuse: paramiko would print the host's own words on stdout, and send it the next line that is typed here.

        It comes here when the key alone did not suffice ("partial success", RFC 4252, 5.1).
        """
        raise SecondFactor

    def _parse_global_request(self, message: Message) -> None:
        """sshd tells its host keys right after the login. Without a packet of ours soon after, its next one waits
        40 ms: Nagle's delay there, a delayed acknowledgement here (or on the sibling, where no option reaches)."""
        super()._parse_global_request(message)
        if self.clear_to_send.is_set():
            self.send_ignore()

    def answers(self, within_s: float = ANSWER_S) -> bool:
        """Whether the sshd at the other end is working now: it answers a request."""
        with contextlib.suppress(Exception):
            within(within_s, partial(self.global_request, "keepalive@openssh.com", wait=True))
            return bool(self.is_active())
        return False


def _first(names: tuple[str, ...], preferred: tuple[str, ...]) -> tuple[str, ...]:
    """`names` with the preferred ones among them in front. An RSA key goes by the names of its signatures."""
    wanted = [n for p in preferred for n in (("rsa-sha2-512", "rsa-sha2-256") if p == "ssh-rsa" else (p,))]
    return tuple(dict.fromkeys([*(n for n in wanted if n in names), *names]))


class _Line(Connection):  # type: ignore[misc]  # fabric ships no types
    """Fabric's connection, with the opening of the tunnel as a stage of its own."""

    def open_gateway(self) -> Any:
        """A channel from the sibling to the suspect. Raises Broken."""
        gateway: Wire = self.gateway.transport
        began = time.monotonic()
        try:
            return gateway.open_channel("direct-tcpip", (self.host, int(self.port)), ("", 0))
        except Exception as error:
            seconds = time.monotonic() - began
            raise Broken(tunnel_fault(error, gateway.refusal_words, seconds)) from None


class Link:
    """One connection. `open` and `finish` are its owner's; `cut` may come from any thread at any time."""

    def __init__(self, host: Host, gateway: Link | None = None) -> None:
        self.host = host
        self.gateway = gateway
        self._line: Any = None
        self._socket: socket.socket | None = None
        self._cut = False
        self._lock = threading.Lock()

    @property
    def wire(self) -> Wire:
        """The transport of an open link."""
        wire: Wire = self._line.transport
        return wire

    def open(self, keys: Keys, timeout_s: float, taken: Callable[[], object] = lambda: None) -> None:
        """Connect and log in; `timeout_s` bounds each of: TCP, banner and key exchange, login. Raises Broken.

        `taken` is called when the host has taken a connection that goes straight to it.
        """
        policy = keys.strict(self.host)
        identity = keys.identity(self.host)
        ssh = self.host.ssh
        no_agent = keys.agent_problem(ask_agent) if ssh.agent else "no agent may be asked (agent: false)"
        options: dict[str, Any] = {
            "timeout": timeout_s,
            # Later than `timeout`, so that a banner error always means that the other side closed.
            "banner_timeout": 2 * timeout_s + 1,
            "auth_timeout": timeout_s,
            "channel_timeout": timeout_s,
            "pkey": identity.key,
            "allow_agent": ssh.agent and not no_agent,
            "look_for_keys": False,
            "transport_factory": partial(Wire, host_key_types=policy.kinds),
        }
        if self.gateway is None:
            options["sock"] = self._dial(timeout_s)
            taken()
        line = _Line(
            self.host.address,
            user=ssh.user,
            port=ssh.port,
            gateway=self.gateway._line if self.gateway else None,
            config=_config(),
            connect_kwargs=options,
        )
        line.client.set_missing_host_key_policy(policy)
        with self._lock:
            self._line = line
            if self._cut:
                raise Broken(GIVEN_UP)
        try:
            line.open()
            if not line.transport.is_authenticated():  # a second key is wanted, which paramiko takes for success
                raise SecondFactor
        except Broken:
            raise
        except Exception as error:
            wire = line.client.get_transport()
            fault = _with_lacking(login_fault(error, bool(wire and wire.remote_version)), wire)
            if fault.trouble is Trouble.LOGIN_FAILED and identity.key is None and (identity.problem or no_agent):
                lacks = identity.problem or ("" if ssh.agent else "no identity_file is set and ") + no_agent
                fault = Obstacle(Trouble.LOGIN_FAILED, lacks)
            raise Broken(fault) from None

    def _dial(self, timeout_s: float) -> socket.socket:
        """A TCP connection to the host. Of several addresses the one that shows most life tells the fault."""
        began = time.monotonic()
        address = (self.host.address, self.host.ssh.port)
        try:
            found = within(timeout_s, partial(socket.getaddrinfo, *address, type=socket.SOCK_STREAM))
        except Overdue:
            raise Broken(Obstacle(Trouble.NAME_UNKNOWN, "the resolver did not answer in time")) from None
        except UnicodeError:  # not a name that the resolver could be asked for
            raise Broken(Obstacle(Trouble.NAME_UNKNOWN)) from None
        except OSError as error:
            raise Broken(connect_fault(error, 0.0)) from None
        faults: list[Obstacle] = []
        for family, kind, protocol, _, place in found:
            try:
                sock = self._hold(socket.socket(family, kind, protocol))
                sock.settimeout(max(0.01, began + timeout_s - time.monotonic()))
                sock.connect(place)
                return sock
            except OSError as error:
                self._drop_socket()
                faults.append(connect_fault(error, time.monotonic() - began))
        if self._cut:
            raise Broken(GIVEN_UP)
        raise Broken(min(faults, key=lambda f: _MOST_LIFE_FIRST.index(f.trouble)))

    def _hold(self, sock: socket.socket) -> socket.socket:
        with self._lock:
            self._socket = sock
            if self._cut:
                sock.close()
                raise Broken(GIVEN_UP)
        return sock

    def _drop_socket(self) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def answers(self) -> bool:
        """Whether the host's sshd is seen to work right now."""
        return not self._cut and self._line is not None and self.wire.answers()

    @property
    def lost(self) -> bool:
        """Whether the connection has ended."""
        return self._cut or self._line is None or not self.wire.is_active()

    def finish(self) -> None:
        """Close in good order, leaving the gateway open; cut where that does not come to an end."""
        try:
            within(CLOSE_S, self._line.client.close)
        except Exception:
            self.cut()

    def cut(self) -> None:
        """End the connection now, and the gateway's with it: whoever waits on it returns. Never blocks or raises."""
        with self._lock:
            self._cut = True
            sock, line = self._socket, self._line
        # The gateway first: closing a tunnel writes to it, and that can hang on a sibling that has stopped reading.
        if self.gateway is not None:
            self.gateway.cut()
        if sock is not None:
            # Only a shutdown wakes a thread that is still connecting.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        wire = line.client.get_transport() if line is not None else None
        if wire is not None:
            with contextlib.suppress(Exception):
                wire.close()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.close()


def ask_agent(look: Callable[[], str]) -> str:
    """Ask the agent by `look`, for a while: an agent that hangs would hang every login."""
    try:
        return within(ANSWER_S, look)
    except Overdue:
        return "agent: true, and what listens at SSH_AUTH_SOCK does not answer"


def _with_lacking(fault: Obstacle, wire: Wire | None) -> Obstacle:
    if fault.trouble is not Trouble.NO_ALGORITHM or wire is None or not wire.lacking:
        return fault
    return Obstacle(Trouble.NO_ALGORITHM, wire.lacking)


def show_host_key(host: Host, kinds: tuple[str, ...], timeout_s: float) -> PKey:
    """The host key that a host shows when it is asked for one of these types, its signature checked. No login.

    Raises Broken.
    """
    link = Link(host)
    wire = None
    try:
        sock = link._dial(timeout_s)
        wire = Wire(sock, host_key_types=(), only_types=kinds)
        wire.banner_timeout = 2 * timeout_s + 1
        wire.start_client(timeout=timeout_s)
        return wire.get_remote_server_key()
    except Broken:
        raise
    except Exception as error:
        raise Broken(_with_lacking(login_fault(error, bool(wire and wire.remote_version)), wire)) from None
    finally:
        if wire is not None:
            wire.close()
        link.cut()


_MOST_LIFE_FIRST = (
    Trouble.REFUSED,
    Trouble.PROTOCOL_ERROR,
    Trouble.NAME_UNKNOWN,
    Trouble.FAST_NO_ROUTE,
    Trouble.NO_ROUTE,
    Trouble.TIMED_OUT,
)

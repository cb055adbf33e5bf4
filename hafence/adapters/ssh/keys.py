"""Keys: which host keys known_hosts vouches for, the private key a login uses, and the collecting of host keys.

Host keys are strict: a host that is not in its known_hosts file, or shows another key, is not talked
to. The file is read as OpenSSH reads it (plain, hashed and wildcard names, `@revoked`), once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from paramiko import (
    Agent,
    ECDSAKey,
    Ed25519Key,
    MissingHostKeyPolicy,
    PasswordRequiredException,
    PKey,
    RSAKey,
    SSHClient,
)
from paramiko.ssh_exception import SSHException

from ...core.model import Host
from ...core.troubles import Trouble
from .faults import Broken, Obstacle
from .known_hosts import KnownHosts, known_name, read_file


class StrictHostKeys(MissingHostKeyPolicy):  # type: ignore[misc]  # paramiko ships no types
    """Accepts the keys of one host and no other.

    The client holds no host keys of its own, so paramiko asks this for every key. Unlike paramiko's own
    list, it takes any of several keys of a type (a host between two keys) and knows revoked ones.
    """

    def __init__(self, path: str | None, known: KnownHosts | str, name: str) -> None:
        """`known` is what the file at `path` says, or the sentence why it could not be read."""
        self._path = path
        self._problem = known if isinstance(known, str) else ""
        self._keys = () if isinstance(known, str) else known.keys_of(name)
        self._passed_over = "" if isinstance(known, str) else known.passed_over(name)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The types of the known keys: a host that has several is asked for one of these."""
        return tuple(dict.fromkeys(key.kind for key in self._keys if not key.revoked))

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        """Raise Broken unless `key` is known. Called by paramiko before the login."""
        blob = key.get_base64()
        if self._problem:
            raise Broken(Obstacle(Trouble.HOST_KEY_UNKNOWN, self._problem))
        if any(k.revoked and k.blob == blob for k in self._keys):
            raise Broken(Obstacle(Trouble.HOST_KEY_CHANGED, f"the key it showed is revoked in {self._path}"))
        accepted = [k for k in self._keys if not k.revoked]
        if not accepted:
            note = f"{self._path} has no key for {hostname}{self._passed_over}"
            raise Broken(Obstacle(Trouble.HOST_KEY_UNKNOWN, note))
        if all(k.blob != blob for k in accepted):
            raise Broken(Obstacle(Trouble.HOST_KEY_CHANGED, f"{self._path} has another key for {hostname}"))


@dataclass(frozen=True, slots=True)
class Identity:
    """The private key of a login, or the words that say why there is none."""

    key: PKey | None
    problem: str = ""


def read_identity(path: str | None) -> Identity:
    """Load a private key. Never asks for a passphrase: a key that has one belongs into an agent."""
    if path is None:
        return Identity(None)
    problem = f"the identity file {path} is not a private key that hafence can read"
    for kind in (Ed25519Key, ECDSAKey, RSAKey):
        try:
            key = kind.from_private_key_file(path)
            certificate = f"{path}-cert.pub"
            if os.path.isfile(certificate):
                key.load_certificate(certificate)
            return Identity(key)
        except PasswordRequiredException:
            return Identity(None, f"the identity file {path} has a passphrase: use a key without, or an agent")
        except OSError as error:
            return Identity(None, f"the identity file {path} can't be read ({error.strerror})")
        except (SSHException, ValueError, IndexError, TypeError):
            continue
    return Identity(None, problem)


def _look_at_agent() -> str:
    if not os.environ.get("SSH_AUTH_SOCK"):
        return "agent: true, and no agent answers (SSH_AUTH_SOCK is not set; cron has none)"
    try:
        agent = Agent()
        held = bool(agent.get_keys())
        agent.close()
    except (SSHException, OSError, EOFError):
        return "agent: true, and what listens at SSH_AUTH_SOCK is no agent"
    return "" if held else "agent: true, and no agent answers at SSH_AUTH_SOCK, or it holds no key (ssh-add -l)"


class Keys:
    """The keys of one run: each file is read once, when it is first needed."""

    def __init__(self) -> None:
        self._known: dict[str, KnownHosts | str] = {}
        self._identities: dict[str | None, Identity] = {}
        self._agent_problem: str | None = None

    def strict(self, host: Host) -> StrictHostKeys:
        """The policy for a host's key. A missing file is told when the host shows its key, not before:
        that a host is silent must not be hidden by it."""
        path = host.ssh.known_hosts
        if path is None:
            return StrictHostKeys(None, "no known_hosts file is set for it", "")
        if path not in self._known:
            self._known[path] = read_file(path)
        return StrictHostKeys(path, self._known[path], known_name(host))

    def agent_problem(self, ask: Callable[[Callable[[], str]], str]) -> str:
        """Why the agent gives no key, in words; '' where it holds one. It is asked once in a run, by way of `ask`,
        which bounds the asking: one that hangs would hang every login."""
        if self._agent_problem is None:
            self._agent_problem = ask(_look_at_agent)
        return self._agent_problem

    def identity(self, host: Host) -> Identity:
        """The private key for a host."""
        path = host.ssh.identity_file
        if path not in self._identities:
            self._identities[path] = read_identity(path)
        return self._identities[path]

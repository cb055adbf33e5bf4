"""The parts of an inventory that are not hosts and VMs: `fencing`, `ssh`, `power`, `ceph`, `start`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..core.model import CephSettings, PidNamespace, PowerDevice, Settings, SshSettings, StartMode, Unreachable
from ..core.parsing import format_duration, parse_bool, parse_duration, parse_ip, parse_share, parse_whole, shown
from .entry import Entry, name_text, plain_text, wrong_kind
from .tree import Map, Seq

SSH_KEYS = ("user", "port", "identity_file", "known_hosts", "agent", "sudo")
CEPH_KEYS = ("conf", "user", "keyring", "mirrors", "expire")
LEASE_MARGIN_S = 10.0
"""A lease has to outlast the longest single step by this, or it ends while a script still acts under it."""

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._@-]{0,63}\Z")
_AGENT = re.compile(r"fence_[a-z0-9_]{1,58}\Z")
_OPTION = re.compile(r"[a-z][a-z0-9_-]{0,63}\Z")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
_SECRET_OPTION = re.compile(r"passw|secret|token|api_?key")
_SECRET_SOURCES = ("password_file", "password_env", "password_command")
_NOT_OURS = {
    "action": "hafence itself tells the agent what to do",
    "agent": "the agent's name stands beside options:",
}


@dataclass(frozen=True, slots=True)
class _Time:
    """A duration of the `fencing` section: the field it fills, and its bounds in seconds."""

    field: str
    low_s: float
    high_s: float

    def parse(self, text: str) -> float:
        seconds = parse_duration(text)
        if not self.low_s <= seconds <= self.high_s:
            low, high = format_duration(self.low_s), format_duration(self.high_s)
            raise ValueError(f"{shown(text)} is out of range: write a duration from {low} to {high}")
        return seconds


TIMES: Mapping[str, _Time] = {
    "ssh_timeout": _Time("ssh_timeout_s", 2, 600),
    "connect_timeout": _Time("connect_timeout_s", 0.1, 120),
    "start_timeout": _Time("start_timeout_s", 2, 3600),
    "power_timeout": _Time("power_timeout_s", 5, 3600),
    "settle": _Time("settle_s", 1, 60),
    "lease": _Time("lease_s", 15, 86400),
    "evidence_age": _Time("evidence_age_s", 5, 3600),
    "quiet_time": _Time("quiet_time_s", 0, 86400),
    "statement_age": _Time("statement_age_s", 60, 604800),
    "boot_grace": _Time("boot_grace_s", 0, 86400),
    "per": _Time("per_s", 60, 604800),
    "libvirt_timeout": _Time("libvirt_timeout_s", 1, 60),
}


READY_WITHIN = _Time("within_s", 1, 3600)
_EXPIRE = _Time("expire_s", 600, 30 * 86400)


def _policy(text: str) -> Unreachable:
    try:
        return Unreachable(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is no policy: write proceed, confirm or prove") from None


def _pid_namespace(text: str) -> PidNamespace:
    try:
        return PidNamespace(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is no such choice: write initial or any") from None


FENCING: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    **{key: (time.field, time.parse) for key, time in TIMES.items()},
    "storm_share": ("storm_share", parse_share),
    "max_hosts": ("max_hosts", partial(parse_whole, low=1, high=10000)),
    "max_starts": ("max_starts", partial(parse_whole, low=1, high=1000)),
    "max_starts_in_all": ("max_starts_in_all", partial(parse_whole, low=1, high=1000)),
    "paths": ("paths", partial(parse_whole, low=1, high=1000)),
    "unreachable": ("unreachable", _policy),
    "pre_fence": ("pre_fence", parse_bool),
    "ask_on_silence": ("ask_on_silence", parse_bool),
    "set_aside": ("set_aside", parse_bool),
    "pid_namespace": ("pid_namespace", _pid_namespace),
}
"""Each key of the `fencing` section: the field of Settings that it fills, and the reading of its text."""


def check_fencing(entries: list[Entry]) -> Settings:
    """The settings from the `fencing` section (of each file that has one)."""
    given: dict[str, Any] = {}
    where: dict[str, Entry] = {}
    for entry in entries:
        entry.only(tuple(FENCING))
        for key, (field, parse) in FENCING.items():
            value = entry.take(key, parse)
            if value is not None:
                given[field] = value
                where[key] = entry
    settings = Settings(**given)
    _check_lease(settings, where)
    if settings.ssh_timeout_s < settings.settle_s + 1:
        key = "settle" if "settle" in where else "ssh_timeout"
        settle = format_duration(settings.settle_s)
        says = f"ssh_timeout ({format_duration(settings.ssh_timeout_s)}) leaves no time for settle ({settle})"
        where[key].fault(key, f"{says}: write an ssh_timeout of at least {format_duration(settings.settle_s + 1)}")
    return settings


def _check_lease(settings: Settings, where: Mapping[str, Entry]) -> None:
    steps = ("ssh_timeout", "start_timeout", "power_timeout")
    lasting = {step: float(getattr(settings, TIMES[step].field)) for step in steps}
    step = max(steps, key=lambda step: lasting[step])
    needed = lasting[step] + LEASE_MARGIN_S
    if settings.lease_s >= needed:
        return
    key = "lease" if "lease" in where else step
    says = f"the lease ({format_duration(settings.lease_s)}) is too short for {step} ({format_duration(lasting[step])})"
    where[key].fault(key, f"{says}: write lease: {format_duration(needed)} or more, or a shorter {step}")


def _user(text: str) -> str:
    if not _USER.match(text):
        raise ValueError(
            f"{shown(text)} is no user name: write letters, digits, '.', '_', '@' and '-', not beginning with '-'"
        )
    return text


def _ssh_hint(key: str) -> str:
    if _SECRET_OPTION.search(key):
        return "; hafence logs in with keys, never with passwords: write identity_file: PATH, or agent: true"
    return "; the address stands under the host itself" if key in ("address", "host", "hostname") else ""


def check_ssh(entry: Entry, defaults: SshSettings) -> SshSettings:
    """The ssh settings of a host, or the defaults of all."""
    entry.only(SSH_KEYS, _ssh_hint)
    given: dict[str, Any] = {
        "user": entry.take("user", _user),
        "port": entry.take("port", partial(parse_whole, low=1, high=65535)),
        "identity_file": entry.take("identity_file", entry.local_path),
        "known_hosts": entry.take("known_hosts", entry.local_path),
        "agent": entry.take("agent", parse_bool),
        "sudo": entry.take("sudo", parse_bool),
    }
    return replace(defaults, **{key: value for key, value in given.items() if value is not None})


def _ceph_user(text: str) -> str:
    if text.startswith("client."):
        raise ValueError(f"write the Ceph user without 'client.': {shown(text.removeprefix('client.'))}")
    return name_text(text)


def check_ceph(entry: Entry) -> CephSettings:
    """A cluster's `ceph`."""
    entry.only(CEPH_KEYS)
    given: dict[str, Any] = {
        "conf": entry.take("conf", entry.local_path),
        "user": entry.take("user", _ceph_user),
        "keyring": entry.take("keyring", entry.local_path),
        "mirrors": entry.texts("mirrors", parse_ip),
        "expire_s": entry.take("expire", _EXPIRE.parse),
    }
    return CephSettings(**{key: value for key, value in given.items() if value is not None})


_START_WORDS = "write persistent, transient, or {command: [PROGRAM, ARGUMENT, …]}"


def check_start(cluster: Entry) -> tuple[StartMode, tuple[str, ...]]:
    """A cluster's `start`: the mode and, for a command, its words."""
    value = cluster.node.values.get("start")
    if value in ("persistent", "transient"):
        return StartMode(value), ()
    if isinstance(value, Map):
        entry = cluster.child("start")
        assert entry is not None, "it is a mapping"
        entry.only(("command",))
        entry.need("command", "[PROGRAM, ARGUMENT, …]")
        command = entry.texts("command", plain_text)
        words = value.values.get("command")
        if isinstance(words, Seq) and not words.items:
            entry.fault("command", "is empty: write [PROGRAM, ARGUMENT, …]")
        return StartMode.COMMAND, command
    if "start" in cluster.node.values:
        cluster.fault("start", f"is no way to start a VM: {_START_WORDS}")
    return StartMode.PERSISTENT, ()


_POWER_WORDS = "write a list of levels, each a list of devices: [[{agent: fence_ipmilan, options: {…}}]]"


def check_power(host: Entry) -> tuple[tuple[PowerDevice, ...], ...]:
    """A host's `power`. A level without devices would succeed by doing nothing, so it is refused."""
    value = host.node.values.get("power")
    if "power" not in host.node.values:
        return ()
    if not isinstance(value, Seq) or not value.items:
        host.fault("power", f"is {'empty' if isinstance(value, Seq) else 'no list of levels'}: {_POWER_WORDS}")
        return ()
    levels: list[tuple[PowerDevice, ...]] = []
    for number, level in enumerate(value.items):
        place = f"[{number}]"
        if not isinstance(level, Seq) or not level.items:
            says = "is an empty level" if isinstance(level, Seq) else "is no list of devices"
            host.fault("power", f"{says}: {_POWER_WORDS}", value.lines[number], place)
            continue
        devices: list[PowerDevice] = []
        for index, device in enumerate(level.items):
            if isinstance(device, Map):
                path = f"{host.path}.power{place}[{index}]"
                devices.append(_check_device(Entry(host.faults, host.file, host.base, path, device)))
            else:
                says = wrong_kind(device, "a device, {agent: fence_…, options: {…}}")
                host.fault("power", says, level.lines[index], f"{place}[{index}]")
        levels.append(tuple(devices))
    return tuple(levels)


def _agent(text: str) -> str:
    if not _AGENT.match(text):
        raise ValueError(f"{shown(text)} is no fence agent: write fence_ and lower-case letters, digits or '_'")
    return text


def _check_device(entry: Entry) -> PowerDevice:
    entry.only(("agent", "options"), lambda key: "; it belongs under options:" if _OPTION.match(key) else "")
    entry.need("agent", "fence_ipmilan")
    agent = entry.take("agent", _agent) or ""
    options = entry.child("options")
    return PowerDevice(agent, () if options is None else tuple(_check_options(options)))


def _check_options(entry: Entry) -> list[tuple[str, str | tuple[str, ...]]]:
    """The options of a device. No fault repeats a value: it might be the secret."""
    good: list[tuple[str, str | tuple[str, ...]]] = []
    sources = [key for key in _SECRET_SOURCES if key in entry.node.values]
    if len(sources) > 1:
        entry.fault(sources[1], f"stands beside {sources[0]}: keep one of them")
    for key in entry.node.values:
        if key in sources:
            value = _secret_source(entry, key)
            if value:
                good.append((key, value))
        elif not _OPTION.match(key):
            entry.fault(
                key, f"{shown(key)} is no option of a fence agent: write lower-case letters, digits, '_' or '-'"
            )
        elif key in _NOT_OURS:
            entry.fault(key, f"can't be set: {_NOT_OURS[key]}; leave it out")
        elif _SECRET_OPTION.search(key) and not key.endswith("_script"):
            says = "a secret does not stand in the inventory: write password_file: PATH, password_env: VARIABLE"
            entry.fault(key, f"{says}, or password_command: [PROGRAM, …]")
        else:
            text = entry.take(key, plain_text)
            if text is not None:
                good.append((key, text))
    return good


def _secret_source(entry: Entry, key: str) -> str | tuple[str, ...] | None:
    if key == "password_file":
        return entry.take(key, entry.local_path)
    if key == "password_env":
        return entry.take(key, _env_name)
    if isinstance(entry.node.values.get(key), str):
        return entry.take(key, _split_command)
    command = entry.texts(key, plain_text)
    value = entry.node.values.get(key)
    if isinstance(value, Seq) and not value.items:
        entry.fault(key, "is empty: write [PROGRAM, ARGUMENT, …]")
    return command


def _env_name(text: str) -> str:
    if not _ENV_NAME.match(text):
        raise ValueError("is no name of an environment variable: write the variable's name, not the secret")
    return text


def _split_command(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(plain_text(text)))
    except ValueError:
        words = ()
    if not words:
        raise ValueError("is no command: write [PROGRAM, ARGUMENT, …]; no shell reads it")
    return words

"""Whether this admin node is ready for the night: what `hafence doctor` looks at, each look with what mends it.

Files, the store, programs and the agent of this machine; no host is contacted, and nothing is changed. Secrets are read
where that shows whether they can be, and no word here holds one.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from ..adapters.local.secrets import read_secret
from ..adapters.power.agents import SBIN
from ..adapters.power.passwords import WITH_IPMITOOL
from ..adapters.ssh.keys import Keys, read_identity
from ..adapters.ssh.known_hosts import KnownHosts, known_name, read_file
from ..adapters.ssh.link import ask_agent
from ..core.audit import CLOCK_OFF_S
from ..core.model import Host, Inventory, PowerDevice
from ..core.planned import way_to_end, work_words
from ..core.risks import MOST_NAMES, some_of
from ..core.stored import WorkKind
from ..effects import StoreError
from ..stores import can_be_written, is_there, open_store
from ..stores.port import Store
from .show.steps import count

WITNESS = {
    "ping": ("iputils-ping", "iputils"),
    "ip": ("iproute2", "iproute"),
    "bash": ("bash", "bash"),
    "timeout": ("coreutils", "coreutils"),
}
"""What this machine needs to look for signs of life itself (scripts/witness.sh); its package at Debian and Red Hat."""
CEPH = ("ceph", "rbd", "timeout")
"""What asks Ceph (scripts/ceph.sh)."""
RECENT_RUNS = 50

_SOURCES = {"password_file", "password_env", "password_command"}


class Ready(Enum):
    """What came of one look."""

    OK = "ok"
    NOTE = "note"
    """No hindrance; worth knowing."""
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Look:
    """One thing that was looked at. `do` mends what is bad: a command where there is one."""

    check: str
    state: Ready
    says: str
    do: str = ""


def look_around(inventory: Inventory, store: str, typed: str, now: float) -> Iterator[Look]:
    """Every look, one after the other. `typed` is how hafence is called here, its inventory named."""
    hosts = sorted((host for host in inventory.hosts.values() if _is_kvm(inventory, host)), key=lambda h: h.name)
    yield from _keys(hosts)
    yield from _known_hosts(hosts, typed)
    yield from _agent(hosts)
    yield from _store(store, typed, now)
    yield from _witness()
    yield from _power(inventory)
    yield from _ceph(inventory)


def _is_kvm(inventory: Inventory, host: Host) -> bool:
    return inventory.cluster_of(host.name).is_kvm


def _by(hosts: Iterable[Host], what: Callable[[Host], str | None]) -> dict[str | None, list[Host]]:
    groups: dict[str | None, list[Host]] = {}
    for host in hosts:
        groups.setdefault(what(host), []).append(host)
    return groups


def _names(hosts: list[Host]) -> str:
    return some_of([host.name for host in hosts])


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


# ---------------------------------------------------------------- SSH


def _keys(hosts: list[Host]) -> Iterator[Look]:
    for path, users in _by(hosts, lambda host: host.ssh.identity_file).items():
        by_agent = all(host.ssh.agent for host in users)
        if path is None:
            if not by_agent:
                says = f"no key is set for {_names([host for host in users if not host.ssh.agent])}"
                yield Look("key", Ready.BAD, says, "write ssh: {identity_file: PATH} in the inventory")
            continue
        yield _key(path, by_agent)


def _key(path: str, by_agent: bool) -> Look:
    word = shlex.quote(path)
    problem = read_identity(path).problem
    if problem:
        if by_agent:
            return Look("key", Ready.NOTE, f"{problem}; the agent may have one")
        if not os.path.lexists(path):
            return Look("key", Ready.BAD, problem, f"ssh-keygen -t ed25519 -N '' -f {word}")
        mend = "name another with identity_file: in the inventory"
        if "passphrase" in problem:
            mend = f"ssh-keygen -p -f {word}"
        elif not os.access(path, os.R_OK):
            mend = f"chown {_user()} {word}"
        return Look("key", Ready.BAD, problem, mend)
    if loose := _loose(path, 0o077, "can be read"):
        return Look("key", Ready.BAD, f"the key {path} {loose}", f"chmod 600 {word}")
    return Look("key", Ready.OK, f"the key {path} can be read, by its owner only")


def _loose(path: str, bits: int, may: str) -> str:
    """Whether others have a right to a file that they must not have, in words."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    return f"{may} by others (mode {mode:o})" if mode & bits else ""


def _known_hosts(hosts: list[Host], typed: str) -> Iterator[Look]:
    for path, users in _by(hosts, lambda host: host.ssh.known_hosts).items():
        if path is None:
            says = f"no known_hosts is set for {_names(users)}: every login there is refused"
            yield Look("known_hosts", Ready.BAD, says, "write ssh: {known_hosts: PATH} in the inventory")
            continue
        yield _known(path, users, typed)


def _known(path: str, hosts: list[Host], typed: str) -> Look:
    known = read_file(path)
    word = shlex.quote(path)
    scan = f"{typed} inventory scan-keys -o {word}"
    if not isinstance(known, KnownHosts):
        return Look("known_hosts", Ready.BAD, known, f"chown {_user()} {word}" if os.path.lexists(path) else scan)
    if loose := _loose(path, 0o022, "can be written"):
        return Look("known_hosts", Ready.BAD, f"{path} {loose}", f"chmod go-w {word}")
    lacking = [host for host in hosts if all(key.revoked for key in known.keys_of(known_name(host)))]
    if lacking:
        says = f"{path} has no key for {_names(lacking)}{known.passed_over(known_name(lacking[0]))}"
        named = " ".join(host.name for host in lacking) if len(lacking) <= MOST_NAMES else ""
        return Look("known_hosts", Ready.BAD, says, f"{scan} --append {named}".rstrip())
    return Look("known_hosts", Ready.OK, f"{path}: {count(len(hosts), 'host')}, and a key for each")


def _agent(hosts: list[Host]) -> Iterator[Look]:
    users = [host for host in hosts if host.ssh.agent]
    if not users:
        return
    problem = Keys().agent_problem(ask_agent)
    if not problem:
        yield Look("agent", Ready.OK, "the ssh-agent answers and holds a key")
        return
    keyed = all(read_identity(host.ssh.identity_file).key is not None for host in users)
    state = Ready.NOTE if keyed else Ready.BAD
    also = "; each host has a key in a file, too" if keyed else ""
    yield Look("agent", state, problem + also, 'eval "$(ssh-agent)" && ssh-add')


# ---------------------------------------------------------------- the store


def _store(url: str, typed: str, now: float) -> Iterator[Look]:
    try:
        writable = can_be_written(url)
        there = is_there(url)
        store = open_store(url, read_only=True)
    except (StoreError, OSError) as error:
        yield Look("store", Ready.BAD, str(error), f"{typed} store check")
        return
    try:
        newest = _newest(store, now)
        planned = store.recall(now).planned
        name = store.name
    except StoreError as error:
        yield Look("store", Ready.BAD, str(error), f"{typed} store check")
        return
    finally:
        store.close()
    yield _writable(name, writable, there)
    if newest is not None:
        yield _clock(newest - now)
    for work in (*planned.disarmed.values(), *planned.maintenance.values()):
        says = f"{work.name} is {'' if work.kind is WorkKind.DISARMED else 'in '}{work.kind.value} {work_words(work)}"
        yield Look("planned", Ready.NOTE, says, way_to_end(work).strip("'"))


def _newest(store: Store, now: float) -> float | None:
    """The latest moment that is in the store, by the clock of whoever wrote it."""
    store.recall(now)
    moments = [run.row.at for run in store.runs(limit=RECENT_RUNS)]
    moments += [run.end.at for run in store.runs(limit=RECENT_RUNS) if run.end is not None]
    return max(moments, default=None)


def _writable(name: str, writable: bool | None, there: bool) -> Look:
    if writable is None:
        return Look("store", Ready.OK, f"{name} answers; whether it can be written only a run can tell")
    if writable:
        word = "can be read and written" if there else "is not there yet: the first run makes it"
        return Look("store", Ready.OK, f"{name} {word}")
    place = shlex.quote(os.path.dirname(name))
    user = _user()
    if not there:
        return Look("store", Ready.BAD, f"{name} can't be made by user {user}", f"install -d -m 700 -o {user} {place}")
    files = f"{shlex.quote(name)} {place}"
    return Look("store", Ready.BAD, f"{name} can't be written by user {user}", f"chown {user} {files}")


def _clock(ahead_s: float) -> Look:
    if ahead_s > CLOCK_OFF_S:
        says = f"this machine's clock is {ahead_s:.0f} s behind the newest run in the store"
        return Look("clock", Ready.BAD, says, "timedatectl set-ntp true")
    return Look("clock", Ready.OK, "this machine's clock is not behind the newest run in the store")


# ---------------------------------------------------------------- programs


def _which(program: str) -> bool:
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}") is not None


def _install(debian: str, redhat: str) -> str:
    for manager, package in (("apt-get", debian), ("dnf", redhat)):
        if _which(manager):
            return f"{manager} install {package}"
    return f"install {debian} (Debian's name)"


def _witness() -> Iterator[Look]:
    lacking = [program for program in WITNESS if shutil.which(program) is None]
    if not lacking:
        yield Look("witness", Ready.OK, "this machine can look for signs of life itself")
        return
    says = f"this machine can't look for signs of life: it lacks {', '.join(lacking)}"
    debian, redhat = (" ".join(WITNESS[program][which] for program in lacking) for which in (0, 1))
    yield Look("witness", Ready.BAD, says, _install(debian, redhat))


def _power(inventory: Inventory) -> Iterator[Look]:
    devices = [
        (host, device)
        for host in sorted(inventory.hosts.values(), key=lambda host: host.name)
        for level in host.power
        for device in level
    ]
    for agent in sorted({device.agent for _, device in devices}):
        if _which(agent):
            yield Look("power", Ready.OK, f"{agent} is installed")
        else:
            users = [host for host in inventory.hosts.values() if any(a.agent == agent for _, a in _of(host))]
            says = f"{agent} is not installed: {_names(users)} can't be switched off"
            yield Look("power", Ready.BAD, says, _install("fence-agents", "fence-agents-all"))
    if any(_runs_ipmitool(device) for _, device in devices):
        state = Ready.OK if _which("ipmitool") else Ready.BAD
        says = "ipmitool is installed" if state is Ready.OK else "ipmitool, which the agents for IPMI run, is missing"
        yield Look("power", state, says, "" if state is Ready.OK else _install("ipmitool", "ipmitool"))
    bad = [look for host, device in devices for look in _secret(host, device)]
    yield from bad
    secrets = [device for _, device in devices if _SOURCES & dict(device.options).keys()]
    if secrets and not bad:
        yield Look("power", Ready.OK, f"{count(len(secrets), 'power device')}: the password is where it is looked for")


def _of(host: Host) -> Iterator[tuple[int, PowerDevice]]:
    yield from ((number, device) for number, level in enumerate(host.power) for device in level)


def _runs_ipmitool(device: PowerDevice) -> bool:
    return device.agent in WITH_IPMITOOL and "ipmitool_path" not in dict(device.options)


def _secret(host: Host, device: PowerDevice) -> Iterator[Look]:
    """What is wrong with the secret of one device. A command that prints it is looked for, and not run."""
    whose = f"{host.name}, {device.agent}"
    options = dict(device.options)
    if command := options.get("password_command"):
        program = command[0] if isinstance(command, tuple) else shlex.split(command)[0]
        if shutil.which(program) is None:
            yield Look("power", Ready.BAD, f"{whose}: {program} (password_command) is not there", f"install {program}")
        return
    try:
        read_secret(device.options, os.environ)
    except (OSError, ValueError) as error:
        says = f"{options.get('password_file')}: {error.strerror}" if isinstance(error, OSError) else str(error)
        where = options.get("password_file")
        name = options.get("password_env")
        mend = f"put the password into {where}, one line" if where else f"export {name}=…"
        yield Look("power", Ready.BAD, f"{whose}: {says}", mend)
        return
    path = options.get("password_file")
    if isinstance(path, str) and (loose := _loose(path, 0o077, "can be read")):
        yield Look("power", Ready.BAD, f"{whose}: {path} {loose}", f"chmod 600 {shlex.quote(path)}")


def _ceph(inventory: Inventory) -> Iterator[Look]:
    """Siblings are asked first, and this machine last: what it lacks is no hindrance as long as one of them answers."""
    for cluster in sorted(inventory.clusters.values(), key=lambda cluster: cluster.name):
        if cluster.ceph is None:
            continue
        lacking = [program for program in CEPH if shutil.which(program) is None]
        unread = [path for path in (cluster.ceph.conf, cluster.ceph.keyring) if path and not os.access(path, os.R_OK)]
        wants = [f"lacks {', '.join(lacking)}"] if lacking else []
        wants += [f"can't read {', '.join(unread)}"] if unread else []
        if wants:
            says = f"{cluster.name}: only its hosts can ask Ceph; this machine {' and '.join(wants)}"
            mend = _install("ceph-common", "ceph-common") if lacking else f"copy {', '.join(unread)} from a host"
            yield Look("ceph", Ready.NOTE, says, mend)
        else:
            yield Look("ceph", Ready.OK, f"{cluster.name}: this machine can ask Ceph, too")

"""The real command in the lab: `hafence …` as a process of its own, watched from outside while it runs.

What it says is read from its output, what it did is seen out of band: the kernel's own word on every qemu, libvirt's
on the hosts, and the store through `hafence status`. Nothing here reaches into the program.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.json_schemas import hold

from .cluster import Lab
from .inventory import merge
from .proc import LabError, arguments, wait_until
from .vm import LabVm, Qemu, uuid_of

QUICK: Mapping[str, Any] = {"connect_timeout": 1, "ssh_timeout": 8, "start_timeout": 8}
"""The `fencing` section of these tests: time-outs that a lab host never needs, so that silence costs little."""
SAMPLES_PER_S = 6
LONGEST_S = 120.0
"""No command of these tests takes so long: one that does is killed, and that is a failure."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended: its exit code and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Document:
        """The one JSON document on stdout."""
        try:
            found: Document = json.loads(self.stdout)
        except ValueError as error:
            raise AssertionError(f"no JSON document ({error}): {self}") from None
        return found

    def __getitem__(self, key: str) -> Any:
        return self.document[key]

    @property
    def vms(self) -> dict[str, Document]:
        """The outcomes of a `fence`, by the VM's name."""
        return {each["vm"]["name"]: each for each in self["vms"]}

    @property
    def proxies(self) -> list[tuple[str, str]]:
        """Who was asked, in order, with the verdict of each."""
        return [(each["proxy"], each["verdict"]) for each in self["attempts"]]

    def __str__(self) -> str:
        return f"exit {self.code}\n{self.stdout}\n{self.stderr}"


class Going:
    """A command under way."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def wait(self, timeout_s: float = LONGEST_S) -> Ended:
        """Wait for its end."""
        try:
            stdout, stderr = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise LabError(f"{self.process.args!r} did not end within {timeout_s:g} s") from None
        words: Any = self.process.args
        hold(words, stdout)
        return Ended(self.process.returncode, stdout, stderr)

    def signal(self, sign: signal.Signals) -> None:
        """Send it a signal, as a person or a crash does."""
        self.process.send_signal(sign)

    def kill(self) -> Ended:
        """SIGKILL, and what it had said by then."""
        self.process.kill()
        stdout, stderr = self.process.communicate(timeout=30)
        return Ended(self.process.returncode, stdout, stderr)


class AdminNode:
    """Where `hafence` is typed: an inventory of the lab, made when this is, and a store of its own.

    `overrides` are laid on the inventory, on top of QUICK: `AdminNode(lab, fencing={"unreachable": "prove"})`.
    """

    def __init__(self, lab: Lab, **overrides: Any) -> None:
        self.lab = lab
        self.inventory = lab.inventory(**merge({"fencing": dict(QUICK)}, overrides))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HAFENCE_")},
            "HAFENCE_INVENTORY": str(self.inventory),
            "NO_COLOR": "1",
        }

    @property
    def folder(self) -> Path:
        """Where the inventory, its keys, its domains and the store are."""
        return self.inventory.parent

    @property
    def store(self) -> Path:
        """The store's file."""
        return self.folder / "state.db"

    # ------------------------------------------------------------ running it

    def begin(self, *words: str) -> Going:
        """Start `hafence WORDS…`, as a process group of its own, nobody at the terminal."""
        process = subprocess.Popen(
            [sys.executable, "-m", "hafence", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=self.folder,
            start_new_session=True,
        )
        return Going(process)

    def run(self, *words: str) -> Ended:
        """Run `hafence WORDS…` to its end."""
        return self.begin(*words).wait()

    def run_json(self, *words: str) -> Ended:
        """The same with --json, whose one document on stdout must be one."""
        ended = self.run(*words, "--json")
        assert ended.document, ended
        return ended

    def start_vm(self, *words: str) -> Ended:
        """`start-vm WORDS… --yes --json`."""
        return self.run_json("start-vm", *words, "--yes")

    # ------------------------------------------------------------ the store, by the command's own word

    def status(self) -> Document:
        """`status --json`."""
        ended = self.run_json("status")
        assert ended.code == 0, ended
        return ended.document

    def record(self, name: str) -> Document:
        """What is recorded of one VM: state, host, last_host, run."""
        found: Document = next(vm for vm in self.status()["vms"] if vm["name"] == name)
        return found

    def recorded(self, name: str) -> str:
        """The same in words: `running on kvm-01`."""
        return str(self.record(name)["says"])

    def quarantined(self) -> set[str]:
        """The hosts in quarantine."""
        return {host["name"] for host in self.status()["hosts"] if host["quarantine"]}

    # ------------------------------------------------------------ the journal, as it grows

    def steps(self) -> list[tuple[str, str]]:
        """Every row of the history so far, as (run, kind of step). Read beside the run, which does not feel it."""
        if not self.store.exists():
            return []
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as db:
                rows = db.execute("SELECT run, kind, body FROM history ORDER BY seq").fetchall()
        except sqlite3.OperationalError:  # it is being made just now
            return []
        return [(run, json.loads(body).get("kind", kind) if kind == "step" else kind) for run, kind, body in rows]

    def wait_step(self, kind: str, going: Going, count: int = 1) -> None:
        """Wait until so many steps of a kind are in the journal. Fails if the command ends before."""

        def there() -> bool:
            if [step for _, step in self.steps()].count(kind) >= count:
                return True
            if going.process.poll() is not None:
                raise LabError(f"ended before {kind!r}: {going.wait()}; journal {self.steps()}")
            return False

        wait_until(there, f"{count} of {kind} in the journal", 60)


# ---------------------------------------------------------------- what must never be


@dataclass
class Watch:
    """Every living qemu of every VM, sampled while a test runs. `most` is the highest number seen of each at once."""

    most: Counter[str] = field(default_factory=Counter)
    where: dict[str, list[Qemu]] = field(default_factory=dict)
    samples: int = 0

    def look(self, lab: Lab) -> None:
        """One sample. Two copies are looked at twice: the scan of /proc takes its time, in which one may have died."""
        self.samples += 1
        for uuid, found in by_vm(lab).items():
            if len(found) > self.most[uuid]:
                again = lab.qemus(uuid) if len(found) > 1 else found
                both = sorted(set(found) & set(again))
                if len(both) > self.most[uuid]:
                    self.most[uuid], self.where[uuid] = len(both), both


def by_vm(lab: Lab) -> dict[str, list[Qemu]]:
    """The living qemus of each VM."""
    found: dict[str, list[Qemu]] = {}
    for qemu in lab.qemus():
        if named := uuid_of(arguments(qemu.pid)):
            found.setdefault(named, []).append(qemu)
    return found


@contextmanager
def never_twice(lab: Lab) -> Iterator[Watch]:
    """While this lasts, no VM lives twice at any moment that is looked at, and at its end no disk has been written to
    by an older copy after a newer one had begun: the promise that all else serves."""
    watch = Watch()
    over = threading.Event()
    broken: list[BaseException] = []

    def sample() -> None:
        try:
            while not over.is_set():
                watch.look(lab)
                over.wait(1 / SAMPLES_PER_S)
            watch.look(lab)
        except BaseException as error:  # told to the test below
            broken.append(error)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join(30)
    assert not broken, broken
    assert watch.samples > 1
    twice = {uuid: watch.where[uuid] for uuid, most in watch.most.items() if most > 1}
    assert not twice, f"lived twice: {twice}"
    assert lab.late_writers() == []


# ---------------------------------------------------------------- what is asserted again and again


def assert_started(admin: AdminNode, vm: LabVm, ended: Ended, reason: str = "confirmed_dead", on: str = "") -> str:
    """It was started, runs exactly once, where it says, and the record says so too. Returns the host."""
    assert ended.code == 0, ended
    assert (ended["decision"], ended["reason"]) == ("started", reason), ended
    host = str(ended["host"])
    assert host != ended["suspect"], ended
    if on:
        assert host == on, ended
    assert [qemu.host for qemu in admin.lab.qemus(vm.uuid) if qemu.host != ended["suspect"]] == [host], ended
    record = admin.record(vm.name)
    assert (record["state"], record["host"], record["last_host"]) == ("running", host, ended["suspect"]), record
    return host


def assert_refused(
    admin: AdminNode, vm: LabVm, ended: Ended, reason: str, verdict: str | None = None, before: list[Qemu] | None = None
) -> None:
    """It was refused: nothing started, the record as the inventory has it, the sentence names a way out.

    With `before`, the very processes that lived then live now; without, there may be fewer, never another.
    """
    assert ended.code == 3, ended
    assert (ended["decision"], ended["reason"], ended["verdict"]) == ("refused", reason, verdict), ended
    elsewhere = [qemu for qemu in admin.lab.qemus(vm.uuid) if qemu.host != vm.host]
    assert not elsewhere, ended
    if before is not None:
        assert admin.lab.qemus(vm.uuid) == before, ended
    assert f"stays recorded as running on {vm.host}" in ended["message"], ended
    assert ended["ways_out"], ended
    status = admin.status()
    record = next(each for each in status["vms"] if each["name"] == vm.name)
    assert (record["state"], record["host"]) == ("running", vm.host), record
    assert status["leases"] == [], status


# ---------------------------------------------------------------- what a dry run or an audit could change


def traces(lab: Lab) -> dict[str, object]:
    """All that a run could change on the hosts: libvirt's files, autostart, processes, hafence's own locks."""
    found: dict[str, object] = {}
    for host in lab.hosts.values():
        for folder in ("etc/libvirt/qemu", "lib/qemu"):
            for path in sorted((host.folder / folder).rglob("*")):
                if path.is_file() and path.suffix == ".xml":
                    found[f"{host.name}:{path}"] = hashlib.sha256(path.read_bytes()).hexdigest()
        found[f"{host.name}:locks"] = sorted(os.listdir(host.path("/run"))) if host.is_on() else []
    found["qemus"] = lab.qemus()
    return found


def files(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file of the admin node's folder."""
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def wait_starting(lab: Lab, host: str, vm: LabVm) -> None:
    """Wait until libvirt on a host is at the start of a VM, held there by `slow_start`: its hook runs."""

    def hook_runs() -> bool:
        lines = [arguments(pid) for pid in lab.hosts[host].processes()]
        return any("/etc/libvirt/hooks/qemu" in line and vm.name in line for line in lines)

    wait_until(hook_runs, f"libvirt on {host} is at the start of {vm.name}", 30)


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = 30.0) -> None:
    """Wait for a condition that costs a process each time it is looked at."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise LabError(f"after {timeout_s:g} s still not so: {what}")
        time.sleep(0.1)

"""The story that `hafence demo` shows: the real command on the demo's cluster, act by act.

Each act says what has happened, runs one command as an admin would type it, and then looks for itself: at
the exit code, and at the VMs' disks, where every writer leaves its heartbeats. An act that did not go as told
fails the demo, so it is a test too.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from .acts import ACTS, TWICE, Act
from .cluster import DemoCluster, DemoError
from .guard import install_guard, remove_guard
from .layout import FAULTS, VMS
from .writers import overlap, writers

Out = Callable[[str], None]
WIDEST = 100
"""Columns; a terminal may have fewer."""

OPENING = (
    "Four hosts, each with an SSH server, on this machine's loopback. Real: SSH, host keys, tunnels through a sibling,"
    " hafence's scripts, the processes that they find and kill, the store. Stood in for: qemu (a shell that writes"
    " heartbeats to its VM's disk), libvirt (a small virsh), a host without power (its processes are killed and the"
    " kernel drops what comes to its port), and ping and ip, since loopback would answer for such a host."
)
OWN_HOSTS = (
    "For hosts of your own: 'hafence inventory init' writes one to begin with, then 'hafence inventory check' and"
    " 'hafence audit'."
)


def run_demo(keep: bool = False, out: Out | None = None) -> int:
    """Show the demo; 0 when every act went as told, 1 when not.

    With `keep` the cluster is left up at the end, and the commands to try on it are printed. `out` takes the
    lines (default: standard output).
    """
    say = out or _print
    screen = out is None and _is_screen()
    with _ended_by_signals():
        try:
            with DemoCluster(keep=keep) as cluster:
                faults = _show(cluster, say, screen)
                if keep:
                    _say_what_to_try(cluster, say)
        except DemoError as error:
            say(f"hafence demo: {error}")
            return 1
    for fault in faults:
        say(f"NOT AS TOLD: {fault}")
    if not keep:
        word = _hafence_word()
        say(
            _filled(
                f"Nothing is left of the cluster. Next: '{word} demo --keep' leaves it up for you to try. {OWN_HOSTS}"
            )
        )
    return 1 if faults else 0


def _is_screen() -> bool:
    """Whether hafence shows its live view here: then it gets the terminal itself."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def _width() -> int:
    return min(WIDEST, shutil.get_terminal_size((WIDEST + 1, 24)).columns - 1)


def _filled(text: str) -> str:
    return textwrap.fill(text, _width(), break_long_words=False, break_on_hyphens=False)


def _show(cluster: DemoCluster, say: Out, screen: bool) -> list[str]:
    """The acts and the last look. The answer is what did not go as told."""
    say(_filled(OPENING))
    say("")
    for vm in VMS:
        cluster.await_beat(vm.name, vm.host)
    faults = []
    for number, act in enumerate(ACTS, 1):
        faults += play(cluster, act, number, say, screen)
    say("What is recorded now")
    say("")
    run_shown(cluster, ("status",), say, screen)
    say("")
    for vm in VMS:
        beats = cluster.beats(vm.name)
        where = " then ".join(f"{host} (pid {pid})" for host, pid in writers(beats))
        twice = overlap(beats)
        say(f"  {vm.name:<8} {len(beats):>4} heartbeats: {where}{'' if not twice else '  TWO WRITERS: ' + twice}")
        if bool(twice) != (vm.name in TWICE):
            faults.append(f"{vm.name}: {twice or 'had one writer at a time'}")
    if not faults:
        but = " and ".join(sorted(TWICE))
        say(_filled(f"Every VM had at most one writer at any time, but for {but} while kvm-04 had no guard."))
    say("")
    return faults


def play(cluster: DemoCluster, act: Act, number: int, say: Out, screen: bool = False) -> list[str]:
    """One act; the answer is what did not go as told. With `screen` the command draws on this terminal itself."""
    say(f"{number}. {act.title}")
    say("")
    say(_filled(act.tells))
    say("")
    if act.guarded:
        host, is_there = act.guarded
        (install_guard if is_there else remove_guard)(cluster.folder, host)
    if act.fault:
        cluster.make_fault(*act.fault)
    if act.heals:
        cluster.heal_fault(*act.heals)
    code = run_shown(cluster, act.command, say, screen)
    faults = []
    if code != act.exit:
        faults.append(f"{act.title}: exit {code} instead of {act.exit}")
    if act.word and _last_reason(cluster) != act.word:
        faults.append(f"{act.title}: the reason was not {act.word}")
    if not faults:
        faults += _look(cluster, act)
        say("")
        say(_filled(act.explains))
    if act.fault and act.fault[1] == "cut":
        cluster.heal_fault(*act.fault)
    say("")
    return faults


def _look(cluster: DemoCluster, act: Act) -> list[str]:
    """Who writes to the VM's disk, seen on the disk itself."""
    since = len(cluster.beats(act.vm))
    cluster.wait(lambda: len(cluster.beats(act.vm)) > since + 2, f"{act.vm} to write")
    hosts = {beat.host for beat in cluster.beats(act.vm)[since:]}
    if act.twice:
        both = act.suspect in hosts and len(hosts) == 2
        return [] if both else [f"{act.vm} is written from {' and '.join(sorted(hosts))} alone"]
    if len(hosts) != 1:
        return [f"{act.vm} is written from {' and '.join(sorted(hosts))}"]
    if act.host is not None and hosts != {act.host}:
        return [f"{act.vm} writes on {hosts.pop()}, not on {act.host}"]
    if act.host is None and hosts == {act.suspect}:
        return [f"{act.vm} still writes on {act.suspect}"]
    return []


def run_shown(cluster: DemoCluster, words: tuple[str, ...], say: Out, screen: bool) -> int:
    """Run `hafence WORDS` and show it as it goes; the answer is its exit code."""
    say(f"  $ hafence {' '.join(words)}")
    with subprocess.Popen(
        [sys.executable, "-m", "hafence", *words],
        env=cluster.environment,
        stdin=subprocess.DEVNULL,
        stdout=None if screen else subprocess.PIPE,
        stderr=None if screen else subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                say(f"    {line.rstrip()}")
            process.wait()
        except BaseException:
            process.kill()
            raise
    say(f"  [exit {process.returncode}]")
    return process.returncode


def _last_reason(cluster: DemoCluster) -> str | None:
    """The reason of the latest run, as its history has it."""
    said = cluster.hafence("history", "--limit", "1", "--json")
    runs = json.loads(said.stdout)["runs"] if said.returncode == 0 else []
    return str(runs[0]["reason"]) if runs else None


def _say_what_to_try(cluster: DemoCluster, say: Out) -> None:
    folder, hafence = cluster.folder, _hafence_word()
    say("The cluster stays up. Try, in a shell:")
    say("")
    say(f"  export HAFENCE_INVENTORY={folder}/inventory.yaml")
    for line, about in TRY:
        _say_command(line.format(folder=folder, hafence=hafence), about, say)
    say("")
    say(_filled(f"A fault is a file in {folder}/faults (NAME.FAULT) and ends when it is removed:"))
    say("")
    for fault, about in FAULTS.items():
        _say_command(f"touch {folder}/faults/kvm-03.{fault}", about, say)
    say("")
    say("The cluster ends by itself after 8 hours, or with:")
    say("")
    say(f"  rm {folder}/keep")


def _say_command(command: str, about: str, say: Out) -> None:
    """A command to copy, and what it is for: behind it where there is room, else above it."""
    line = f"  {command}" + (f"   # {about}" if about else "")
    if len(line) <= _width():
        say(line)
        return
    for part in textwrap.wrap(about, _width() - 4):
        say(f"  # {part}")
    say(f"  {command}")


TRY = (
    ("{hafence} status", ""),
    ("{hafence} history", ""),
    ("{hafence} audit", "read-only: what is not as it should be"),
    ("{hafence} start-vm db-01 --dry-run", "what would happen"),
    ("{hafence} start-vm db-01 --yes", "its qemu ignores SIGTERM"),
    ("{folder}/hosts/kvm-01/bin/virsh undefine web-01", "clear up where web-01 was fenced"),
    ("{hafence} rejoin kvm-01 --yes", "and take the host back"),
    ("tail -f {folder}/storage/db-01.img", "heartbeats: uptime, host, process"),
)
"""Commands to try in the state in which the acts leave the cluster."""


def _hafence_word() -> str:
    """How the command is called in this user's shell."""
    beside = Path(sys.executable).parent / "hafence"
    if shutil.which("hafence") or not beside.exists():
        return "hafence"
    return str(beside)


def _print(line: str) -> None:
    print(line, flush=True)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does: by way of every clean-up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

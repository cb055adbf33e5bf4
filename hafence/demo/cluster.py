"""The demo's cluster as its user holds it: `with DemoCluster() as cluster: …`."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from .layout import disk_of, fault_file, status_file
from .writers import Beat, read_beats

PATIENCE_S = 20.0
"""For things that take a moment. Whoever waits so long on this machine has met a fault."""


class DemoError(Exception):
    """The cluster could not be set up, or did not do what it was told; the message says why."""


class DemoCluster:
    """Four hosts and their VMs on loopback, in a process of their own that cleans up however this one ends.

    With `keep` the cluster stays up after this object is closed, until its folder is removed.
    """

    def __init__(self, keep: bool = False) -> None:
        self.keep = keep
        self.folder = Path()
        self._keeper: subprocess.Popen[str] | None = None

    def __enter__(self) -> DemoCluster:
        if importlib.util.find_spec("asyncssh") is None:
            raise DemoError("the demo needs asyncssh: 'make demo' brings it, or 'pip install asyncssh'")
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "hafence.demo.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": _python_path()},
            text=True,
            start_new_session=True,  # Ctrl-C on the terminal is for the demo, not for the one who cleans up
        )
        try:
            self._await_ready(self._keeper)
        except BaseException:
            self.close(keep=False)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(keep=self.keep and error is None)

    def _await_ready(self, keeper: subprocess.Popen[str]) -> None:
        assert keeper.stdout is not None
        said: list[str] = []
        for line in keeper.stdout:
            if line.startswith("ready "):
                self.folder = Path(line.removeprefix("ready ").rstrip("\n"))
                return
            said.append(line.strip())
        raise DemoError(f"the demo's cluster did not come up: {' / '.join(said[-3:]) or 'it said nothing'}")

    def close(self, keep: bool) -> None:
        """End the cluster and wait until nothing of it is left, or, with `keep`, let it stay."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        if keep:
            (self.folder / "keep").touch()
        for pipe in (keeper.stdin, keeper.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if keep:
            return
        try:
            keeper.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """What hafence needs in its environment to work on this cluster, and nothing of the user's own setting."""
        mine = {key: value for key, value in os.environ.items() if not key.startswith("HAFENCE_")}
        return mine | {
            "HAFENCE_INVENTORY": str(self.folder / "inventory.yaml"),
            "PYTHONPATH": _python_path(),
        }

    def hafence(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command `hafence …` on this cluster, with nobody at the terminal."""
        return subprocess.run(
            [sys.executable, "-m", "hafence", *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def make_fault(self, host: str, fault: str) -> None:
        """Make a fault of layout.FAULTS and wait until the host shows it."""
        fault_file(self.folder, host, fault).touch()
        self.wait(lambda: fault in self._shown(host), f"{host} to show the fault '{fault}'")

    def heal_fault(self, host: str, fault: str) -> None:
        """End a fault and wait until the host has recovered."""
        fault_file(self.folder, host, fault).unlink(missing_ok=True)
        self.wait(lambda: fault not in self._shown(host), f"{host} to recover from the fault '{fault}'")

    def _shown(self, host: str) -> list[str]:
        try:
            return status_file(self.folder, host).read_text().split()
        except FileNotFoundError:
            return []

    def beats(self, vm: str) -> list[Beat]:
        """The heartbeats on a VM's disk, oldest first."""
        return read_beats(disk_of(self.folder, vm))

    def await_beat(self, vm: str, host: str) -> None:
        """Wait until a VM writes from a host, after now."""
        seen = len(self.beats(vm))
        self.wait(lambda: any(beat.host == host for beat in self.beats(vm)[seen:]), f"{vm} to write from {host}")

    def wait(self, until: Callable[[], bool], what: str) -> None:
        """Wait for a condition. DemoError if it does not come true."""
        give_up_at = time.monotonic() + PATIENCE_S
        while not until():
            if time.monotonic() > give_up_at:
                raise DemoError(f"waited {PATIENCE_S:.0f} s in vain for {what}")
            time.sleep(0.02)


def _python_path() -> str:
    """Where hafence was imported from comes first, so that the children run the same hafence."""
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])

"""The whole command on a small inventory, inside this process: thousands of bent inputs cost seconds, not hours."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hafence.cli.app import run
from tests.cli.conftest import Typed as Typed

WEB = "6d6f6a5a-0000-4000-8000-000000000001"
DB = "6d6f6a5b-0000-4000-8000-000000000002"
EXITS = {0, 2, 3, 4, 5, 6, 7, 8}
"""All of the contract but a bug and an interruption."""

HOSTS = """\
clusters:
  other: {hypervisor: bhyve, start: {command: [./start]}}
  prod: {hypervisor: kvm}
hosts:
  bh-01: {cluster: other, address: 127.0.0.2, ssh: {port: 9}}
  bh-02: {cluster: other, address: 127.0.0.3, ssh: {port: 9}}
  kvm-01: {cluster: prod, address: 127.0.0.4, ssh: {port: 9}}
  kvm-02: {cluster: prod, address: 127.0.0.5, ssh: {port: 9}}
"""
VMS = f"""\
fencing: {{connect_timeout: 1, settle: 1}}
store: sqlite:state.db
hooks: hooks.d
vms:
  web-01: {{uuid: {WEB}, host: bh-01}}
  db-01: {{uuid: {DB}, host: kvm-01}}
"""
START = '#!/bin/sh\necho "$@" >>"$0.ran"\ncat "$0.says"\nexit "$(cat "$0.exit")"\n'


@dataclass(frozen=True)
class Place:
    """An admin's folder: web-01 is started by a command, db-01 is on KVM hosts that refuse every connection."""

    folder: Path

    def write(self, name: str, content: str | bytes, mode: int = 0o644) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    def type(self, *words: str, env: Mapping[bytes, bytes] | None = None) -> Typed:
        """Type `hafence WORDS` here. It ends as the contract says, and what it says on stderr is no traceback."""
        with _environment(env or {}), _captured() as (out, err):
            here = os.getcwd()
            os.chdir(self.folder)
            try:
                code = run(words)
            finally:
                os.chdir(here)
        typed = Typed(code, _text(out), _text(err))
        assert typed.code in EXITS, typed
        assert "Traceback (most recent call last):\n" not in typed.err, typed
        return typed

    @property
    def starts(self) -> int:
        """How often the start command was run."""
        ran = self.folder / "start.ran"
        return len(ran.read_text().splitlines()) if ran.exists() else 0


@contextmanager
def a_place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="hfe-") as name:
        place = Place(Path(name))
        (place.folder / "inventory").mkdir()
        (place.folder / "hooks.d").mkdir()
        place.write("inventory/hosts.yaml", HOSTS.replace("./start", f"{name}/start"))
        place.write(
            "inventory/vms.yaml", VMS.replace("sqlite:", f"sqlite://{name}/").replace("hooks.d", f"{name}/hooks.d")
        )
        place.write("start", START, 0o755)
        place.write("start.says", "")
        place.write("start.exit", "0")
        yield place


@contextmanager
def _environment(more: Mapping[bytes, bytes]) -> Iterator[None]:
    before = dict(os.environb)
    for name in [name for name in before if name.startswith(b"HAFENCE_")]:
        del os.environb[name]
    os.environb.update({b"HAFENCE_INVENTORY": b"inventory", **more})
    try:
        yield
    finally:
        os.environb.clear()
        os.environb.update(before)


@contextmanager
def _captured() -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    """stdout and stderr as files, with an encoding and all that a file can refuse."""
    before = sys.stdout, sys.stderr
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    sys.stdout, sys.stderr = out, err
    try:
        yield out, err
    finally:
        sys.stdout, sys.stderr = before


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()
